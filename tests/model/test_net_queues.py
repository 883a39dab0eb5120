"""Frames and commands in chains of odd shapes."""

from __future__ import annotations

import pytest
from ring_pair import DATA, Pair, pair

from vnetmig.model import net_queues
from vnetmig.model import properties as p
from vnetmig.model.net_queues import FRAME_MAX
from vnetmig.model.net_values import NetValues
from vnetmig.model.properties import Properties
from vnetmig.model.queue import RingFault


def sent(both: Pair, *parts: tuple[int, int, bool]) -> list[bytes]:
    frames: list[bytes] = []
    both.driver.add(0, list(parts))
    net_queues.transmit(both.ram, both.ring, 12, frames.append)
    return frames


def values() -> NetValues:
    made = NetValues.new(Properties(queue_pairs=1, offered=p.OFFERED))
    made.set_features(p.VERSION_1 | p.CTRL_VQ | p.CTRL_RX)
    return made


def test_a_frame_that_is_too_long_is_dropped() -> None:
    both = pair("split", 16, per=3)
    assert sent(both, (DATA, 12, False), (DATA + 12, FRAME_MAX, False)) == [bytes(FRAME_MAX)]
    assert both.driver.used() is not None
    assert sent(both, (DATA, 12, False), (DATA, FRAME_MAX + 1, False), (DATA, 4096, False)) == []
    assert both.driver.used() is not None, "its buffer comes back all the same"


def test_a_buffer_to_be_written_cannot_be_sent() -> None:
    with pytest.raises(RingFault, match="virtio-net header not in first element"):
        sent(pair("split"), (DATA, 60, True))


def test_a_frame_fills_the_first_parts_only() -> None:
    both = pair("split", 16, per=3)
    both.driver.add(0, [(DATA, 12, True), (DATA + 12, 60, True), (DATA + 72, 60, True)])
    assert net_queues.receive(both.ram, both.ring, values(), b"\x05" * 60, None) == (True, True)
    assert both.ram.read(DATA + 12, 120) == b"\x05" * 60 + bytes(60)
    assert both.driver.used() == (0, 72)


def test_a_ring_full_of_commands_is_run_once() -> None:
    both, device = pair("split", 2), values()
    both.ram.write(DATA, b"\0\0\0")
    for slot in range(2):
        both.driver.add(slot, [(DATA, 3, False), (DATA + 8 + slot, 1, True)], indirect=True)
    assert net_queues.run_commands(both.ram, both.ring, device)
    assert device.promisc == 0 and both.ring.empty()
