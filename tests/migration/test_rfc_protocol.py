"""The RFC as it was posted (F1 to F6): flags and sizes, hooks, the load loop, capabilities, and whose bytes."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from between import STREAMS, machine_of, migrated, received, refusal, sent_by, stream_of
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
from two_states import NET, Guest, Watched, net_of

from vnetmig.errors import MigrationError
from vnetmig.migration.capabilities import VIRTIO_ITERATIVE
from vnetmig.migration.destination import Destination, Phase
from vnetmig.migration.handlers import FINISHED, MORE, QuietHandlers, SaveFile, SaveVMHandlers
from vnetmig.migration.net_handlers import NetHandlers
from vnetmig.migration.registry import INSTANCE_ID_ANY, Registry
from vnetmig.migration.source import Source, State
from vnetmig.stream import iterative

SUFFIX = "/virtio-net-iterative"
FOLDER = STREAMS / "rfc-user-1q"
RFC = sorted(path.parent for path in STREAMS.glob("rfc-*/stream.bin.xz"))

every_rfc_stream = pytest.mark.parametrize("folder", RFC, ids=lambda folder: folder.name)


def iterative_sections(stream: bytes) -> list[Piece]:
    return [piece for piece in pieces(stream) if piece.idstr.endswith("-iterative")]


def stream(mode: str = "iterative") -> bytes:
    return sent_by(Source(machine_of(FOLDER), mode))


# F1: flags, sections, sizes.


def test_f01_flags_have_the_rfcs_values() -> None:
    flags = iterative.INIT_STATE, iterative.END_DATA, iterative.NO_DATA
    assert flags == (0xFFFFFFFFEF200000, 0xFFFFFFFFEF200001, 0xFFFFFFFFEF200002)
    written = SaveFile()
    for flag in flags:
        written.put_be64(flag)
    assert written.contents() == INIT_STATE + END_DATA + NO_DATA


@every_rfc_stream
def test_f01_start_part_and_end(folder: Path) -> None:
    machine = machine_of(folder)
    (net,) = machine.nets()
    state = net.save_at_setup()
    start, *parts, end = iterative_sections(sent_by(Source(machine, "iterative")))
    assert start.kind == START and start.payload == INIT_STATE + state + END_DATA
    assert len(start.idstr) == 33 and len(start.data) == 47 + 21 + len(state)
    assert parts and all(part.kind == PART and part.payload == NO_DATA for part in parts)
    assert end.kind == END and end.payload == NO_DATA
    assert {len(piece.data) for piece in (*parts, end)} == {18}
    assert {piece.section_id for piece in (*parts, end)} == {start.section_id}


@pytest.mark.parametrize(
    ("name", "size"), [("rfc-user-1q", 46258), ("rfc-user-1q-legacy", 1134), ("rfc-chg-unbind", 46469)]
)
def test_f01_sizes_that_were_observed(name: str, size: int) -> None:
    assert len(iterative_sections(sent_by(Source(machine_of(STREAMS / name), "iterative")))[0].data) == size


# F2: names, version, instance, hooks.


def test_f02_idstr_version_and_instance() -> None:
    for piece in iterative_sections(stream()):
        assert piece.idstr == f"{NET}-iterative"
    start = iterative_sections(stream())[0]
    assert start.head[-8:] == bytes.fromhex("00000000 00000001")
    registry = Registry()
    entry = registry.register_savevm_live(f"{NET}-iterative", INSTANCE_ID_ANY, 1, NetHandlers())
    assert entry.instance_id == 0


NINE = (
    "is_active",
    "save_setup",
    "save_live_iterate",
    "save_complete",
    "save_cleanup",
    "load_setup",
    "load_state",
    "load_cleanup",
    "state_pending_exact",
)


def test_f02_the_nine_hooks_and_no_tenth() -> None:
    """QEMU 10.2 calls save_live_complete_precopy ``save_complete``."""
    own = {name for name, _ in inspect.getmembers(NetHandlers, inspect.isfunction) if not name.startswith("_")}
    protocol = {name for name, _ in inspect.getmembers(SaveVMHandlers, inspect.isfunction) if not name.startswith("_")}
    assert set(NINE) <= own <= protocol
    assert protocol - set(NINE) == {"state_pending_estimate", "switchover_ack_needed"}


class Rounds(QuietHandlers):
    """Returns what it is told to, round by round."""

    def __init__(self, *returns: int) -> None:
        self._returns = list(returns)
        self.asked = 0

    def save_live_iterate(self, file: SaveFile, opaque: Any) -> int:
        self.asked += 1
        file.put_be64(self.asked)
        return self._returns.pop(0)


@pytest.mark.parametrize(("returns", "rounds"), [((FINISHED,), 1), ((MORE, MORE, FINISHED), 3), ((1,), 1), ((0, 1), 2)])
def test_f02_an_iteration_that_returns_zero_is_asked_again(returns: tuple[int, ...], rounds: int) -> None:
    handlers = Rounds(*returns)
    registry = Registry()
    registry.register_savevm_live("acme", 0, 1, handlers)
    sent_by(Source(machine_of(FOLDER), registry=registry))
    assert handlers.asked == rounds


@pytest.mark.parametrize("error", [-1, -22])
def test_f02_a_negative_number_is_an_error(error: int) -> None:
    registry = Registry()
    registry.register_savevm_live("acme", 0, 1, Rounds(MORE, error))
    source = Source(machine_of(FOLDER), registry=registry)
    with pytest.raises(MigrationError, match=rf"failed to save SaveStateEntry with id\(name\): \d+\(acme\): {error}"):
        sent_by(source)
    assert (source.state, source.owner) == (State.FAILED, "source")


# F3: the load loop, in a whole stream.


def with_start(payload: bytes) -> bytes:
    found = pieces(stream())
    start = the(found, START, SUFFIX)
    return joined(changed(found, start, start.with_payload(payload)))


def state() -> bytes:
    return net_of(machine_of(FOLDER)).save_at_setup()


ACCEPTED = {
    "INIT_STATE twice": lambda: INIT_STATE + state() + INIT_STATE + state() + END_DATA,
    "a lone END_DATA": lambda: END_DATA,
    "a lone NO_DATA": lambda: NO_DATA,
}
REFUSED = {
    "an unknown flag": (lambda: bytes.fromhex("ffffffffef200003"), "Uknown flag 0xffffffffef200003"),
    "flag 0": (lambda: bytes(8), "Uknown flag 0x0"),
    "VFIO's flag": (lambda: bytes.fromhex("ffffffffef100001"), "Uknown flag 0xffffffffef100001"),
    "NO_DATA in the loop": (lambda: INIT_STATE + state() + NO_DATA, "Uknown flag 0xffffffffef200002"),
    "a flag behind a state": (lambda: INIT_STATE + state() + bytes(8), "Uknown flag 0x0"),
    "a state without its end": (lambda: INIT_STATE + state()[:-100] + END_DATA, "Uknown flag 0x0"),
    "no state": (lambda: INIT_STATE + END_DATA, "Invalid number of virtqueues: 0x"),
    "the end of the stream": (
        lambda: INIT_STATE + state()[:20000],
        "Failed to load virtio_pci/modern_queue_state:desc",
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_f03_the_load_loop_accepts(case: str) -> None:
    machine = Watched()
    destination = received(with_start(ACCEPTED[case]()), Destination(machine=machine))
    assert destination.phase is Phase.DONE, destination.error
    assert machine.committed[0].save() == net_of(machine_of(FOLDER)).save()


@pytest.mark.parametrize("case", REFUSED)
def test_f03_the_load_loop_refuses(case: str) -> None:
    payload, words = REFUSED[case]
    data = with_start(payload())
    if case == "the end of the stream":
        data = data[: data.index(INIT_STATE) + 8 + 20000]
    machine = Watched()
    error = refusal(data, Destination(machine=machine))
    assert words in error
    assert machine.untouched and "prepare" not in machine.did


@pytest.mark.parametrize("version", [0, 1])
def test_f03_a_section_of_no_newer_version_is_taken(version: int) -> None:
    found = pieces(stream())
    start = the(found, START, SUFFIX)
    assert received(joined(changed(found, start, start.with_version(version)))).phase is Phase.DONE


@pytest.mark.parametrize("version", [2, 0xFFFFFFFF])
def test_f03_a_newer_section_version_is_refused(version: int) -> None:
    found = pieces(stream())
    start = the(found, START, SUFFIX)
    words = refusal(joined(changed(found, start, start.with_version(version))))
    assert f"savevm: unsupported version {version} for '{NET}-iterative' v1" in words


# F4: what the two sides have on.

SHARED = "x-ignore-shared"
OFF_HERE = "Capability virtio-iterative is off, but received capability is on"
ON_HERE = "Capability virtio-iterative is on, but received capability is off"


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [("on", "on", None), ("off", "off", None), ("on", "off", OFF_HERE), ("off", "on", ON_HERE)],
)
def test_f04_both_sides_need_the_same(there: str, here: str, words: str | None) -> None:
    local = (SHARED, VIRTIO_ITERATIVE) if here == "on" else (SHARED,)
    guest, machine = Guest(), Watched()
    source = Source(machine_of(FOLDER), "iterative" if there == "on" else "stock", outgoing=guest)
    destination = migrated(source, Destination(capabilities=local, machine=machine))
    if words is None:
        assert (source.state, destination.phase, guest.did) == (State.DONE, Phase.DONE, ["stop", "release"])
        return
    assert words in str(destination.error) and words in str(source.error)
    assert machine.untouched and guest.runs
    assert (source.state, source.owner) == (State.FAILED, "source")
    again = Source(machine_of(FOLDER), "iterative", outgoing=guest)  # a retry with both on
    migrated(again, Destination(capabilities=(SHARED, VIRTIO_ITERATIVE)))
    assert again.state is State.DONE


def test_f04_an_unknown_capability() -> None:
    data = stream().replace(VIRTIO_ITERATIVE.encode(), b"virtio-alternate", 1)
    for here in (None, (SHARED,), (SHARED, VIRTIO_ITERATIVE)):
        assert "Received unknown capability virtio-alternate" in refusal(data, Destination(capabilities=here))


def test_f04_the_capabilities_on_the_wire() -> None:
    """Both are 69 bytes with their subsection's header, in the order of the enum."""
    configuration = pieces(stream())[1].head
    subsection = configuration[configuration.index(b"\x05\x1aconfiguration/capabilities") :]
    assert len(subsection) == 69
    assert subsection.endswith(b"\x0fx-ignore-shared\x10virtio-iterative")


