"""What a guest sends: packets to itself through an echo, and to others, which its filters have to keep away from it."""

from __future__ import annotations

from itertools import pairwise

from vnetmig.model import properties as p
from vnetmig.model.guest import commands, layout
from vnetmig.model.guest.buffer_slots import Part
from vnetmig.model.guest.frames import FILLING_MAX, Packet
from vnetmig.model.guest.receive import look
from vnetmig.model.guest.turn import Driver, Turn

_FRAME_MAX = 1514 + 20


def send(turn: Turn) -> None:
    """One to four packets; whether the device is told of them at once is left to chance."""
    state = turn.state
    if state.link_up:
        for _ in range(1 + state.random(4)):
            _send_one(turn, 2 * state.random(state.curr_pairs) + 1)
    if state.random(3):
        turn.kick_all()
    if state.random(2):
        look(turn)


def _room(turn: Turn) -> bool:
    """Has each queue buffers for one more packet, should all of those on their way come to it?"""
    state = turn.state
    each = -(-_FRAME_MAX // state.rx_buffer)
    return all((state.inflight + 1) * each <= turn.driver(2 * i).busy() for i in range(state.curr_pairs))


def _send_one(turn: Turn, place: int) -> None:
    state, driver = turn.state, turn.driver(place)
    slot = driver.free_slot(state.random(layout.SLOTS))
    if slot is None or not _room(turn):
        return
    address, vlan = _destination(turn)
    comes_back = turn.filters.passes(address, vlan)
    pair, flow = place // 2, state.random(layout.FLOWS)
    counters = turn.flow(pair, flow)
    if not comes_back:
        counters += 8
    number = turn.ram.u32(counters)
    turn.ram.put_u32(counters, number + 1 & 0xFFFFFFFF)
    frame = Packet(pair, flow, comes_back, number, state.random(FILLING_MAX + 1), address, vlan).frame()
    _queue_frame(turn, driver, slot, bytes(turn.header_length) + frame)
    state.sent += 1
    state.inflight += comes_back
    state.filtered += not comes_back


def _queue_frame(turn: Turn, driver: Driver, slot: int, content: bytes) -> None:
    """As one descriptor, as two, or as an indirect table of up to four."""
    state, at = turn.state, turn.buffer(driver.place, slot)
    turn.ram.write(at, content)
    indirect = bool(state.features & p.INDIRECT_DESC) and state.random(3) == 0
    cuts = sorted({state.random(len(content)) for _ in range(3 if indirect else state.random(2))} - {0})
    edges = [0, *cuts, len(content)]
    parts: list[Part] = [(at + a, b - a, False) for a, b in pairwise(edges)]
    driver.add(slot, parts, indirect=indirect)
    state.unkicked |= 1 << driver.place


def _destination(turn: Turn) -> tuple[bytes, int | None]:
    """Where the echo is to go: to the guest itself mostly, else to anybody."""
    state = turn.state
    vlan = state.random(commands.VLANS) if state.random(4) == 0 else None
    kind = state.random(10)
    if kind == 0:
        return b"\xff" * 6, vlan
    if kind == 1:
        return b"\x02\x33\x00\x00\x00\x01", vlan
    if kind == 2:
        return b"\x03\x33\x00\x00\x00\x01", vlan
    if kind <= 4 and state.macs:
        return turn.ram.fetch(layout.MACS_AT + 6 * state.random(state.macs), 6), vlan
    return state.mac, vlan
