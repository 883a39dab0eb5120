"""F7: an early load looks at no ring and knows nothing of them; the final one checks and counts anew."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
from between import STREAMS, machine_of, migrated
from two_states import Guest, Watched, changing, net_of, setting

from vnetmig.engine.rings import Verdict
from vnetmig.migration import incoming_devices
from vnetmig.migration.destination import Destination, Phase
from vnetmig.migration.handlers import LoadFile
from vnetmig.migration.machine import Machine
from vnetmig.migration.net_handlers import NetHandlers
from vnetmig.migration.options import Options
from vnetmig.migration.source import Source, State
from vnetmig.stream.guest_memory import GuestMemory
from vnetmig.virtio.rings import RingState, provisional_rings, queues, ring_spans
from vnetmig.vmstate.record import Record

SPLIT, PACKED, LEGACY = "rfc-user-1q", "linux-user-packed-q72", "rfc-user-1q-legacy"
TWICE = ["iterative", "iterative-delta", "early"]
"""Modes that load a virtio-net before its final state."""

every_kind_of_ring = pytest.mark.parametrize("name", [SPLIT, PACKED, LEGACY])
every_mode_that_loads_twice = pytest.mark.parametrize("mode", TWICE)


@lru_cache
def pages_of(name: str) -> GuestMemory:
    return GuestMemory.from_json(STREAMS / name / "rings.json.xz")


@lru_cache
def small(name: str) -> Machine:
    """RAM and virtio-net of a capture."""
    machine = machine_of(STREAMS / name)
    return replace(machine, devices=list(machine.nets()), description=None)


def state_of(name: str) -> Record:
    state = net_of(small(name)).state
    assert isinstance(state, Record)
    return state


def written(name: str, words: dict[int, int]) -> GuestMemory:
    """The guest's memory with other 16-bit words in the rings."""
    pages = dict(pages_of(name).pages_for(ring_spans(state_of(name))))
    for gpa, value in words.items():
        page = bytearray(pages[gpa & -4096])
        struct.pack_into("<H", page, gpa & 4095, value)
        pages[gpa & -4096] = bytes(page)
    return GuestMemory.from_pages(pages)


def rings_after(machine: Machine, mode: str, **options: Any) -> tuple[Source, Destination]:
    source = Source(machine, mode, options=Options(**options))
    return source, migrated(source)


def final_rings(destination: Destination) -> tuple[RingState, ...]:
    (net,) = destination.devices
    return net.rings


# The first load.


@every_mode_that_loads_twice
def test_f07_only_the_final_load_reads_guest_memory(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Record] = []
    real = incoming_devices.ring_verdict

    def watching(record: Record, *rest: Any, **named: Any) -> Any:
        looked.append(record)
        return real(record, *rest, **named)

    monkeypatch.setattr(incoming_devices, "ring_verdict", watching)
    watched = Watched()
    source = Source(small(SPLIT).with_memory(pages_of(SPLIT)), mode)
    destination = Destination(machine=watched)
    while not watched.prepared:
        destination.feed(source.next_bytes() or b"")
    assert looked == []
    migrated(source, destination)
    assert (source.state, len(looked)) == (State.DONE, 1)
    assert looked[0] is destination.devices[0].state


@pytest.mark.parametrize("name", [SPLIT, LEGACY])
def test_f07_what_a_split_ring_has_in_memory_only_is_zero_at_first(name: str) -> None:
    """RFC patch 5: used_idx, shadow_avail_idx and inuse."""
    for ring, queue in zip(provisional_rings(state_of(name)), queues(state_of(name)), strict=True):
        assert (ring.used_idx, ring.shadow_avail_idx, ring.inuse) == (0, 0, 0)
        assert (ring.avail_idx, ring.nheads, ring.heads) == (None, None, None)
        assert ring.verdict == Verdict.NOT_CHECKED and ring.message is None
        assert ring.queue == queue and queue.last_avail_idx > 0


def test_f07_a_packed_ring_takes_the_streams_values() -> None:
    for ring, queue in zip(provisional_rings(state_of(PACKED)), queues(state_of(PACKED)), strict=True):
        assert (ring.used_idx, ring.inuse) == (queue.used_idx, queue.inuse)
        assert ring.shadow_avail_idx == queue.last_avail_idx > 0
        assert ring.queue.last_avail_wrap_counter in (0, 1)


@every_kind_of_ring
def test_f07_the_hooks_leave_a_provisional_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opaques: list[Any] = []

    class Seen(NetHandlers):
        def load_state(self, file: LoadFile, opaque: Any, version_id: int) -> int:
            opaques.append(opaque)
            return super().load_state(file, opaque, version_id)

    monkeypatch.setattr(incoming_devices, "NetHandlers", Seen)
    source = Source(small(name).with_memory(pages_of(name)), "iterative")
    destination = Destination()
    while not opaques:
        destination.feed(source.next_bytes() or b"")
    assert opaques[0].device.rings == provisional_rings(state_of(name))
    assert opaques[0].migration.iterative_vmstate_loaded


# The second.


@every_mode_that_loads_twice
@every_kind_of_ring
def test_f07_the_final_load_counts_as_qemu_did(name: str, mode: str) -> None:
    source, destination = rings_after(small(name).with_memory(pages_of(name)), mode)
    assert source.state is State.DONE
    told = json.loads((STREAMS / name / "truth.json").read_text())["virtio_queues"]
    (theirs,) = (queues for path, queues in told.items() if "net0" in path)
    ours = final_rings(destination)
    assert [ring.verdict for ring in ours] == [Verdict.OK] * 3
    for ring, queue in zip(ours, theirs, strict=True):
        assert (ring.used_idx, ring.inuse) == (queue["used-idx"], queue["inuse"])
        assert (ring.shadow_avail_idx, ring.queue.last_avail_idx) == (
            queue["shadow-avail-idx"],
            queue["last-avail-idx"],
        )


