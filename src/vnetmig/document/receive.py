"""What decides whether a virtio-net device takes a frame, and on which queue: filters, modes, RSS.

Knows the values in a virtio-net record; the readings are those of QEMU's query-rx-filter
(qemu: hw/net/virtio-net.c:virtio_net_query_rxfilter).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from vnetmig.errors import FieldError
from vnetmig.virtio.net import MAC_TABLE_ENTRIES, VLAN_WORDS
from vnetmig.vmstate.record import Record
from vnetmig.vmstate.value import mac_bytes

VLAN_IDS = 32 * VLAN_WORDS
RX_MODES = ("promisc", "allmulti", "alluni", "nomulti", "nouni", "nobcast")

Mode = Literal["all", "none", "normal"]


def vlans_from(words: Iterable[int | bool | str]) -> frozenset[int]:
    """VLAN ids of the filter's words: id v is bit v % 32 of word v / 32."""
    return frozenset(
        32 * number + bit
        for number, word in enumerate(words)
        if isinstance(word, int) and word
        for bit in range(32)
        if word >> bit & 1
    )


def vlans_to(ids: Iterable[int]) -> tuple[int, ...]:
    """The filter's words for a set of VLAN ids. FieldError for an id that is none."""
    words = [0] * VLAN_WORDS
    for vlan in ids:
        if not isinstance(vlan, int) or not 0 <= vlan < VLAN_IDS:
            raise FieldError(f"vlans takes ids 0 to {VLAN_IDS - 1}, not {vlan!r}")
        words[vlan // 32] |= 1 << vlan % 32
    return tuple(words)


class MacTable:
    """Addresses that pass the filter: unicast first, then multicast (the border is not on the wire)."""

    __slots__ = ("_record",)

    def __init__(self, record: Record) -> None:
        self._record = record

    @property
    def macs(self) -> tuple[str, ...]:
        """All entries as they stand in the stream; QEMU drops them when there are more than 64."""
        value = self._record["mac_table.macs"]
        assert isinstance(value, tuple)
        return tuple(str(mac) for mac in value)

    @macs.setter
    def macs(self, macs: Iterable[str]) -> None:
        entries = [mac_bytes("mac_table", mac) for mac in macs]
        if len(entries) > MAC_TABLE_ENTRIES:
            raise FieldError(f"mac_table takes at most {MAC_TABLE_ENTRIES} addresses, not {len(entries)}")
        with self._record.whole():
            self._record.resize("mac_table.macs", len(entries))
            for index, entry in enumerate(entries):
                self._record[f"mac_table.macs[{index}]"] = entry

    @property
    def _first_multicast(self) -> int:
        """qemu: virtio_net_post_load_device: the first address with the group bit."""
        for index, mac in enumerate(self.macs):
            if int(mac[:2], 16) & 1:
                return index
        return len(self.macs)

    @property
    def unicast(self) -> tuple[str, ...]:
        return self.macs[: self._first_multicast]

    @unicast.setter
    def unicast(self, macs: Iterable[str]) -> None:
        entries = tuple(macs)
        _of_kind(entries, 0, "unicast")
        self.macs = (*entries, *self.multicast)

    @property
    def multicast(self) -> tuple[str, ...]:
        return self.macs[self._first_multicast :]

    @multicast.setter
    def multicast(self, macs: Iterable[str]) -> None:
        entries = tuple(macs)
        _of_kind(entries, 1, "multicast")
        self.macs = (*self.unicast, *entries)

    @property
    def uni_overflow(self) -> bool:
        """The driver had more unicast addresses than fit: all of them pass."""
        return bool(self._record["mac_table_overflow.uni"])

    @property
    def multi_overflow(self) -> bool:
        return bool(self._record["mac_table_overflow.multi"])


def _of_kind(macs: Iterable[str], group: int, name: str) -> None:
    for mac in macs:
        if mac_bytes(f"mac_table.{name}", mac)[0] & 1 != group:
            raise FieldError(f"mac_table.{name} takes {name} addresses, {mac} is none")


class ReceiveMode:
    """The receive mode bits, each readable and assignable by name; ``unicast`` and ``multicast`` sum them up."""

    def __init__(self, record: Record) -> None:
        self.__dict__["record"] = record

    def __getattr__(self, name: str) -> bool:
        if name not in RX_MODES:
            raise AttributeError(f"rx_mode has {', '.join(RX_MODES)}, not {name}")
        return bool(self.__dict__["record"][name])

    def __setattr__(self, name: str, value: object) -> None:
        if name not in RX_MODES:
            raise FieldError(f"rx_mode has {', '.join(RX_MODES)}, not {name}")
        if value not in (0, 1):
            raise FieldError(f"rx_mode.{name} is on or off, not {value!r}")
        self.__dict__["record"][name] = int(bool(value))

    @property
    def unicast(self) -> Mode:
        return "none" if self.nouni else "all" if self.alluni else "normal"

    @property
    def multicast(self) -> Mode:
        return "all" if self.allmulti else "none" if self.nomulti else "normal"

    def as_dict(self) -> dict[str, bool]:
        return {name: getattr(self, name) for name in RX_MODES}

    def __repr__(self) -> str:
        return f"<ReceiveMode {', '.join(n for n, on in self.as_dict().items() if on) or 'plain'}>"


class Rss:
    """The subsection virtio-net-device/rss: there only while the driver uses RSS or hash reporting."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def _int(self, name: str) -> int:
        value = self._record[f"rss.{name}"]
        assert isinstance(value, int)
        return value

    @property
    def enabled(self) -> bool:
        return bool(self._int("enabled"))

    @property
    def redirect(self) -> bool:
        return bool(self._int("redirect"))

    @property
    def populate_hash(self) -> bool:
        return bool(self._int("populate_hash"))

    @property
    def hash_types(self) -> int:
        return self._int("hash_types")

    @property
    def default_queue(self) -> int:
        return self._int("default_queue")

    @property
    def key(self) -> bytes:
        value = self._record["rss.key"]
        assert isinstance(value, bytes)
        return value

    @property
    def indirections_table(self) -> tuple[int, ...]:
        value = self._record["rss.indirections_table"]
        assert isinstance(value, tuple)
        return tuple(int(entry) for entry in value)
