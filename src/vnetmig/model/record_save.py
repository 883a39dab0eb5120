"""From a device's values to its record, quickly: the "virtio-net" section, version 11.

Knows where each value stands in the record and which subsections QEMU would send (the ``needed`` functions of
qemu: hw/virtio/virtio.c and hw/net/virtio-net.c). What the device does not change, such as the PCI config space and the
MSI-X table, is taken from the record that it was made from.

Records of one shape (the same number of queues and addresses, the same subsections) have every value in the same
place: the places are looked up once for each shape.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import replace

from vnetmig.errors import FieldError
from vnetmig.model import properties as p
from vnetmig.model.net_values import NetValues
from vnetmig.model.properties import Properties
from vnetmig.model.queue import Queue
from vnetmig.model.transport import PciTransport, Transport
from vnetmig.virtio.core import QUEUE_MAX
from vnetmig.vmstate import Record
from vnetmig.vmstate.table import parts

SHAPES_MAX = 64
"""Shapes whose places are kept; a guest can make any number of them."""

_STATE = "extra_state.pci.modern_state"

#   path                              format    value
_VALUES: tuple[tuple[str, str, Callable[[NetValues], int | bytes]], ...] = (
    ("status", "=B", lambda v: v.status),
    ("isr", "=B", lambda v: v.isr),
    ("queue_sel", "=H", lambda v: v.queue_sel),
    ("config_vector", "=H", lambda v: v.config_vector),
    ("guest_features_low", "=I", lambda v: v.guest_features & 0xFFFFFFFF),
    ("config", "={}s", lambda v: v.config),
    ("mac", "=6s", lambda v: v.mac),
    ("curr_queue_pairs", "=H", lambda v: v.curr_queue_pairs),
    ("tx_waiting", "=I", lambda v: v.queues[1].tx_waiting),
    ("mergeable_rx_bufs", "=I", lambda v: v.mergeable_rx_bufs),
    ("net_status", "=H", lambda v: v.net_status),
    ("promisc", "=B", lambda v: v.promisc),
    ("allmulti", "=B", lambda v: v.allmulti),
    ("has_vnet_hdr", "=I", lambda v: v.has_vnet_hdr),
    ("mac_table_overflow.multi", "=B", lambda v: v.multi_overflow),
    ("mac_table_overflow.uni", "=B", lambda v: v.uni_overflow),
    ("alluni", "=B", lambda v: v.alluni),
    ("nomulti", "=B", lambda v: v.nomulti),
    ("nouni", "=B", lambda v: v.nouni),
    ("nobcast", "=B", lambda v: v.nobcast),
    ("has_ufo", "=B", lambda v: v.has_ufo),
    ("mac_table.macs", "={}s", lambda v: b"".join(v.macs)),
    ("curr_guest_offloads", "=Q", lambda v: v.curr_guest_offloads),
    ("rss.enabled", "=B", lambda v: v.rss.enabled),
    ("rss.redirect", "=B", lambda v: v.rss.redirect),
    ("rss.populate_hash", "=B", lambda v: v.rss.populate_hash),
    ("rss.hash_types", "=I", lambda v: v.rss.hash_types),
    ("rss.supported_hash_types", "=I", lambda v: v.rss.supported_hash_types),
    ("rss.default_queue", "=H", lambda v: v.rss.default_queue),
    ("rss.key", "={}s", lambda v: v.rss.key),
    ("64bit_features.guest_features", "=Q", lambda v: v.guest_features & (1 << 64) - 1),
    ("128bit_features.guest_features_high", "=Q", lambda v: v.guest_features >> 64),
    ("broken.broken", "=B", lambda v: v.broken),
    ("started.started", "=B", lambda v: v.started),
    ("disabled.disabled", "=B", lambda v: v.disabled),
    (f"{_STATE}.dfselect", "=I", lambda v: v.dfselect),
    (f"{_STATE}.gfselect", "=I", lambda v: v.gfselect),
    (f"{_STATE}.guest_features[0]", "=I", lambda v: v.driver_words[0]),
    (f"{_STATE}.guest_features[1]", "=I", lambda v: v.driver_words[1]),
    (f"{_STATE}.features128.guest_features_2", "=I", lambda v: v.driver_words[2]),
    (f"{_STATE}.features128.guest_features_3", "=I", lambda v: v.driver_words[3]),
)

#   path                        of each  values
_ARRAYS: tuple[tuple[str, str, Callable[[NetValues], Iterable[int]]], ...] = (
    ("vlans", "I", lambda v: v.vlans),
    ("tx_waiting_of_pair", "I", lambda v: [q.tx_waiting for q in v.queues[3 : 2 * v.curr_queue_pairs : 2]]),
    ("rss.indirections_table", "H", lambda v: v.rss.table),
)

PROGRAMMED = struct.Struct("=HxB6I")
"""A queue of modern_state: num, enabled, and three addresses as low and high 32 bits."""

_Row = Callable[[Queue, Queue], tuple[int, ...]]

#   array                 a queue   its values, from the queue and from what holds its indices
_ROWS: tuple[tuple[str, str, _Row], ...] = (
    ("virtqueues.vq", "=QQ", lambda q, i: (q.avail, q.used)),
    ("ringsize.vq", "=I", lambda q, i: (q.num_default,)),
    (
        "packed_virtqueues.vq",
        "=HBHBI",
        lambda q, i: (i.last_avail_idx, i.last_avail_wrap_counter, i.used_idx, i.used_wrap_counter, i.inuse),
    ),
    (
        f"{_STATE}.vqs",
        PROGRAMMED.format,
        lambda q, i: (
            q.programmed.num,
            q.programmed.enabled,
            *_halves(q.programmed.desc),
            *_halves(q.programmed.avail),
            *_halves(q.programmed.used),
        ),
    ),
)

#   (mmio, with MSI-X) -> the same for "vq"
_VQ: dict[tuple[bool, bool], tuple[str, _Row]] = {
    (False, True): ("=IQHH", lambda q, i: (q.num, q.desc, i.last_avail_idx, q.vector)),
    (False, False): ("=IQH", lambda q, i: (q.num, q.desc, i.last_avail_idx)),
    (True, False): ("=IIQH", lambda q, i: (q.num, q.align, q.desc, i.last_avail_idx)),
}

_FIRST_FIELDS = {"vq": "num", "virtqueues.vq": "avail", "ringsize.vq": "num_default", f"{_STATE}.vqs": "num"}
_OWN_STRUCTS = ("mac_table", "mac_table_overflow")
_WRAPS = struct.pack("=HBHBI", 0, 1, 0, 1, 0)  # of a queue that is not there: a reset sets the wrap counters of all


def _transport(record: Record) -> tuple[bool, bool]:
    params = record.program.params
    return bool(params["mmio"]), not params["mmio"] and params["vectors"] > 0


def rows_of(record: Record, array: str) -> tuple[int, int] | None:
    """(offset of the first, distance to the next) of an array of queues."""
    first = _FIRST_FIELDS.get(array, "last_avail_idx")
    places = [_place(record, f"{array}[{index}].{first}") for index in range(2)]
    if places[0] is None or places[1] is None:
        return None
    return places[0][0], places[1][0] - places[0][0]


def _halves(address: int) -> tuple[int, int]:
    return address & 0xFFFFFFFF, address >> 32


#   subsection                    is sent when
NEEDED: dict[str, Callable[[NetValues], object]] = {
    "rss": lambda v: v.rss.enabled,
    "128bit_features": lambda v: v.properties.offered >> 64,
    "64bit_features": lambda v: v.properties.offered >> 32 & 0xFFFFFFFF,
    "virtqueues": lambda v: v.properties.offered & p.VERSION_1,
    "ringsize": lambda v: any(queue.num != queue.num_default for queue in v.queues),
    "broken": lambda v: v.broken,
    f"{_STATE}.features128": lambda v: v.driver_words[2] or v.driver_words[3],
    "started": lambda v: v.started,
    "packed_virtqueues": lambda v: v.properties.offered & p.RING_PACKED,
    "disabled": lambda v: v.disabled,
}

_Key = tuple[tuple[bool, ...], int, int, int, int, bool]


def _place(record: Record, path: str) -> tuple[int, int] | None:
    try:
        return record.place(path)
    except FieldError:
        return None


class _Places:
    """Where values stand in a record: by parts first, since a path costs a walk from the top."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._parts = parts(record)

    def of(self, path: str) -> tuple[int, int] | None:
        name, _, field = path.rpartition(".")
        part = self._parts.get(name)
        if part is not None:
            return part.place(field)
        if path.partition(".")[0] in _OWN_STRUCTS or name.startswith(_STATE):
            return _place(self._record, path)
        return None


