"""What a guest looks at: what the device has used, every packet that came, and what never came."""

from __future__ import annotations

import struct

from vnetmig.model import properties as p
from vnetmig.model.guest import layout
from vnetmig.model.guest.failure import GuestFailure
from vnetmig.model.guest.frames import Packet, echoed
from vnetmig.model.guest.turn import Driver, Turn
from vnetmig.model.net_values import S_NEEDS_RESET
from vnetmig.model.steering import UDPV4, toeplitz


def look(turn: Turn) -> None:
    """What was sent, what has come, what the device wants; then give buffers back."""
    state = turn.state
    if turn.device.read("device_status") & S_NEEDS_RESET:
        raise GuestFailure("the device needs a reset")
    out = used = 0
    for pair in range(state.pairs):
        sent = turn.driver(2 * pair + 1)
        while sent.used() is not None:
            used += 1
        out += sent.busy()
    turn.served(used > 0 or not out, f"{out} packets wait")
    for pair in range(state.pairs):
        _receive_all(turn, pair)
    _serve_interrupt(turn)
    if not out and state.inflight:
        _check_lost(turn)
    if state.may_lose and state.link_up and not out:
        state.may_lose = 0


def _receive_all(turn: Turn, pair: int) -> None:
    driver = turn.driver(2 * pair)
    while (used := driver.used()) is not None:
        content = _received(turn, driver, *used)
        if len(content) < turn.header_length:
            raise GuestFailure(f"a packet of {len(content)} bytes came, its header has {turn.header_length}")
        count = struct.unpack_from("<H", content, 10)[0] if turn.state.features & p.MRG_RXBUF else 1
        for _ in range(count - 1):
            more = driver.used()
            if more is None:
                raise GuestFailure(f"{driver}: a packet of {count} buffers came with fewer of them")
            content += _received(turn, driver, *more)
        _check(turn, pair, content)
    refill(turn, driver)


def _received(turn: Turn, driver: Driver, slot: int, written: int) -> bytes:
    if written > turn.state.rx_buffer:
        raise GuestFailure(f"{driver}: {written} bytes were written into a buffer of {turn.state.rx_buffer}")
    return turn.ram.fetch(turn.buffer(driver.place, slot), written)


def refill(turn: Turn, driver: Driver) -> None:
    state = turn.state
    while (slot := driver.free_slot()) is not None:
        driver.add(slot, [(turn.buffer(driver.place, slot), state.rx_buffer, True)])
        state.unkicked |= 1 << driver.place


def _check(turn: Turn, pair: int, content: bytes) -> None:
    """The packet in a receive buffer is one that was sent, the next of its flow, and in the right queue."""
    state = turn.state
    packet = echoed(content[turn.header_length :])
    name = f"packet {packet.number} of pair {packet.pair}, flow {packet.flow}"
    if not packet.comes_back:
        raise GuestFailure(f"{name} for {packet.address.hex(':')}, VLAN {packet.vlan}, passed the filter")
    if packet.pair >= state.pairs or packet.flow >= layout.FLOWS:
        raise GuestFailure(f"{name} came, which nobody sent")
    _check_place(turn, pair, packet, content, name)
    at = turn.flow(packet.pair, packet.flow)
    sent, expected = turn.ram.u32(at), turn.ram.u32(at + 4)
    if packet.number != expected:
        _serve_interrupt(turn)
        if packet.number < expected:
            raise GuestFailure(f"{name} came twice")
        if packet.number >= sent:
            raise GuestFailure(f"{name} came before it was sent")
        if not state.may_lose:
            raise GuestFailure(f"{name} came, packet {expected} did not")
    state.inflight -= packet.number + 1 - expected
    turn.ram.put_u32(at + 4, packet.number + 1)
    state.received += 1


def _check_place(turn: Turn, pair: int, packet: Packet, content: bytes, name: str) -> None:
    state = turn.state
    value = 0
    if state.hashing:
        key = turn.ram.fetch(layout.RSS_KEY_AT, 40)
        at = turn.header_length + 14 + (0 if packet.vlan is None else 4)
        value = toeplitz(key, content[at + 12 : at + 24])
    if state.features & p.HASH_REPORT:
        told = struct.unpack_from("<IH", content, 12)
        expected = (value, UDPV4[1]) if state.hashing else (0, 0)
        if told != expected:
            raise GuestFailure(f"{name}: its hash is told as {told}, not {expected}")
    right = packet.pair
    if state.redirect:
        right = turn.ram.u16(layout.RSS_TABLE_AT + 2 * (value % state.table))
    if pair != right:
        raise GuestFailure(f"{name} came on pair {pair} instead of {right}")


def _check_lost(turn: Turn) -> None:
    """Everything that was sent is used, and everything that came is looked at: what is not there is lost."""
    state = turn.state
    for pair in range(state.pairs):
        for flow in range(layout.FLOWS):
            at = turn.flow(pair, flow)
            sent, received = turn.ram.u32(at), turn.ram.u32(at + 4)
            if sent != received and not state.may_lose:
                raise GuestFailure(f"packet {received} of pair {pair}, flow {flow} is lost")
            turn.ram.put_u32(at + 4, sent)
    state.inflight = 0


def _serve_interrupt(turn: Turn) -> None:
    """The device's configuration changed: the link, or a wish for an announcement."""
    state = turn.state
    if not turn.device.read_isr() & 2:
        return
    status = turn.device.read_config(6, 2)[0]
    state.link_up = status & p.S_LINK_UP
    state.link_events += 1
    state.may_lose = 1
