"""The control queue's commands: a table of class and command to what it does.

Sources: virtio 1.3, 5.1.6.5; qemu: hw/net/virtio-net.c (virtio_net_handle_rx_mode, _mac, _vlan_table, _announce, _mq,
_rss, _offloads), whose answers are given, also to commands that make no sense. Knows values; knows no ring.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial

from vnetmig.model import properties as p
from vnetmig.model.net_values import RX_MODES, NetValues, RssState
from vnetmig.virtio.net import MAC_TABLE_ENTRIES, VLAN_WORDS

OK, ERR = 0, 1

CTRL_RX, CTRL_MAC, CTRL_VLAN, CTRL_ANNOUNCE, CTRL_MQ, CTRL_GUEST_OFFLOADS = range(6)

PAIRS_MIN, PAIRS_MAX = 1, 0x8000

COMMAND_MAX = 2 + 4 + 4 + 6 * MAC_TABLE_ENTRIES * 32
"""Bytes of a command that are looked at: more than the largest one that is taken, as MAC tables may overflow."""

_RSS_HEAD = struct.Struct("<IHH")  # hash_types, indirection_table_mask, unclassified_queue
_RSS_TAIL = struct.Struct("<HB")  # max_tx_vq, hash_key_length

Handler = Callable[[NetValues, bytes], bool]


def handle(values: NetValues, command: bytes) -> int:
    """Run ``command`` (class, command, data; at least 2 bytes) on ``values``; the acknowledgement."""
    handler = HANDLERS.get((command[0], command[1]))
    return OK if handler is not None and handler(values, command[2:]) else ERR


def _rx_mode(values: NetValues, data: bytes, *, mode: str) -> bool:
    if len(data) < 1:
        return False
    setattr(values, mode, int(bool(data[0])))
    return True


def _mac_addr_set(values: NetValues, data: bytes) -> bool:
    if len(data) != 6:
        return False
    values.mac = data
    return True


def _mac_table_set(values: NetValues, data: bytes) -> bool:
    """Both tables or, when their lengths are wrong, none. One that does not fit counts as an overflow."""
    macs: list[bytes] = []
    overflow = []
    first_multi = at = 0
    for last in (False, True):
        if len(data) < at + 4:
            return False
        entries = int.from_bytes(data[at : at + 4], "little")
        at += 4
        end = at + 6 * entries
        if end > len(data) or (last and end != len(data)):
            return False
        fits = len(macs) + entries <= MAC_TABLE_ENTRIES
        overflow.append(int(not fits))
        if fits:
            macs += [data[i : i + 6] for i in range(at, end, 6)]
        if not last:
            first_multi = len(macs)
        at = end
    values.macs, values.first_multi = macs, first_multi
    values.uni_overflow, values.multi_overflow = overflow
    return True


def _vlan(values: NetValues, data: bytes, *, passes: bool) -> bool:
    if len(data) != 2:
        return False
    vlan = int.from_bytes(data, "little")
    if vlan >= 32 * VLAN_WORDS:
        return False
    bit = 1 << (vlan & 31)
    word = values.vlans[vlan >> 5]
    values.vlans[vlan >> 5] = word | bit if passes else word & ~bit
    return True


def _announce_ack(values: NetValues, data: bytes) -> bool:
    if not values.net_status & p.S_ANNOUNCE:
        return False
    values.net_status &= ~p.S_ANNOUNCE
    return True


def _set_pairs(values: NetValues, pairs: int) -> bool:
    if not PAIRS_MIN <= pairs <= PAIRS_MAX or pairs > values.max_queue_pairs or not values.multiqueue:
        return False
    values.curr_queue_pairs = pairs
    return True


def _vq_pairs_set(values: NetValues, data: bytes) -> bool:
    values.disable_rss()
    return len(data) == 2 and _set_pairs(values, int.from_bytes(data, "little"))


def _rss(values: NetValues, data: bytes, *, redirect: bool) -> bool:
    """RSS_CONFIG, or HASH_CONFIG, which has the same layout with a table of one entry that is not used.

    An invalid command switches RSS off, as in QEMU.
    """
    values.disable_rss()
    taken = _parse_rss(values, data, redirect)
    if taken is None:
        return False
    rss, pairs = taken
    if rss.enabled:
        values.rss = rss
    return not redirect or _set_pairs(values, pairs)


def _parse_rss(values: NetValues, data: bytes, redirect: bool) -> tuple[RssState, int] | None:
    if not values.has(p.RSS if redirect else p.HASH_REPORT) or len(data) < _RSS_HEAD.size:
        return None
    hash_types, mask, default_queue = _RSS_HEAD.unpack_from(data)
    if not redirect:
        mask = default_queue = 0
    length = mask + 1
    if mask >= p.RSS_TABLE_MAX or length & mask or default_queue >= values.max_queue_pairs:
        return None
    at = _RSS_HEAD.size + 2 * length
    if len(data) < at + _RSS_TAIL.size:
        return None
    table = struct.unpack_from(f"<{length}H", data, _RSS_HEAD.size)
    max_tx, key_length = _RSS_TAIL.unpack_from(data, at)
    key = data[at + _RSS_TAIL.size :][:key_length]
    if key_length > p.RSS_KEY_MAX or len(key) != key_length or (not key and hash_types):
        return None
    rss = RssState(
        enabled=bool(key),
        redirect=redirect,
        populate_hash=values.has(p.HASH_REPORT),
        hash_types=hash_types,
        supported_hash_types=values.rss.supported_hash_types,
        default_queue=default_queue,
        key=key.ljust(p.RSS_KEY_MAX, b"\0"),
        table=table if redirect else (0,),
    )
    return rss, max_tx if redirect else values.curr_queue_pairs


def _guest_offloads_set(values: NetValues, data: bytes) -> bool:
    if not values.has(p.CTRL_GUEST_OFFLOADS) or len(data) != 8:
        return False
    offloads = int.from_bytes(data, "little")
    if offloads & ~values.supported_offloads:
        return False
    values.curr_guest_offloads = offloads
    return True


HANDLERS: dict[tuple[int, int], Handler] = {
    **{(CTRL_RX, command): partial(_rx_mode, mode=mode) for command, mode in enumerate(RX_MODES)},
    (CTRL_MAC, 0): _mac_table_set,
    (CTRL_MAC, 1): _mac_addr_set,
    (CTRL_VLAN, 0): partial(_vlan, passes=True),
    (CTRL_VLAN, 1): partial(_vlan, passes=False),
    (CTRL_ANNOUNCE, 0): _announce_ack,
    (CTRL_MQ, 0): _vq_pairs_set,
    (CTRL_MQ, 1): partial(_rss, redirect=True),
    (CTRL_MQ, 2): partial(_rss, redirect=False),
    (CTRL_GUEST_OFFLOADS, 0): _guest_offloads_set,
}
