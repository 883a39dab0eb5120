"""F16, F17: an early section in the setup phase, and at the end a resync where nothing else changed."""

from __future__ import annotations

import re
from functools import lru_cache

import pytest
from between import migrated, pour, refusal
from splice import FULL, PART, START, joined, pieces, the, without_capability
from state_changes import CHANGES, pair
from two_states import NET, Watched, bare, changing, net_of, setting

from vnetmig.errors import EncodeError, FieldError
from vnetmig.migration import incoming_devices
from vnetmig.migration.capabilities import DELTA, EARLY, HANDOVER, USED_QUEUES
from vnetmig.migration.destination import Destination
from vnetmig.migration.machine import Machine
from vnetmig.migration.options import Options
from vnetmig.migration.run import outcome_of
from vnetmig.migration.source import Source, State
from vnetmig.migration.tentative_state import SentState, Snapshot
from vnetmig.stream.framing import HANDOVER_MAGIC
from vnetmig.stream.tentative import FULL_STATE, RESYNC
from vnetmig.virtio.resync import ALWAYS_CHANGE, resync_spans
from vnetmig.vmstate.changes import changed_fields
from vnetmig.vmstate.record import Record

INDICES_ONLY = ("nothing", "ring indices", "packed rings", "pending transmissions")
LEGACY, MMIO = "rfc-user-1q-legacy", "microvm-mmio-q72"
FRAME = 8 + 16 + 16 + 4
"""Flag, base, identity, length."""


def stream_of(source: Source, destination: Destination | None = None) -> bytes:
    sent: list[bytes] = []
    pour(source, sent.append)
    stream = b"".join(sent)
    return stream[: stream.index(HANDOVER_MAGIC)]


# F16.


def test_f16_the_early_section_goes_in_the_setup_phase() -> None:
    """A FULL section with the state's plain bytes, before anything iterates, and no section of the flag protocol."""
    machine = pair("MAC")
    found = pieces(stream_of(Source(machine, "early")))
    early = the(found, FULL, "/virtio-net-early")
    assert early.payload == net_of(machine).save_at_setup()
    assert found.index(early) < min(
        (found.index(piece) for piece in found if piece.kind == PART or b"\x08\0\x0b" in piece.head), default=99
    )
    assert not [piece for piece in found if piece.idstr.endswith(("-iterative", "-delta"))]
    assert early.head[-8:] == bytes.fromhex("00000000 0000000b")


def test_f16_it_is_prepared_before_anything_else_arrives() -> None:
    watched = Watched()
    machine = pair("MAC")
    source, destination = Source(machine, "early"), Destination(machine=watched)
    while not watched.prepared:
        destination.feed(source.next_bytes() or b"")
    assert source.state is State.SETUP
    assert watched.prepared[0].save() == net_of(machine).save_at_setup()
    migrated(source, destination)
    assert source.state is State.DONE
    assert watched.did == ["prepare", "commit", "loaded", "start"]


def test_f16_no_index_is_checked_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Record] = []
    monkeypatch.setattr(incoming_devices, "ring_verdict", lambda record, *_, **__: looked.append(record) or (None, ()))
    machine = changing(bare("rfc-user-1q"), setting(**{"vq[0].last_avail_idx": 40_000, "vq[1].desc": 0xFFFF0000}))
    destination = migrated(Source(machine, "early"))
    assert looked == [destination.devices[0].state]


def test_f16_the_capability_says_that_there_may_be_one() -> None:
    found = pieces(stream_of(Source(bare("rfc-user-1q"), "early")))
    watched = Watched()
    words = refusal(joined(without_capability(found, EARLY)), Destination(machine=watched))
    assert words.startswith(f"Unknown savevm section or instance '{NET}-early' 0. Make sure")
    assert f"'{EARLY}' is off" in words and watched.untouched


def test_f16_both_sides_need_it() -> None:
    source = Source(bare("rfc-user-1q"), "early")
    migrated(source, Destination(capabilities=("x-ignore-shared", HANDOVER)))
    assert f"Capability {EARLY} is off, but received capability is on" in str(source.error)
    assert (source.state, source.owner) == (State.FAILED, "source")


def test_f16_an_early_state_without_a_final_one() -> None:
    found = pieces(stream_of(Source(bare("rfc-user-1q"), "early")))
    final = the(found, FULL, "/virtio-net")
    found.remove(final)
    data = joined(without_capability(without_capability(found, HANDOVER), "none"))
    assert f"'{NET}' was sent early and never again" in refusal(data)


# F17.


@pytest.mark.parametrize("change", INDICES_ONLY)
def test_f17_indices_alone_are_resynchronised(change: str) -> None:
    machine = pair(change)
    net = net_of(machine)
    assert isinstance(net.state, Record)
    watched = Watched()
    source = Source(machine, "early")
    migrated(source, Destination(machine=watched))
    (final,) = outcome_of(source).finals
    assert (source.state, final.form) == (State.DONE, "RESYNC")
    assert set(final.changed) == set(changed_paths(machine))
    values = sum(size for _, size in resync_spans(net.state))
    assert len(source.plan.finals[NET, 0].last.encode()) == FRAME + values  # type: ignore[union-attr]
    assert watched.committed[0].save() == net.save()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rfc-user-1q", 1 + 3 * 2 + 4),  # isr, last_avail_idx of three queues, tx_waiting
        ("rfc-user-1q-legacy", 1 + 3 * 2 + 4),
        ("rfc-chg-rss-on", 1 + 9 * 2 + 4 + 4),  # nine queues, a second pair
        ("linux-user-packed-q72", 1 + 3 * 2 + 4 + 3 * 10),  # and what a packed ring has beside
    ],
)
def test_f17_the_size_of_a_resync(name: str, values: int) -> None:
    machine = changing(bare(name))
    source = Source(machine, "early")
    migrated(source)
    assert len(source.plan.finals[net_of(machine).idstr, 0].last.data) == values  # type: ignore[union-attr]


