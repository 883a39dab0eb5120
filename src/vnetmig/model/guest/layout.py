"""Where a guest keeps what it knows: all of it in guest memory, nothing anywhere else.

======================  =====================================================================
0x1000                  the state block: STATE, a field each
0x3000                  a driver block of 64 bytes for each queue
0x6000, 0x7000          the control command, and its acknowledgement
0x8000                  flows: packets sent and received, in order, of each flow
0x9000                  filters as the guest set them: MAC table, VLANs, RSS key and table
0x10000                 rings, 0x6000 bytes for each queue
0x80000                 packet buffers, 32 of 2 KiB for each queue
0x190000 to the end     pages that are only there to be written
======================  =====================================================================
"""

from __future__ import annotations

import struct

from vnetmig.model.guest_ram import GuestRam

MAGIC = 0x76_6E_65_74_67_75_65_73
RAM_MIN = 0x200000

PAIRS_MAX = 8
"""Queue pairs that a guest uses at most."""
CONTROL = 2 * PAIRS_MAX
"""The place of the control queue's areas, whatever its index is."""

STATE_AT = 0x1000
DRIVERS_AT, DRIVER_SIZE = 0x3000, 64
COMMAND_AT, ACK_AT = 0x6000, 0x7000
FLOWS_AT, FLOW_SIZE, FLOWS = 0x8000, 16, 2
MACS_AT, VLANS_AT, RSS_KEY_AT, RSS_TABLE_AT = 0x9000, 0x9400, 0x9800, 0x9900
QUEUES_AT, QUEUE_AREA = 0x10000, 0x6000
BUFFERS_AT, BUFFER, SLOTS = 0x80000, 2048, 32
SCRATCH_AT = 0x190000

STATE = (
    ("magic", "Q"),
    ("prng", "Q"),
    ("steps", "Q"),
    ("features", "Q"),  # accepted
    ("profile", "B"),
    ("pairs", "H"),  # with rings
    ("curr_pairs", "H"),  # in use
    ("control", "H"),  # index of the control queue
    ("ring", "H"),  # entries of a data queue
    ("rx_buffer", "H"),  # bytes of a receive buffer
    ("link_up", "B"),
    ("may_lose", "B"),  # the link was down: packets may be lost
    ("asked", "B"),  # a command is on its way
    ("expected", "B"),  # its acknowledgement
    ("unkicked", "Q"),  # places of queues with buffers that the device was not told of
    ("waited", "I"),  # looks at the device in a row in which it had done nothing
    ("inflight", "I"),  # packets sent that have to come back
    ("mac", "6s"),
    ("promisc", "B"),
    ("allmulti", "B"),
    ("alluni", "B"),
    ("nomulti", "B"),
    ("nouni", "B"),
    ("nobcast", "B"),
    ("macs", "B"),  # addresses in the MAC table
    ("uni_overflow", "B"),
    ("multi_overflow", "B"),
    ("hashing", "B"),  # RSS or hash reports are on
    ("redirect", "B"),
    ("hash_types", "I"),
    ("table", "H"),  # entries of the RSS table
    ("offloads", "Q"),
    ("sent", "Q"),
    ("received", "Q"),
    ("filtered", "Q"),  # sent so that the filter has to drop them
    ("commands", "Q"),
    ("refused", "Q"),  # commands that were to be refused, and were
    ("reloads", "Q"),
    ("announced", "Q"),
    ("link_events", "Q"),
    ("dirtied", "Q"),
)
COUNTERS = (
    "steps", "sent", "received", "filtered", "commands", "refused", "reloads", "announced", "link_events", "dirtied",
)  # fmt: skip

_STATE = struct.Struct("<" + "".join(form for _, form in STATE))
_NAMES = tuple(name for name, _ in STATE)


class GuestState:
    """The state block while a step runs: loaded when it begins, stored when it ends."""

    magic: int
    prng: int
    steps: int
    features: int
    profile: int
    pairs: int
    curr_pairs: int
    control: int
    ring: int
    rx_buffer: int
    link_up: int
    may_lose: int
    asked: int
    expected: int
    unkicked: int
    waited: int
    inflight: int
    mac: bytes
    promisc: int
    allmulti: int
    alluni: int
    nomulti: int
    nouni: int
    nobcast: int
    macs: int
    uni_overflow: int
    multi_overflow: int
    hashing: int
    redirect: int
    hash_types: int
    table: int
    offloads: int
    sent: int
    received: int
    filtered: int
    commands: int
    refused: int
    reloads: int
    announced: int
    link_events: int
    dirtied: int

    @classmethod
    def load(cls, ram: GuestRam) -> GuestState:
        state = cls()
        state.__dict__.update(zip(_NAMES, _STATE.unpack(ram.fetch(STATE_AT, _STATE.size)), strict=True))
        return state

    def store(self, ram: GuestRam) -> None:
        values = self.__dict__
        ram.write(STATE_AT, _STATE.pack(*[values[name] for name in _NAMES]))

    def random(self, below: int) -> int:
        """0 to ``below`` - 1: xorshift64, whose state is guest memory as everything."""
        x = self.prng
        x ^= x << 13 & 0xFFFFFFFFFFFFFFFF
        x ^= x >> 7
        x ^= x << 17 & 0xFFFFFFFFFFFFFFFF
        self.prng = x
        return (x >> 16) % below