# F5: off.


@every_rfc_stream
def test_f05_off_is_stock(folder: Path) -> None:
    """What the RFC adds, taken out of its stream, is what we send without it."""
    left = [piece for piece in pieces(stream_of(folder)) if not piece.idstr.endswith("-iterative")]
    assert sent_by(Source(machine_of(folder), "stock")) == joined(without_capability(left, VIRTIO_ITERATIVE))


def test_f05_off_is_not_active() -> None:
    source = Source(machine_of(FOLDER), "stock")
    assert not [piece for piece in pieces(sent_by(source)) if piece.idstr.endswith("-iterative")]
    assert source.plan.capabilities == () and source.plan.staged == []


def test_f05_a_stray_section_is_an_error_before_anything_is_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The RFC's destination skips load_setup and then follows a null pointer."""
    set_up: list[object] = []
    monkeypatch.setattr(NetHandlers, "load_setup", lambda self, opaque: set_up.append(opaque) or 0)
    machine = Watched()
    data = joined(without_capability(pieces(stream()), VIRTIO_ITERATIVE))
    words = refusal(data, Destination(machine=machine))
    assert words.startswith(f"Unknown savevm section or instance '{NET}-iterative' 0. Make sure")
    assert machine.untouched and set_up == []


# F6: the device's own section.


@every_rfc_stream
def test_f06_the_final_section_is_what_qemu_wrote(folder: Path) -> None:
    theirs = the(pieces(stream_of(folder)), FULL, "/virtio-net")
    for mode in ("stock", "iterative"):
        assert the(pieces(sent_by(Source(machine_of(folder), mode))), FULL, "/virtio-net") == theirs
    assert theirs.head[-8:] == bytes.fromhex("00000000 0000000b")


# Byte equality with the RFC's QEMU.


def check_same_sections(folder: Path) -> None:
    theirs = iterative_sections(stream_of(folder))
    ours = iterative_sections(sent_by(Source(machine_of(folder), "iterative")))
    assert ours == theirs
    assert {piece.kind for piece in theirs} >= {START, END}


@every_rfc_stream
def test_f01_the_same_sections_as_the_rfcs_qemu(folder: Path) -> None:
    check_same_sections(folder)


def test_f01_the_same_sections_as_in_a_capture(capture: Path) -> None:
    if not machine_of(capture).iterative_ids:
        pytest.skip("not an iterative migration")
    check_same_sections(capture)