def changed_paths(machine: Machine) -> list[str]:
    net = net_of(machine)
    assert isinstance(net.state, Record) and net.setup_state is not None
    return [field.path for field in changed_fields(net.setup_state, net.state)]


@pytest.mark.parametrize("used_queues", [None, "count", "bitmap"])
@pytest.mark.parametrize("change", [name for name in CHANGES if name not in INDICES_ONLY])
def test_f17_any_other_change_reloads_all_and_is_named(change: str, used_queues: str | None) -> None:
    machine = pair(change)
    source = Source(machine, "early", options=Options(used_queues=used_queues))
    migrated(source)
    (final,) = outcome_of(source).finals
    assert final.form == ("FULL_STATE" if used_queues is None else "PACKED_STATE")
    assert final.changed == tuple(changed_paths(machine)) != ()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("MAC", "mac"),
        ("mac_table grows", "mac_table.in_use"),
        ("VLAN", "vlans[9]"),
        ("rx mode on", "promisc"),
        ("MQ up", "curr_queue_pairs"),
        ("RSS off", "rss.enabled"),
        ("offloads", "curr_guest_offloads"),
        ("features after a driver reload", "64bit_features.guest_features"),
        ("reset", "status"),
        ("reset of many queues", "num_queues"),
        ("link down", "net_status"),
        ("broken", "broken.broken"),
        ("vectors", "msix.table[1].data"),
        ("legacy ring addresses", "vq[0].desc"),
    ],
)
def test_f17_statistics_name_the_field_that_forced_it(change: str, field: str) -> None:
    source = Source(pair(change), "early")
    migrated(source)
    (final,) = outcome_of(source).finals
    assert field in final.changed


KINDS = re.compile(r"\[\d+\]")


@lru_cache
def kinds_of_fields(capture: str) -> dict[str, str]:
    """One field of each kind, in the first of its elements: {name without index: path}."""
    state = net_of(bare(capture)).state
    assert isinstance(state, Record)
    found: dict[str, str] = {}
    for path, _ in state.fields().leaves():
        if "#" not in path:
            found.setdefault(KINDS.sub("", path), path)
    return found


def other(value: object) -> object:
    if isinstance(value, int):
        return value ^ 1
    if isinstance(value, str):
        return "02:00:00:00:00:99"
    assert isinstance(value, bytes)
    return bytes((value[0] ^ 1,)) + value[1:]


ALWAYS = {f"{name}.{column}" for name, columns in ALWAYS_CHANGE.items() for column in columns} | {
    name for name, columns in ALWAYS_CHANGE.items() if not columns
}
COUNTS = {"config_len", "num_queues", "mac_table.in_use", "rss.indirections_len", "curr_queue_pairs"}
"""A number of elements does not change alone."""


@pytest.mark.parametrize("name", ["rfc-chg-rss-on", "linux-user-packed-q72", "rfc-user-1q-legacy", "microvm-mmio-q72"])
def test_f17_every_field_is_either_an_index_or_forces_a_reload(name: str) -> None:
    net = net_of(bare(name))
    assert isinstance(net.state, Record)
    sent = SentState(net)
    sent.hold(Snapshot.of(net.state, None))
    resynced = set()
    for kind, path in kinds_of_fields(name).items():
        record = net.state.copy()
        try:
            record[path] = other(record[path])  # type: ignore[assignment]
            snapshot = Snapshot.of(record, None)
        except (EncodeError, FieldError):
            assert kind in COUNTS
            continue
        flag = sent.resync(snapshot).flag
        assert flag in (RESYNC, FULL_STATE)
        if flag == RESYNC:
            resynced.add(kind)
        named = [change.path for change in sent.changes()]
        if path.startswith("pci.config."):  # what the registers are called follows from their values
            assert named and all(name.startswith("pci.config.") for name in named)
        else:
            assert named == [path]
    assert resynced == {always for always in ALWAYS if always in kinds_of_fields(name)}


def test_f17_a_queue_beyond_the_devices_is_no_index() -> None:
    """Values of queues that there are not: nobody resynchronises them, so they force a reload."""
    net = net_of(bare("linux-user-packed-q72"))
    assert isinstance(net.state, Record)
    sent = SentState(net)
    sent.hold(Snapshot.of(net.state, None))
    record = net.state.copy()
    record["packed_virtqueues.vq[9].used_idx"] = 1
    assert sent.resync(Snapshot.of(record, None)).flag == FULL_STATE


def test_f17_other_extensions_do_not_mix_in() -> None:
    plan = Source(bare("rfc-user-1q"), "early").plan
    assert plan.capabilities == (HANDOVER, EARLY) and not {DELTA, USED_QUEUES} & set(plan.capabilities)
    assert not [piece for piece in pieces(stream_of(Source(bare("rfc-user-1q"), "early"))) if piece.kind == START]
