"""From a loaded record, and the guest memory beside it, to a device's values: what virtio_load does.

Sources: qemu: hw/virtio/virtio.c:virtio_load, hw/net/virtio-net.c:virtio_net_post_load_device. Knows values; makes
nothing but them, so a load that fails has changed nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from vnetmig.errors import StreamError
from vnetmig.model import properties as p
from vnetmig.model.net_values import NetValues, RssState
from vnetmig.model.properties import Properties
from vnetmig.model.queue import NO_VECTOR, SIZE_MAX, Programmed, Queue
from vnetmig.model.record_save import PROGRAMMED, rows_of
from vnetmig.virtio.core import QUEUE_MAX
from vnetmig.virtio.net import MAC_TABLE_ENTRIES, QUEUE_PAIRS_MAX
from vnetmig.virtio.rings import BIG, Memory, RingState, check_rings, guest_features
from vnetmig.vmstate import Record
from vnetmig.vmstate.table import parts
from vnetmig.vmstate.value import Value, mac_bytes

_STATE = "extra_state.pci.modern_state"
_HIGH_BIT = 1 << 67  # HOST_UDP_TUNNEL_GSO stands for the bits above 63 that were offered and not accepted
_RING_RESET = 1 << 40  # the same for bits 32 to 63

#   config_len  the feature that it proves
_CONFIG_PROVES = {8: p.STATUS, 10: p.MQ, 12: p.MTU, 17: p.SPEED_DUPLEX, 24: p.RSS}


def load_values(record: Record, ram: Memory | None, properties: Properties | None) -> tuple[NetValues, str | None]:
    """(values, why the device is broken or None). StreamError when QEMU would refuse the load.

    ``ram`` None: what split rings have in guest memory is zero in the values, and is not checked.
    """
    return _Load(record, ram, properties).values()


class _Reader:
    """Values of a record by path, each of the type it has to be."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self._parts = parts(record)
        self.queues = self._parts[""].columns("vq", QUEUE_MAX)

    def number(self, path: str, default: int = 0) -> int:
        part, _, name = path.rpartition(".")
        found = self._parts.get(part)
        value: Value | None = None if found is None else found.value(name)
        if value is None and (found is None or part == ""):
            value = self.record.get(path, default)
        if value is None:
            return default
        assert isinstance(value, int)
        return int(value)

    def content(self, path: str, default: bytes = b"") -> bytes:
        value = self.record.get(path, default)
        assert isinstance(value, bytes)
        return value

    def numbers(self, path: str) -> tuple[int, ...]:
        value = self.record.get(path, ())
        assert isinstance(value, tuple)
        return tuple(int(one) for one in value)

    def macs(self, path: str) -> list[bytes]:
        value = self.record[path]
        assert isinstance(value, tuple)
        return [mac_bytes(path, one) for one in value]

    def has(self, subsection: str) -> bool:
        return subsection in self._parts

    def programmed(self) -> list[Programmed]:
        """What the driver wrote to the transport's registers, of each queue; none of a legacy device."""
        found = rows_of(self.record, f"{_STATE}.vqs")
        count = len(self.queues["num"])
        if found is None:
            return [Programmed() for _ in range(count)]
        at, stride = found
        rows = bytes(self.record.data[at : at + stride * count])
        return [
            Programmed(num, enabled, desc, avail, used)
            for num, enabled, desc, avail, used in (
                (row[0], row[1], *(low | high << 32 for low, high in zip(row[2::2], row[3::2], strict=True)))
                for row in PROGRAMMED.iter_unpack(rows)
            )
        ]


def _proven(read: _Reader) -> Properties:
    offered = guest_features(read.record)
    offered |= p.VERSION_1 if read.has("virtqueues") else 0
    offered |= p.RING_PACKED if read.has("packed_virtqueues") else 0
    if read.has("64bit_features") and not offered >> 32 & 0xFFFFFFFF:
        offered |= _RING_RESET
    if read.has("128bit_features") and not offered >> 64:
        offered |= _HIGH_BIT
    offered |= _CONFIG_PROVES.get(read.number("config_len"), 0)
    sizes = [
        read.number(f"ringsize.vq[{index}].num_default", read.number(f"vq[{index}].num"))
        for index in (0, 1, read.number("num_queues") - 1)
    ]
    return Properties(
        queue_pairs=read.number("max_queue_pairs", 1),
        offered=offered,
        mac=mac_bytes("mac", read.record["mac"]),
        mtu=read.number("config.mtu") or 1500,
        rx_queue_size=sizes[0],
        tx_queue_size=sizes[1],
        ctrl_queue_size=sizes[2],
        rss_version=read.number("rss.#version", 1),
    )


