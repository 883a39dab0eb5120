"""A live view of a virtio-net device with the names people use.

Knows which values of the record make up a MAC table, a receive mode, a feature set; knows no bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from vnetmig.document.device import Device
from vnetmig.document.queue import Queue
from vnetmig.document.receive import MacTable, ReceiveMode, Rss, vlans_from, vlans_to
from vnetmig.virtio import features
from vnetmig.virtio.accepted_features import set_guest_features
from vnetmig.virtio.offered import offered_at_least
from vnetmig.virtio.rings import guest_features
from vnetmig.vmstate.table import parts
from vnetmig.vmstate.value import Value

_MRG_RXBUF = features.bits_of("virtio-net", ["VIRTIO_NET_F_MRG_RXBUF"])


class NetDevice(Device):
    """A virtio-net device (section version 11).

    >>> import vnetmig
    >>> stream = vnetmig.load(vnetmig.sample())
    >>> net = stream.device("virtio-net")
    >>> net.mac
    '52:54:00:12:34:56'
    >>> net.mac = "52:54:00:aa:bb:cc"
    >>> net.queues[0].num
    1024
    """

    __slots__ = ()

    def _int(self, path: str) -> int:
        value = self.record[path]
        assert isinstance(value, int)
        return value

    @property
    def mac(self) -> str:
        """The device's MAC address (main-mac)."""
        return str(self.record["mac"])

    @mac.setter
    def mac(self, value: Value) -> None:
        self.record["mac"] = value

    @property
    def status(self) -> int:
        """Virtio device status: 1 ACKNOWLEDGE, 2 DRIVER, 4 DRIVER_OK, 8 FEATURES_OK, 0x40 NEEDS_RESET, 0x80 FAILED."""
        return self._int("status")

    @status.setter
    def status(self, value: int) -> None:
        self.record["status"] = value

    @property
    def isr(self) -> int:
        return self._int("isr")

    @isr.setter
    def isr(self, value: int) -> None:
        self.record["isr"] = value

    @property
    def queue_sel(self) -> int:
        return self._int("queue_sel")

    @queue_sel.setter
    def queue_sel(self, value: int) -> None:
        self.record["queue_sel"] = value

    @property
    def net_status(self) -> int:
        """Link and announcement: bit 0 link up, bit 1 announce."""
        return self._int("net_status")

    @net_status.setter
    def net_status(self, value: int) -> None:
        self.record["net_status"] = value

    @property
    def guest_features(self) -> int:
        """The features that the driver accepted, bit n = feature n (up to 127).

        Set, they take with them what follows: the offloads in use, and mergeable receive buffers.
        """
        return guest_features(self.record)

    @guest_features.setter
    def guest_features(self, value: int) -> None:
        before = self.guest_features
        set_guest_features(self.record, value)
        # What follows from them, as when a driver gives them up (qemu: virtio_net_set_features).
        if (before ^ value) & _MRG_RXBUF:
            self.record["mergeable_rx_bufs"] = int(bool(value & _MRG_RXBUF))
        if "curr_guest_offloads" in self.record:
            self.record["curr_guest_offloads"] = self._int("curr_guest_offloads") & ~(before & ~value)

    @property
    def guest_feature_names(self) -> list[str]:
        return features.names("virtio-net", self.guest_features)

    @property
    def host_features(self) -> int | None:
        """Not on the wire; None unless a profile gives it. See ``offered_at_least``."""
        return None

    @property
    def offered_at_least(self) -> int:
        """Features that this stream proves the device offers: accepted ones, and those its layout follows from."""
        return offered_at_least("virtio-net", parts(self.record))

    @property
    def max_queue_pairs(self) -> int:
        """Queue pairs of the backend; 1 when the field is not in the stream."""
        value = self.record.get("max_queue_pairs", 1)
        assert isinstance(value, int)
        return value

    @max_queue_pairs.setter
    def max_queue_pairs(self, value: int) -> None:
        self.record["max_queue_pairs"] = value

    @property
    def curr_queue_pairs(self) -> int:
        """Queue pairs that the driver uses; 1 when the field is not in the stream."""
        value = self.record.get("curr_queue_pairs", 1)
        assert isinstance(value, int)
        return value

    @property
    def queues(self) -> list[Queue]:
        """Every virtqueue of the stream, rx and tx of each pair, then control."""
        return [Queue(self.record, index, self._context.memory) for index in range(self._int("num_queues"))]

    # receive filters

    @property
    def mac_table(self) -> MacTable:
        """The filter table; ``.unicast`` and ``.multicast`` can be assigned."""
        return MacTable(self.record)

    @property
    def vlans(self) -> frozenset[int]:
        """VLAN ids that pass the filter."""
        words = self.record["vlans"]
        assert isinstance(words, tuple)
        return vlans_from(words)

    @vlans.setter
    def vlans(self, ids: Iterable[int]) -> None:
        self.record["vlans"] = vlans_to(ids)

    @property
    def vlan_mode(self) -> Literal["all", "normal", "none"]:
        """As query-rx-filter says it: all without CTRL_VLAN, none when no id passes."""
        if not self.guest_features & features.bits_of("virtio-net", ["VIRTIO_NET_F_CTRL_VLAN"]):
            return "all"
        return "normal" if self.vlans else "none"

    @property
    def rx_mode(self) -> ReceiveMode:
        """promisc, allmulti, alluni, nomulti, nouni, nobcast; each can be assigned."""
        return ReceiveMode(self.record)

    @property
    def rss(self) -> Rss | None:
        """Receive-side scaling as the driver set it; None when it is off."""
        return Rss(self.record) if "rss" in self.record.subsections() else None
