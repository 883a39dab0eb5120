"""What a guest believes that its device lets through, from the commands that the device acknowledged.

Knows the meaning of each command (virtio 1.3, 5.1.6.5) from the driver's side, and keeps it in guest memory; shares no
code with the device, so that the two can disagree.
"""

from __future__ import annotations

import struct

from vnetmig.model import properties as p
from vnetmig.model.guest import layout
from vnetmig.model.guest.layout import GuestState
from vnetmig.model.guest_ram import GuestRam

MODES = ("promisc", "allmulti", "alluni", "nomulti", "nouni", "nobcast")
MAC_TABLE = 64


class GuestFilters:
    """The filters of one guest while a step runs."""

    def __init__(self, ram: GuestRam, state: GuestState) -> None:
        self.ram = ram
        self.state = state

    def forget(self) -> None:
        """As a reset leaves the device (virtio 1.3, 5.1.6.5.1 and 5.1.6.5.3)."""
        state = self.state
        for mode in MODES:
            setattr(state, mode, int(mode == "promisc"))
        state.macs = state.uni_overflow = state.multi_overflow = 0
        state.hashing = state.redirect = state.hash_types = state.table = 0
        state.offloads = state.features & p.GUEST_OFFLOADS
        filtering = state.features & p.CTRL_VLAN
        self.ram.write(layout.VLANS_AT, bytes(512) if filtering else b"\xff" * 512)

    def passes(self, address: bytes, vlan: int | None) -> bool:
        state = self.state
        if state.promisc:
            return True
        if vlan is not None and not self.ram.fetch(layout.VLANS_AT + vlan // 8, 1)[0] >> vlan % 8 & 1:
            return False
        if address == b"\xff" * 6:
            return not state.nobcast
        if address[0] & 1:
            if state.nomulti:
                return False
            return bool(state.allmulti or state.multi_overflow or address in self.table())
        if state.nouni:
            return False
        return bool(state.alluni or state.uni_overflow or address == state.mac or address in self.table())

    def table(self) -> list[bytes]:
        content = self.ram.fetch(layout.MACS_AT, 6 * self.state.macs)
        return [content[at : at + 6] for at in range(0, len(content), 6)]

    def acknowledged(self, command: bytes) -> None:
        """The device has done ``command``, one of those that a guest sends."""
        state, data = self.state, command[2:]
        kind, number = command[0], command[1]
        if kind == 0:
            setattr(state, MODES[number], data[0])
        elif kind == 1 and number == 0:
            self._set_table(data)
        elif kind == 1:
            state.mac = data
        elif kind == 2:
            self._set_vlan(int.from_bytes(data, "little"), number == 0)
        elif kind == 3:
            state.announced += 1
        elif kind == 4 and number == 0:
            state.curr_pairs = int.from_bytes(data, "little")
            state.hashing = state.redirect = 0
        elif kind == 4:
            self._set_rss(data, number == 1)
        else:
            state.offloads = int.from_bytes(data, "little")

    def _set_table(self, data: bytes) -> None:
        state = self.state
        unicast = int.from_bytes(data[:4], "little")
        multicast = int.from_bytes(data[4 + 6 * unicast :][:4], "little")
        kept = b""
        state.uni_overflow = int(unicast > MAC_TABLE)
        if not state.uni_overflow:
            kept = data[4 : 4 + 6 * unicast]
        state.multi_overflow = int(len(kept) // 6 + multicast > MAC_TABLE)
        if not state.multi_overflow:
            kept += data[8 + 6 * unicast :]
        state.macs = len(kept) // 6
        self.ram.write(layout.MACS_AT, kept)

    def _set_vlan(self, vlan: int, passes: bool) -> None:
        at = layout.VLANS_AT + vlan // 8
        byte, bit = self.ram.fetch(at, 1)[0], 1 << vlan % 8
        self.ram.write(at, bytes([byte | bit if passes else byte & ~bit]))

    def _set_rss(self, data: bytes, redirect: bool) -> None:
        state = self.state
        state.hash_types, mask = struct.unpack_from("<IH", data)
        length = mask + 1 if redirect else 1
        pairs, key_length = struct.unpack_from("<HB", data, 8 + 2 * length)
        state.hashing, state.redirect, state.table = 1, int(redirect), length
        if redirect:
            state.curr_pairs = pairs
        self.ram.write(layout.RSS_TABLE_AT, data[8 : 8 + 2 * length])
        self.ram.write(layout.RSS_KEY_AT, data[11 + 2 * length :][:key_length].ljust(40, b"\0"))
