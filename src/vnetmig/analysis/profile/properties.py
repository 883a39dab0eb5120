"""The properties of QEMU's virtio devices that make up what a guest is offered, with their defaults.

One line each: a default, the release that the property came with, and the values that older machine types keep
(qemu: hw/core/machine.c:hw_compat_*, hw/i386/pc.c:pc_compat_*). Knows tables; what follows from the values is for
those who read them. Checked against every machine type of QEMU 5.2, 7.2, 10.0 and 11.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from vnetmig.analysis.profile.machine_type import MachineType
from vnetmig.analysis.release import Release

VNET_HDR: Final = "vnet_hdr"
UFO: Final = "ufo"
USO: Final = "uso"
TUNNEL: Final = "tunnel"
"""What a net backend can do; a property that needs it is without effect on a backend that cannot."""


@dataclass(frozen=True, slots=True)
class Property:
    """``older``: (version, value) for machine types before that version, oldest first; ``gone``: no longer settable."""

    name: str
    default: str
    since: str | None = None
    older: tuple[tuple[str, str], ...] = ()
    needs: str = ""
    gone: str | None = None

    def value(self, machine: MachineType) -> str:
        """The default on a machine type."""
        return next((value for version, value in self.older if machine.before(version)), self.default)


def _off(version: str) -> tuple[tuple[str, str], ...]:
    return ((version, "off"),)


_EVERY: Final = (
    #        property            default  since   off or other on machine types before
    Property("indirect_desc", "on"),
    Property("event_idx", "on"),
    Property("notify_on_empty", "on"),
    Property("any_layout", "on"),
    Property("iommu_platform", "off", "2.9"),
    Property("packed", "off", "4.2"),
    Property("queue_reset", "on", "7.2", _off("7.2")),
    Property("in_order", "off", "9.1"),
)

_PCI: Final = (
    Property("disable-modern", "off", "2.4", (("2.7", "on"),)),
    Property("disable-legacy", "auto", "2.4", (("2.7", "off"),)),
    Property("x-disable-pcie", "off", "2.5", (("2.5", "on"),)),
)

_MMIO: Final = (Property("force-legacy", "on", "4.2"),)

_NET: Final = (
    Property("csum", "on", needs=VNET_HDR),
    Property("guest_csum", "on", needs=VNET_HDR),
    Property("gso", "on"),
    Property("guest_tso4", "on", needs=VNET_HDR),
    Property("guest_tso6", "on", needs=VNET_HDR),
    Property("guest_ecn", "on", needs=VNET_HDR),
    Property("guest_ufo", "on", needs=UFO),
    Property("guest_announce", "on", None, _off("2.1")),
    Property("host_tso4", "on", needs=VNET_HDR),
    Property("host_tso6", "on", needs=VNET_HDR),
    Property("host_ecn", "on", needs=VNET_HDR),
    Property("host_ufo", "on", needs=UFO),
    Property("mrg_rxbuf", "on"),
    Property("status", "on"),
    Property("ctrl_vq", "on"),
    Property("ctrl_rx", "on"),
    Property("ctrl_vlan", "on"),
    Property("ctrl_rx_extra", "on"),
    Property("ctrl_mac_addr", "on", None, _off("1.4")),
    Property("ctrl_guest_offloads", "on", None, _off("1.5")),
    Property("any_layout", "on", None, _off("1.6")),
    Property("mq", "off"),
    Property("rss", "off", "5.1"),
    Property("hash", "off", "5.1", needs=VNET_HDR),
    Property("guest_rsc_ext", "off", "4.0"),
    Property("guest_uso4", "on", "8.2", _off("8.2"), USO),
    Property("guest_uso6", "on", "8.2", _off("8.2"), USO),
    Property("host_uso", "on", "8.2", _off("8.2"), USO),
    Property("guest_tunnel", "on", "10.2", _off("10.2"), TUNNEL),
    Property("guest_tunnel_csum", "on", "10.2", _off("10.2"), TUNNEL),
    Property("host_tunnel", "on", "10.2", _off("10.2"), TUNNEL),
    Property("host_tunnel_csum", "on", "10.2", _off("10.2"), TUNNEL),
    Property("failover", "off", "4.2"),
    Property("host_mtu", "0", "2.9"),
    Property("speed", "-1", "2.12"),
    Property("duplex", "", "2.12"),
    Property("rx_queue_size", "256", "2.7"),
    Property("tx_queue_size", "256", "2.10"),
    Property("vectors", "auto", None, (("6.0", "3"),)),
)

_CONSOLE: Final = (
    Property("max_ports", "31"),
    Property("emergency-write", "on", "2.8", _off("2.8"), gone="11.1"),
    Property("any_layout", "on", None, _off("2.4")),
    Property("vectors", "2", None, (("1.5", "32"),)),
)

_BLK: Final = (
    Property("config-wce", "on", None, _off("1.2")),
    Property("write-cache", "auto", "2.7"),
    Property("x-enable-wce-if-config-wce", "on", "5.0", _off("5.0")),
    Property("discard", "on", "4.0", _off("4.0")),
    Property("write-zeroes", "on", "4.0", _off("4.0")),
    Property("num-queues", "auto", "2.7", (("5.2", "1"),)),
    Property("queue-size", "256", "2.10", (("5.0", "128"),)),
    Property("any_layout", "on", None, _off("2.4")),
    Property("vectors", "auto", None, (("2.12", "2"),)),
)

_SCSI: Final = (
    Property("hotplug", "on", None, _off("1.2")),
    Property("param_change", "on", None, _off("1.2")),
    Property("num_queues", "auto", None, (("5.2", "1"),)),
    Property("virtqueue_size", "256", "2.11", (("5.0", "128"),)),
    Property("any_layout", "on", None, _off("2.2")),
    Property("vectors", "auto"),
)

_BALLOON: Final = (
    Property("deflate-on-oom", "off", "2.4"),
    Property("free-page-hint", "off", "4.0"),
    Property("page-poison", "on", "5.1", _off("5.1")),
    Property("free-page-reporting", "off", "5.1"),
    Property("qemu-4-0-config-size", "off", "4.1", (("4.0", "off"), ("4.1", "on"))),
    Property("any_layout", "on", None, _off("2.4")),
    Property("vectors", "2", None, (("10.0", "0"),)),
)

_RNG: Final = (
    Property("any_layout", "on", None, _off("2.4")),
    Property("vectors", "2", None, (("7.2", "0"),)),
)

_OWN: Final = {
    "virtio-net": _NET,
    "virtio-console": _CONSOLE,
    "virtio-blk": _BLK,
    "virtio-scsi": _SCSI,
    "virtio-balloon": _BALLOON,
    "virtio-rng": _RNG,
}

KINDS: Final = frozenset(_OWN)
"""The kinds of devices whose offers are known, by their sections' names."""


