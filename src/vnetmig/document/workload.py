"""Device states to measure the engines with: two made ones of known size, and a real section.

==========  =============================================================================  =========  ========
``net4``    a virtio-net of 4 queue pairs and the control queue, as a device model keeps it    1,872 B       212
``net256``  the same of 256 queue pairs, with 256 in-flight descriptors in each queue      2,137,392 B   535,604
``section`` the virtio-net section of the sample capture, as QEMU 10.0 wrote it               46,401 B     8,267
==========  =============================================================================  =========  ========

(bytes of stream; fields, where an array of numbers or bytes of constant length is one). The made devices hold more ring
state than QEMU sends: what a device that is not stopped has to hand over. Their bytes are made up, no two neighbours
alike. Knows descriptions and the sample; knows no clock: whoever measures brings one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from vnetmig.document.load import load as load_stream
from vnetmig.document.sample import sample
from vnetmig.vmstate import (
    BUFFER,
    LE32,
    MAC,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    Field,
    Program,
    Record,
    Struct,
    Vmsd,
)
from vnetmig.vmstate.description import Item
from vnetmig.vmstate.layout import Kind

INFLIGHT = 256
"""Descriptors in flight in each queue of ``net256``: the default size of a ring."""

QUEUE_FIELDS: tuple[Item, ...] = (
    Field("num", UINT32),
    Field("num_default", UINT32),
    Field("align", UINT32),
    Field("desc", UINT64),
    Field("avail", UINT64),
    Field("used", UINT64),
    Field("last_avail_idx", UINT16),
    Field("shadow_avail_idx", UINT16),
    Field("used_idx", UINT16),
    Field("signalled_used", UINT16),
    Field("last_avail_wrap_counter", UINT8),
    Field("shadow_avail_wrap_counter", UINT8),
    Field("used_wrap_counter", UINT8),
    Field("signalled_used_valid", UINT8),
    Field("notification", UINT8),
    Field("enabled", UINT8),
    Field("inuse", UINT32),
    Field("vector", UINT16),
    Field("tx_waiting", UINT32),
    Field("tx_timer", UINT64),
)
"""One virtqueue: 20 fields, 68 bytes."""

DEVICE_FIELDS: tuple[Item, ...] = (
    Field("status", UINT8),
    Field("isr", UINT8),
    Field("queue_sel", UINT16),
    Field("guest_features", UINT64),
    Field("mac", MAC),
    Field("net_status", UINT16),
    Field("mergeable_rx_bufs", UINT32),
    Field("has_vnet_hdr", UINT32),
    Field("has_ufo", UINT8),
    Field("promisc", UINT8),
    Field("allmulti", UINT8),
    Field("alluni", UINT8),
    Field("nomulti", UINT8),
    Field("nouni", UINT8),
    Field("nobcast", UINT8),
    Field("max_queue_pairs", UINT16),
    Field("curr_queue_pairs", UINT16),
    Field("curr_guest_offloads", UINT64),
    Field("mac_table_in_use", UINT32),
    Field("mac_table_first_multi", UINT32),
    Field("mac_table_multi_overflow", UINT8),
    Field("mac_table_uni_overflow", UINT8),
    Field("mac_table", BUFFER, 64 * 6),
    Field("vlans", LE32, 128),
    Field("rss_enabled", UINT8),
    Field("rss_redirect", UINT8),
    Field("rss_populate_hash", UINT8),
    Field("rss_hash_types", UINT32),
    Field("rss_indirections_len", UINT16),
    Field("rss_default_queue", UINT16),
    Field("rss_key", BUFFER, 40),
    Field("rss_indirections_table", UINT16, 128),
)
"""The device apart from its queues: 32 fields, 1,260 bytes."""

DESCRIPTOR_FIELDS: tuple[Item, ...] = (
    Field("addr", UINT64),
    Field("len", UINT32),
    Field("id", UINT16),
    Field("flags", UINT16),
)
"""One descriptor of a packed ring (virtio 1.3, 2.8.13): 4 fields, 16 bytes."""


@dataclass(frozen=True, eq=False)
class Workload:
    """One state: its program, its stream bytes, its record, and the number of its fields."""

    name: str
    program: Program
    wire: bytes
    record: Record
    fields: int
    _checked: set[str] = field(default_factory=set, repr=False)

    def saver(self, engine: str) -> Callable[[], bytes]:
        """A call that saves the record on ``engine``, to measure; it was tried and gives ``wire``."""
        self._check(engine)
        save, record = self.program.save, self.record
        return lambda: save(record, engine)

    def loader(self, engine: str) -> Callable[[], object]:
        """A call that loads ``wire`` on ``engine``, to measure; it was tried and gives the record."""
        self._check(engine)
        load, wire = self.program.load, self.wire
        return lambda: load(wire, engine=engine)

    def _check(self, engine: str) -> None:
        if engine in self._checked:
            return
        loaded = self.program.load(self.wire, engine=engine)
        if loaded.error is not None:
            raise loaded.error
        same = loaded.size == len(self.wire) and loaded.record.data == self.record.data
        if not same or self.program.save(self.record, engine=engine) != self.wire:
            raise AssertionError(f"engine {engine} gives other bytes for {self.name}")
        self._checked.add(engine)


def _made(name: str, pairs: int, queue: tuple[Item, ...], fields_of_queue: int) -> Workload:
    """A device of ``pairs`` queue pairs and the control queue."""
    queues = 2 * pairs + 1
    vmsd = Vmsd(name, 1, (*DEVICE_FIELDS, Struct("vq", Vmsd("vq", 1, queue), queues)))
    program = Program(vmsd)
    record = program.new_record()
    size = len(record.data)
    some = bytes((7 * i + i // 251) & 0xFF for i in range(1 << 16))
    record.data[:] = (some * (size // len(some) + 1))[:size]
    wire = record.save(engine="python")
    return Workload(name, program, wire, record, len(DEVICE_FIELDS) + queues * fields_of_queue)


def of_pairs(pairs: int) -> Workload:
    """A device like ``net4`` with another number of queue pairs."""
    return _made(f"net{pairs}", pairs, QUEUE_FIELDS, len(QUEUE_FIELDS))


@lru_cache(maxsize=1)
def net4() -> Workload:
    """A small device: what a call costs."""
    return of_pairs(4)


@lru_cache(maxsize=1)
def net256() -> Workload:
    """A large device: what a byte costs."""
    inflight = Struct("inflight", Vmsd("descriptor", 1, DESCRIPTOR_FIELDS), INFLIGHT)
    return _made("net256", 256, (*QUEUE_FIELDS, inflight), len(QUEUE_FIELDS) + INFLIGHT * len(DESCRIPTOR_FIELDS))


@lru_cache(maxsize=1)
def section() -> Workload:
    """A real section: two arrays of 1,024 queue entries, almost all zero, and what stands around them."""
    stream = load_stream(sample())
    found = next(s for s in stream.sections if s.idstr.endswith("/virtio-net"))
    record = found.record
    assert record is not None
    fields = sum(spot.node.kind in (Kind.LEAF, Kind.VLEAF) for spot in record.walk())
    return Workload("section", record.program, record.save(), record, fields)


WORKLOADS: dict[str, Callable[[], Workload]] = {"net4": net4, "net256": net256, "section": section}
