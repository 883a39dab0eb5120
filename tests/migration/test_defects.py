"""What crashed the RFC's QEMU, killed its NIC, or came out as another error: here a clean error, or the right device.

Every row was tried with QEMU 10.0.13 and the RFC's patches. After each refusal: nothing was started at the destination,
the guest runs at the source, and the next migration of the same machine works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import pytest
from between import STREAMS, migrated, received, refusal, sent_by
from splice import (
    END,
    END_DATA,
    FULL,
    INIT_STATE,
    NO_DATA,
    PART,
    START,
    Piece,
    changed,
    joined,
    pieces,
    the,
    without_capability,
)
from test_first_load import pages_of, small
from two_states import NET, Guest, Watched, bare, net_of

from vnetmig.engine.rings import Verdict
from vnetmig.migration.capabilities import VIRTIO_ITERATIVE
from vnetmig.migration.destination import Destination, Phase
from vnetmig.migration.machine import Machine
from vnetmig.migration.source import Source, State
from vnetmig.stream.framing import HANDOVER_MAGIC

IDSTR = f"{NET}-iterative"
LOAD = f"error while loading state for instance 0x0 of device '{IDSTR}'"
UNKNOWN = "Unknown savevm section or instance '{}' {}. Make sure that your current VM setup matches your saved VM setup"


@lru_cache
def machine() -> Machine:
    """With the pages of its rings, so that every check is made."""
    return small("rfc-user-1q").with_memory(pages_of("rfc-user-1q"))


def stream() -> list[Piece]:
    return pieces(sent_by(Source(machine(), "iterative")))


def state() -> bytes:
    return net_of(machine()).save()


def start(found: list[Piece]) -> Piece:
    return the(found, START, IDSTR)


def check_next_migration(destination_machine: Watched) -> None:
    """The same machine again, to the same destination."""
    destination_machine.did.clear()
    guest = Guest()
    source = Source(machine(), "iterative", outgoing=guest)
    migrated(source, Destination(machine=destination_machine))
    assert (source.state, guest.did) == (State.DONE, ["stop", "release"])
    assert destination_machine.did[-2:] == ["loaded", "start"]


def check_refused(data: bytes, *words: str, **named: object) -> None:
    watched = Watched()
    error = refusal(data, Destination(machine=watched, **named))  # type: ignore[arg-type]
    for text in words:
        assert text in error
    assert watched.untouched and "loaded" not in watched.did
    guest = Guest()
    source = Source(machine(), "iterative", outgoing=guest)
    sent_by(source)
    destination = received(data, Destination(machine=Watched(), **named))  # type: ignore[arg-type]
    source.answer(destination.answer())  # what such a destination says lets the guest go on
    source.close()
    assert (source.state, source.owner, guest.runs) == (State.FAILED, "source", True)
    check_next_migration(watched)


def check_accepted(data: bytes) -> None:
    """It completes with a device that works: no ring makes it broken, and it is the one of a single load."""
    watched = Watched()
    destination = received(data, Destination(machine=watched))
    assert destination.phase is Phase.DONE, destination.error
    (net,) = destination.devices
    assert [ring.verdict for ring in net.rings] == [Verdict.OK] * 3
    assert net.save() == state() and "broken" not in net.state.subsections()  # type: ignore[union-attr]
    check_next_migration(watched)


# Capabilities.


@pytest.mark.parametrize(
    ("mode", "here", "words"),
    [
        ("iterative", (), "Capability virtio-iterative is off, but received capability is on"),
        ("stock", (VIRTIO_ITERATIVE,), "Capability virtio-iterative is on, but received capability is off"),
    ],
    ids=["source on, destination off", "source off, destination on"],
)
def test_f04_row_capability_mismatch(mode: str, here: tuple[str, ...], words: str) -> None:
    guest, watched = Guest(), Watched()
    source = Source(machine(), mode, outgoing=guest)
    destination = migrated(source, Destination(machine=watched, capabilities=("x-ignore-shared", *here)))
    assert words in str(destination.error) and words in str(source.error)
    assert (source.state, guest.runs) == (State.FAILED, True) and watched.untouched
    check_next_migration(watched)


def test_f04_row_a_stock_qemu_does_not_know_the_capability() -> None:
    data = joined(stream()).replace(b"virtio-iterative", b"virtio-iterativ2", 1)
    check_refused(data, "Received unknown capability virtio-iterativ2")


def test_f05_row_sections_without_the_capability() -> None:
    """SIGSEGV of the destination."""
    found = without_capability(stream(), VIRTIO_ITERATIVE)
    check_refused(joined(found), UNKNOWN.format(IDSTR, 0), "'virtio-iterative' is off")


# Accepted.

ACCEPTED: dict[str, Callable[[list[Piece]], list[Piece]]] = {
    "INIT twice in START": lambda f: changed(
        f, start(f), start(f).with_payload(INIT_STATE + state() + INIT_STATE + state() + END_DATA)
    ),
    "a second INIT in a PART before the RAM": lambda f: changed(f, start(f), start(f), start(f).as_part()),
    "START twice": lambda f: changed(f, start(f), start(f), start(f)),
    "a second INIT in a PART behind the RAM": lambda f: changed(f, the(f, PART, IDSTR), start(f).as_part()),
    "a second INIT in the END": lambda f: changed(
        f, the(f, END, IDSTR), the(f, END, IDSTR).with_payload(start(f).payload)
    ),
    "a lone END_DATA": lambda f: changed(f, start(f), start(f).with_payload(END_DATA)),
    "a lone NO_DATA": lambda f: changed(f, start(f), start(f).with_payload(NO_DATA)),
    "no END section": lambda f: [piece for piece in f if not piece.of(END, IDSTR)],
    "version_id 0": lambda f: changed(f, start(f), start(f).with_version(0)),
}


@pytest.mark.parametrize("row", ACCEPTED)
def test_f03_row_accepted(row: str) -> None:
    """A second INIT made QEMU look at rings that had not arrived: the migration completed with a dead NIC."""
    check_accepted(joined(ACCEPTED[row](stream())))


def test_f07_row_a_second_init_that_is_older_than_the_ram() -> None:
    """ "VQ 0 size 0x400 < last_avail_idx 0xe - used_idx 0x11" ended it; here only the final state meets the rings."""
    record = net_of(machine()).state.copy()  # type: ignore[union-attr]
    record["vq[0].last_avail_idx"] = 2
    old = INIT_STATE + record.save() + END_DATA
    found = stream()
    check_accepted(joined(changed(found, the(found, PART, IDSTR), start(found).with_payload(old).as_part())))


# Refused.


@pytest.mark.parametrize(
    ("mode", "capability", "suffix"),
    [("iterative-delta", "x-vnetmig-delta-1", "-delta"), ("preheat-all", "x-vnetmig-preheat-1", "-preheat")],
)
def test_f05_row_sections_of_an_extension_without_its_capability(mode: str, capability: str, suffix: str) -> None:
    found = without_capability(pieces(stream_in(mode)), capability)
    check_refused(joined(found), UNKNOWN.format(f"{NET}{suffix}", 0), f"'{capability}' is off")


def stream_in(mode: str) -> bytes:
    sent = sent_by(Source(bare("rfc-user-1q"), mode))
    return sent[: sent.find(HANDOVER_MAGIC)] if HANDOVER_MAGIC in sent else sent


@dataclass(frozen=True)
class Row:
    """``edit`` of the stream, and the ``words`` of the error."""

    edit: Callable[[list[Piece]], list[Piece]]
    words: tuple[str, ...]


def with_start(payload: Callable[[], bytes]) -> Callable[[list[Piece]], list[Piece]]:
    return lambda found: changed(found, start(found), start(found).with_payload(payload()))


def cut_in(payload: Callable[[], bytes]) -> Callable[[list[Piece]], list[Piece]]:
    """The file ends with this payload."""

    def edit(found: list[Piece]) -> list[Piece]:
        place = found.index(start(found))
        return [*found[:place], replace(start(found), payload=payload(), footer=b"")]

    return edit


def renamed(idstr: str) -> Callable[[list[Piece]], list[Piece]]:
    return lambda found: changed(found, start(found), start(found).named(idstr))


REFUSED = {
    "version_id 2": Row(
        lambda f: changed(f, start(f), start(f).with_version(2)), (f"savevm: unsupported version 2 for '{IDSTR}' v1",)
    ),
    "no final FULL section": Row(
        lambda f: [piece for piece in f if not piece.of(FULL, "/virtio-net")],
        (f"'{NET}' was sent early and never again",),
    ),
    "NO_DATA in the loop": Row(
        with_start(lambda: INIT_STATE + state() + NO_DATA), ("Uknown flag 0xffffffffef200002", f"section '{IDSTR}'")
    ),
    "an unknown flag": Row(with_start(lambda: bytes.fromhex("ffffffffef2000ff")), ("Uknown flag 0xffffffffef2000ff",)),
    "flag 0": Row(with_start(lambda: bytes(8)), ("virtio_net_load_state: Uknown flag 0x0",)),
    "100 bytes of a state": Row(with_start(lambda: INIT_STATE + state()[:100] + END_DATA), (f"section '{IDSTR}'",)),
    "half of a state": Row(
        with_start(lambda: INIT_STATE + state()[: len(state()) // 2] + END_DATA), (f"section '{IDSTR}'",)
    ),
    "a state without its last byte": Row(
        with_start(lambda: INIT_STATE + state()[:-1] + END_DATA), ("virtio_net_load_state: Uknown flag 0x",)
    ),
    "a file cut inside the state": Row(
        cut_in(lambda: INIT_STATE + state()[:20_000]), ("Failed to load virtio_pci/modern_queue_state:desc",)
    ),
    "a file cut before END_DATA": Row(
        cut_in(lambda: INIT_STATE + state()), ("virtio_net_load_state: the section ends without END_DATA",)
    ),
    "a file cut inside END_DATA": Row(
        cut_in(lambda: INIT_STATE + state() + END_DATA[:4]),
        ("virtio_net_load_state: the section ends without END_DATA",),
    ),
    "PART without START": Row(
        lambda f: [piece for piece in f if not piece.of(START, IDSTR)], ("Unknown savevm section 40",)
    ),
    "no footer": Row(
        lambda f: changed(f, start(f), replace(start(f), footer=b"")), (f"Missing section footer for {IDSTR}",)
    ),
    "a footer of another section": Row(
        lambda f: changed(f, start(f), replace(start(f), footer=bytes.fromhex("7e000003e7"))),
        (f"Mismatched section id in footer for {IDSTR} - read 0x3e7 expected 0x28",),
    ),
}


@pytest.mark.parametrize("row", REFUSED)
def test_f03_row_refused(row: str) -> None:
    check_refused(joined(REFUSED[row].edit(stream())), *REFUSED[row].words)


ELSEWHERE = {
    "instance 1": (lambda f: changed(f, start(f), start(f).with_instance(1)), IDSTR, 1),
    "another idstr": (renamed("0000:00:02.0/virtio-nett-iterative"), "0000:00:02.0/virtio-nett-iterative", 0),
    "another slot": (renamed("0000:00:05.0/virtio-net-iterative"), "0000:00:05.0/virtio-net-iterative", 0),
}


@pytest.mark.parametrize("row", ELSEWHERE)
def test_f03_row_a_device_that_is_not_there(row: str) -> None:
    edit, idstr, instance = ELSEWHERE[row]
    data = joined(edit(stream()))
    watched = Watched(frozenset({(NET, 0)}))
    assert UNKNOWN.format(idstr, instance) in refusal(data, Destination(machine=watched))
    assert watched.untouched and watched.prepared == []
    check_next_migration(watched)


def test_f03_row_a_destination_that_takes_any_device_still_wants_its_final_state() -> None:
    """The early state of a device in another slot is no state of this one."""
    data = joined(renamed("0000:00:05.0/virtio-net-iterative")(stream()))
    check_refused(data, "'0000:00:05.0/virtio-net' was sent early and never again")


def test_the_streams_are_whole_without_a_defect() -> None:
    check_accepted(joined(stream()))
    assert (STREAMS / "rfc-user-1q" / "rings.json.xz").exists()