@lru_cache(maxsize=64)
def properties(kind: str) -> Mapping[str, Property]:
    """Every known property of a kind of device; its own lines over those of all devices."""
    return {line.name: line for line in (*_EVERY, *_PCI, *_MMIO, *_OWN.get(kind, ()))}


_SWITCH: Final = {"on": True, "off": False, "true": True, "false": False, "yes": True, "no": False}


class Settings:
    """The values that a device has: as given, else as its machine type has them."""

    def __init__(self, kind: str, machine: MachineType, release: Release, given: Mapping[str, str]) -> None:
        self.kind = kind
        self.machine = machine
        self.release = release
        self.given = given
        self.table = properties(kind)

    def known(self, name: str) -> bool:
        """Has this release the property?"""
        line = self.table.get(name)
        return line is not None and self.release.since(line.since)

    def text(self, name: str) -> str:
        """A property's value, in QEMU's words."""
        line = self.table[name]
        if name in self.given and not (line.gone and self.release.since(line.gone)):
            return self.given[name]
        return line.value(self.machine)

    def on(self, name: str) -> bool:
        """Is a switch on? False of a property that the release does not have."""
        return self.known(name) and _SWITCH.get(self.text(name), False)

    def number(self, name: str) -> int | None:
        """A property's value as a number; None when QEMU picks one ("auto"), or it is no number."""
        try:
            return int(self.text(name), 0)
        except ValueError:
            return None

    def unknown(self) -> list[str]:
        """Given properties that this release did not have yet: it would refuse to start."""
        return [name for name in self.given if name in self.table and not self.known(name)]