@every_mode_that_loads_twice
@pytest.mark.parametrize("name", [SPLIT, LEGACY])
def test_f07_early_indices_that_fit_no_ring_do_no_harm(name: str, mode: str) -> None:
    """The guest has gone on since they were sent, or its rings have not arrived: a check would break the device."""
    machine = changing(small(name), setting(**{f"vq[{i}].last_avail_idx": 40_000 for i in range(3)}))
    source, destination = rings_after(machine.with_memory(pages_of(name)), mode)
    assert source.state is State.DONE
    assert [ring.verdict for ring in final_rings(destination)] == [Verdict.OK] * 3
    (net,) = (s for s in source.result.sections if s.idstr.endswith("/virtio-net"))  # type: ignore[union-attr]
    assert net.rings == ()


@pytest.mark.parametrize("mode", ["stock", *TWICE])
@pytest.mark.parametrize("name", [SPLIT, LEGACY])
def test_f07_indices_wrap_at_two_to_the_sixteenth(name: str, mode: str) -> None:
    queue = queues(state_of(name))[1]
    memory = written(name, {queue.avail + 2: 4, queue.used + 2: 0xFFFE})
    machine = changing(small(name), final=setting(**{"vq[1].last_avail_idx": 2}))
    source, destination = rings_after(machine.with_memory(memory), mode)
    ring = final_rings(destination)[1]
    assert source.state is State.DONE and ring.verdict == Verdict.OK
    assert (ring.nheads, ring.inuse, ring.used_idx, ring.shadow_avail_idx) == (2, 4, 0xFFFE, 4)


@pytest.mark.parametrize("mode", ["stock", *TWICE])
def test_f07_packed_rings_wrap_with_their_counters(mode: str) -> None:
    edit = setting(
        **{
            "packed_virtqueues.vq[1].last_avail_idx": 3,
            "packed_virtqueues.vq[1].last_avail_wrap_counter": 0,
            "packed_virtqueues.vq[1].used_idx": 250,
            "packed_virtqueues.vq[1].used_wrap_counter": 1,
            "packed_virtqueues.vq[1].inuse": 9,
        }
    )
    source, destination = rings_after(changing(small(PACKED), final=edit).with_memory(pages_of(PACKED)), mode)
    ring = final_rings(destination)[1]
    assert source.state is State.DONE
    assert (ring.used_idx, ring.shadow_avail_idx, ring.inuse) == (250, 3, 9)
    assert (ring.queue.last_avail_wrap_counter, ring.queue.used_wrap_counter) == (0, 1)


# Both error paths.

THE_RFCS_EXAMPLE = "VQ 0 size 0x100 Guest index 0x0 inconsistent with Host index 0xc: delta 0xfff4"


def the_rfcs_example() -> Machine:
    """RFC patch 5: size 0x100, guest index 0x0, host index 0xc."""
    queue = queues(state_of(SPLIT))[0]
    memory = written(SPLIT, {queue.avail + 2: 0, queue.used + 2: 0xC})
    edit = setting(**{"vq[0].num": 0x100, "vq[0].last_avail_idx": 0xC})
    return changing(small(SPLIT), final=edit).with_memory(memory)


@pytest.mark.parametrize("mode", ["stock", "iterative"])
def test_f07_more_new_heads_than_entries_break_the_device(mode: str) -> None:
    """As QEMU does: the migration completes, and says so."""
    source, destination = rings_after(the_rfcs_example(), mode)
    assert source.state is State.DONE
    ring = final_rings(destination)[0]
    assert ring.breaks and ring.message == THE_RFCS_EXAMPLE and ring.nheads == 0xFFF4
    (net,) = (s for s in destination.result.sections if s.idstr.endswith("/virtio-net"))  # type: ignore[union-attr]
    assert net.rings == (THE_RFCS_EXAMPLE,)


@pytest.mark.parametrize("mode", ["stock", *TWICE])
def test_f07_with_the_hand_over_such_a_device_stays_where_it_is(mode: str) -> None:
    guest, machine = Guest(), Watched()
    source = Source(the_rfcs_example(), mode, options=Options(handover=True), outgoing=guest)
    destination = migrated(source, Destination(machine=machine))
    assert THE_RFCS_EXAMPLE in str(destination.error) and THE_RFCS_EXAMPLE in str(source.error)
    assert (source.state, source.owner, guest.runs) == (State.FAILED, "source", True)
    assert machine.untouched


@pytest.mark.parametrize("handover", [False, True])
@pytest.mark.parametrize("mode", ["stock", *TWICE])
def test_f07_more_entries_in_use_than_there_are_end_it(mode: str, handover: bool) -> None:
    queue = queues(state_of(SPLIT))[0]
    memory = written(SPLIT, {queue.avail + 2: 0xE, queue.used + 2: 0x11})
    edited = changing(small(SPLIT), final=setting(**{"vq[0].last_avail_idx": 0xE}))
    guest, machine = Guest(), Watched()
    source = Source(edited.with_memory(memory), mode, options=Options(handover=handover), outgoing=guest)
    destination = migrated(source, Destination(machine=machine))
    assert "VQ 0 size 0x400 < last_avail_idx 0xe - used_idx 0x11" in str(destination.error)
    assert destination.phase is Phase.FAILED and machine.untouched
    assert (source.state, guest.runs) == (State.FAILED, True)
