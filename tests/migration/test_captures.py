"""Real streams between two sides, in every mode: nothing is lost, and stock bytes stay stock bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from between import STREAMS, machine_of, migrated, sent_by, stream_of

from vnetmig.migration.decoders import Decoders
from vnetmig.migration.machine import Machine
from vnetmig.migration.modes import MODES
from vnetmig.migration.source import Source
from vnetmig.stream import framing
from vnetmig.stream.configuration import Capabilities
from vnetmig.stream.events import Configuration, Event, SectionFooter, SectionStart
from vnetmig.stream.guest_memory import GuestMemory
from vnetmig.stream.reader import read_events

LOCAL = sorted(path.parent for path in STREAMS.glob("*/stream.bin.xz"))

NEVER_ON_A_SOCKET = {"mapped-ram": "its RAM is laid out as a file", "postcopy": "it sends devices in a package"}


def check_migration(folder: Path, mode: str, engine: str | None = None) -> None:
    machine = machine_of(folder)
    source = Source(machine, mode, engine=engine)
    destination = migrated(source)
    assert source.error is None
    assert (source.state.value, source.owner, source.differences) == ("done", "destination", ())
    assert [device.idstr for device in destination.devices] == [device.idstr for device in machine.devices]
    for ours, theirs in zip(machine.devices, destination.devices, strict=True):
        assert theirs.save() == machine.saved(ours)
        assert (theirs.instance_id, theirs.version_id) == (ours.instance_id, ours.version_id)


@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("folder", LOCAL, ids=lambda folder: folder.name)
def test_every_device_arrives(folder: Path, mode: str, engine: str) -> None:
    check_migration(folder, mode, engine)


@pytest.mark.parametrize("mode", list(MODES))
def test_every_device_of_a_capture_arrives(capture: Path, mode: str) -> None:
    check_migration(capture, mode)


def events_of(stream: bytes) -> list[Event]:
    decoders = Decoders()
    found = []
    for event in read_events((stream,), decoders):
        decoders.observe(event)
        found.append(event)
    return found


def without_iteration(stream: bytes) -> bytes:
    """The same stream without the sections and the capability of the RFC."""
    kept, skipping = [], False
    for event in events_of(stream):
        if isinstance(event, SectionStart):
            skipping = event.idstr.endswith("-iterative")
        elif isinstance(event, Configuration):
            names = tuple(name for name in event.body.capabilities if name != "virtio-iterative")
            kept_subsections = (Capabilities(names),) if names else ()
            event = Configuration(replace(event.body, subsections=kept_subsections))
        if not skipping:
            kept.append(event.encode())
        elif isinstance(event, SectionFooter):
            skipping = False
    return b"".join(kept)


def stock_bytes(folder: Path) -> None:
    stream = stream_of(folder)
    if any(word in folder.name for word in NEVER_ON_A_SOCKET):
        pytest.skip(str(NEVER_ON_A_SOCKET))
    expected = without_iteration(stream) if folder.name.startswith("rfc-") else stream
    assert sent_by(Source(machine_of(folder), "stock")) == expected


@pytest.mark.parametrize("folder", LOCAL, ids=lambda folder: folder.name)
def test_with_the_capability_off_the_stream_is_stock(folder: Path) -> None:
    stock_bytes(folder)


def test_with_the_capability_off_a_capture_is_stock(capture: Path) -> None:
    stock_bytes(capture)


def test_an_iterative_capture_comes_again_byte_for_byte(capture: Path) -> None:
    """START with the state of its time, every PART in its round, END, and all that QEMU wrote around them."""
    machine = machine_of(capture)
    if not machine.iterative_ids:
        pytest.skip("not an iterative migration")
    assert sent_by(Source(machine, "iterative")) == stream_of(capture)


def test_sections_of_one_iterative_migration() -> None:
    folder = STREAMS / "rfc-user-1q"
    idstr = "0000:00:02.0/virtio-net-iterative"

    def sections(stream: bytes) -> list[tuple[int, int, bytes]]:
        found: list[tuple[int, int, bytes]] = []
        inside = False
        for event in events_of(stream):
            if isinstance(event, SectionStart):
                inside = event.idstr == idstr
                if inside:
                    found.append((event.type, event.section_id, b""))
            if inside:
                found[-1] = (*found[-1][:2], found[-1][2] + event.encode())
                inside = not isinstance(event, SectionFooter)
        return found

    ours = sections(sent_by(Source(machine_of(folder), "iterative")))
    assert ours == sections(stream_of(folder))
    assert [kind for kind, _, _ in ours] == [framing.SECTION_START, framing.SECTION_PART, framing.SECTION_END]
    header, state = 1 + 4 + 1 + len(idstr) + 4 + 4, 46190
    assert (len(idstr), header) == (33, 47)
    assert [len(data) for _, _, data in ours] == [header + 8 + state + 8 + 5, 18, 18]


@pytest.mark.parametrize("mode", list(MODES))
def test_ring_pages_travel_and_are_checked(mode: str) -> None:
    folder = STREAMS / "linux-tap-4q-load-q72"
    memory = GuestMemory.from_json(folder / "rings.json.xz")
    machine = machine_of(folder).with_memory(memory)
    destination = migrated(Source(machine, mode))
    net = [s for s in destination.result.sections if s.idstr.endswith("/virtio-net")]
    assert [section.rings for section in net] == [()]
    early = [s for s in destination.result.sections if s.idstr.endswith("-iterative")]
    assert all(section.rings is None for section in early)


def test_without_its_pages_a_ring_is_not_checked() -> None:
    destination = migrated(Source(machine_of(STREAMS / "linux-tap-4q-load-q72")))
    assert {section.rings for section in destination.result.sections} == {None}


def test_rings_that_do_not_fit_the_state_end_the_migration() -> None:
    folder = STREAMS / "linux-tap-4q-load-q72"
    machine = Machine.from_bytes(stream_of(folder))
    net = next(d for d in machine.devices if d.idstr.endswith("/virtio-net"))
    memory = GuestMemory.from_json(folder / "rings.json.xz")
    net.state["vq[0].last_avail_idx"] = (net.state["vq[0].last_avail_idx"] - 1000) & 0xFFFF
    source = Source(machine.with_memory(memory), "iterative")
    destination = migrated(source)
    assert source.state.value in ("failed", "done")
    if source.state.value == "done":
        assert "inconsistent with" in str(next(s.rings for s in destination.result.sections if s.rings))
    else:
        assert "VQ 0 size" in str(source.error)
        assert source.owner == "source"