class _Shape:
    """A record of one shape, and where the values go in it."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.values = []
        places = _Places(record)
        for path, form, value in _VALUES:
            place = places.of(path)
            if place is not None:
                self.values.append((struct.Struct(form.format(place[1])).pack_into, place[0], value))
        self.arrays = []
        for path, form, many in _ARRAYS:
            place = places.of(path)
            if place is not None:
                count = place[1] // struct.calcsize(f"={form}")
                self.arrays.append((struct.Struct(f"={count}{form}").pack_into, place[0], many))
        self.rows = []
        for array, form, row in (("vq", *_VQ[_transport(record)]), *_ROWS):
            found = rows_of(record, array)
            if found is not None:
                self.rows.append((struct.Struct(form).pack_into, *found, row))

    def fill(self, values: NetValues, indices: list[Queue]) -> Record:
        record = self.record.copy()
        data = record.data
        for pack_into, at, value in self.values:
            pack_into(data, at, value(values))
        for pack_into, at, many in self.arrays:
            pack_into(data, at, *many(values))
        for pack_into, at, stride, row in self.rows:
            for queue, held in zip(values.queues, indices, strict=True):
                pack_into(data, at, *row(queue, held))
                at += stride
        return record


class Saver:
    """Makes records of one device's values. ``base``: the record that the device was made from."""

    def __init__(self, base: Record, properties: Properties) -> None:
        self._base = _canonical(base, properties)
        self._rss_version = properties.rss_version
        self._shapes: dict[_Key, _Shape] = {}
        self._held: list[Queue] | None = None

    @classmethod
    def new(cls, properties: Properties) -> Saver:
        """For a device on PCI with MSI-X that no driver has touched."""
        return cls.on(PciTransport.new(2 * properties.queue_pairs + 2), properties)

    @classmethod
    def on(cls, transport: Transport, properties: Properties) -> Saver:
        """For a device on ``transport``."""
        record = transport.record(multiqueue=properties.queue_pairs > 1)
        if properties.queue_pairs > 1:
            record["max_queue_pairs"] = properties.queue_pairs
        record.resize("vq", 3)
        return cls(record, properties)

    def hold(self, values: NetValues) -> None:
        """From now on ``save`` gives the data queues' indices of this moment."""
        self._held = [replace(queue) for queue in values.queues[:-1]]

    def release(self) -> None:
        self._held = None

    def save(self, values: NetValues) -> Record:
        key = self._key(values)
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= SHAPES_MAX:
                self._shapes.clear()
            shape = self._shapes[key] = self._shape(values, key)
        queues = values.queues
        if self._held is None:
            return shape.fill(values, queues)
        held = self._held[: len(queues) - 1]
        return shape.fill(values, [*held, *queues[len(held) :]])

    def _key(self, values: NetValues) -> _Key:
        present = tuple(bool(is_needed(values)) for is_needed in NEEDED.values())
        rss = values.rss
        has_offloads = values.has(p.CTRL_GUEST_OFFLOADS)
        table = len(rss.table) if rss.enabled else 0
        return present, len(values.queues), len(values.macs), values.curr_queue_pairs, table, has_offloads

    def _shape(self, values: NetValues, key: _Key) -> _Shape:
        present, queues, macs, pairs, table, _ = key
        record = self._base.copy()
        for path, is_there in zip(NEEDED, present, strict=True):
            if is_there:
                record.add(path, self._rss_version if path == "rss" else None)
        record["guest_features_low"] = values.guest_features & 0xFFFFFFFF
        record.resize("vq", queues)
        record.resize("mac_table.macs", macs)
        if "curr_queue_pairs" in record:
            record["curr_queue_pairs"] = pairs
            record.resize("tx_waiting_of_pair", max(0, pairs - 1))
        if table:
            record.resize("rss.indirections_table", table)
        _fill(record, "packed_virtqueues.vq", _WRAPS)
        loaded = record.program.load(record.save())
        assert loaded.error is None, loaded.error
        return _Shape(loaded.record)


def _canonical(base: Record, properties: Properties) -> Record:
    """``base`` without what comes and goes with the values: that is put in when it is needed."""
    record = base.copy()
    for path in NEEDED:
        for copy in (f"{path}#2", path):
            while f"{copy}.#version" in record:
                record.drop(copy)
    _fill(record, f"{_STATE}.vqs", b"")
    if record["config_len"] != properties.config_len:
        record.resize("config", properties.config_len)
    return record


def _fill(record: Record, array: str, row: bytes) -> None:
    """Every entry of an array of queues becomes ``row``, or zero."""
    found = rows_of(record, array)
    if found is not None:
        at, stride = found
        record.data[at : at + QUEUE_MAX * stride] = row.ljust(stride, b"\0") * QUEUE_MAX