class _Load:
    def __init__(self, record: Record, ram: Memory | None, properties: Properties | None) -> None:
        self.read = _Reader(record)
        self.record = record
        self.ram = ram
        self._check_counts()
        self.properties = _proven(self.read) if properties is None else properties

    def values(self) -> tuple[NetValues, str | None]:
        read = self.read
        features = guest_features(self.record)
        self._check(features)
        rings = check_rings(self.record, self.ram)
        for ring in rings:
            if ring.fails:
                raise StreamError(ring.message or "", field=f"vq[{ring.index}].last_avail_idx", code="check")
        macs = read.macs("mac_table.macs")
        if len(macs) > MAC_TABLE_ENTRIES:
            macs = []  # the overflow flags, which are sent too, say what that means
        status = read.number("status")
        values = NetValues(
            properties=self.properties,
            status=status,
            isr=read.number("isr"),
            queue_sel=read.number("queue_sel"),
            config_vector=read.number("config_vector", NO_VECTOR),
            guest_features=features,
            dfselect=read.number(f"{_STATE}.dfselect"),
            gfselect=read.number(f"{_STATE}.gfselect"),
            driver_words=self._driver_words(),
            config=read.content("config")[: self.properties.config_len].ljust(self.properties.config_len, b"\0"),
            mac=mac_bytes("mac", self.record["mac"]),
            net_status=read.number("net_status"),
            promisc=read.number("promisc"),
            allmulti=read.number("allmulti"),
            alluni=read.number("alluni"),
            nomulti=read.number("nomulti"),
            nouni=read.number("nouni"),
            nobcast=read.number("nobcast"),
            macs=macs,
            first_multi=next((i for i, mac in enumerate(macs) if mac[0] & 1), len(macs)),
            uni_overflow=read.number("mac_table_overflow.uni"),
            multi_overflow=read.number("mac_table_overflow.multi"),
            vlans=list(read.numbers("vlans")),
            mergeable_rx_bufs=read.number("mergeable_rx_bufs"),
            has_vnet_hdr=read.number("has_vnet_hdr"),
            has_ufo=read.number("has_ufo"),
            curr_queue_pairs=read.number("curr_queue_pairs", 1),
            curr_guest_offloads=read.number("curr_guest_offloads", features & p.GUEST_OFFLOADS),
            rss=self._rss(),
            broken=bool(read.number("broken.broken")),
            started=bool(read.number("started.started")),
            disabled=bool(read.number("disabled.disabled")),
            queues=self._queues(rings),
        )
        return values, next((ring.message for ring in rings if ring.breaks), None)

    # checks, in the loader's order

    def _check_counts(self) -> None:
        count = self.read.number("num_queues")
        if count < 3 or count % 2 == 0 or count > 2 * QUEUE_PAIRS_MAX + 1:
            raise StreamError(
                f"Invalid number of virtqueues: {count:#x}",
                field="num_queues",
                expected="two of each pair, and the control queue",
                got=count,
                code="check",
            )

    def _check(self, features: int) -> None:
        read, own = self.read, self.properties
        self._at_most("queue_sel", read.number("queue_sel"), QUEUE_MAX - 1)
        allowed = own.offered
        if features & ~allowed:
            raise StreamError(
                f"Features {features:#x} unsupported. Allowed features: {allowed:#x}",
                field="guest_features_low",
                expected=f"a subset of {allowed:#x}",
                got=f"{features:#x}",
                hint="create the destination's device with the features that the source offers",
                code="check",
            )
        if "max_queue_pairs" in self.record and read.number("max_queue_pairs") != own.queue_pairs:
            raise StreamError(
                f"{own.queue_pairs:x} != {read.number('max_queue_pairs'):x}",
                field="max_queue_pairs",
                expected=own.queue_pairs,
                got=read.number("max_queue_pairs"),
                code="check",
            )
        pairs = read.number("curr_queue_pairs", 1)
        count = read.number("num_queues")
        if pairs > own.queue_pairs or 2 * pairs + 1 > count:
            raise StreamError(
                f"virtio-net: curr_queue_pairs {pairs:x} > max_queue_pairs {own.queue_pairs:x}",
                field="curr_queue_pairs",
                expected=f"at most {min(own.queue_pairs, count // 2)}",
                got=pairs,
                code="check",
            )
        if self.record.get("device_endian.device_endian") == BIG:
            raise StreamError("the device model runs little-endian guests only", field="device_endian", code="check")
        if "extra_state.mmio.state.#version" in self.record:
            raise StreamError(
                "the device model runs modern devices on PCI only", field="extra_state.mmio", code="check"
            )
        for index, num in enumerate(read.queues["num"]):
            self._at_most(f"vq[{index}].num", num, SIZE_MAX)
        vectors = self.record.program.params["vectors"]
        if vectors:
            for path, vector in (
                ("config_vector", read.number("config_vector")),
                *((f"vq[{index}].vector", vector) for index, vector in enumerate(read.queues["vector"])),
            ):
                self._at_most(path, vector if vector != NO_VECTOR else 0, vectors - 1)

    def _at_most(self, path: str, value: int, most: int) -> None:
        if value > most:
            field = path.rpartition(".")[2]
            raise StreamError(
                f"Failed to load virtio:{field}", field=path, expected=f"at most {most}", got=value, code="check"
            )

    # parts

    def _driver_words(self) -> list[int]:
        read = self.read
        return [
            *(read.number(f"{_STATE}.guest_features[{word}]") for word in range(2)),
            *(read.number(f"{_STATE}.features128.guest_features_{word}") for word in range(2, 4)),
        ]

    def _rss(self) -> RssState:
        read = self.read
        if not read.has("rss") or not read.number("rss.enabled"):
            return RssState()
        table = read.numbers("rss.indirections_table")
        if not table or len(table) & len(table) - 1 or len(table) > p.RSS_TABLE_MAX:
            raise StreamError(
                "Failed to load virtio-net-device/rss:indirections_len",
                field="rss.indirections_len",
                expected=f"a power of two, at most {p.RSS_TABLE_MAX}",
                got=len(table),
                code="check",
            )
        return RssState(
            enabled=True,
            redirect=bool(read.number("rss.redirect")),
            populate_hash=bool(read.number("rss.populate_hash")),
            hash_types=read.number("rss.hash_types"),
            supported_hash_types=read.number("rss.supported_hash_types", p.RSS_HASH_TYPES),
            default_queue=read.number("rss.default_queue"),
            key=read.content("rss.key"),
            table=table,
        )

    def _queues(self, rings: Sequence[RingState]) -> list[Queue]:
        read = self.read
        made = [_queue(ring, programmed) for ring, programmed in zip(rings, read.programmed(), strict=True)]
        waiting = (read.number("tx_waiting"), *read.numbers("tx_waiting_of_pair"))
        for pair, value in enumerate(waiting):
            made[2 * pair + 1].tx_waiting = value
        return made


def _queue(ring: RingState, programmed: Programmed) -> Queue:
    """Indices of a split ring come from guest memory."""
    held = ring.queue
    wraps = [1 if wrap is None else wrap for wrap in (held.last_avail_wrap_counter, held.used_wrap_counter)]
    return Queue(
        num_default=held.num if held.num_default is None else held.num_default,
        num=held.num,
        desc=held.desc,
        avail=held.avail,
        used=held.used,
        align=held.align,
        vector=NO_VECTOR if held.vector is None else held.vector,
        last_avail_idx=held.last_avail_idx if held.packed else held.early_idx,
        last_avail_wrap_counter=wraps[0],
        shadow_avail_idx=ring.shadow_avail_idx or 0,
        shadow_avail_wrap_counter=wraps[0],
        used_idx=ring.used_idx or 0,
        used_wrap_counter=wraps[1],
        inuse=ring.inuse or 0,
        programmed=programmed,
    )
