"""What stands behind a NIC: which backends there are and what they leave of a device's features.

Knows netdev types as a table. What a kernel or another process decides is said as "assumed"; ``Host`` (what was probed
on the destination) narrows that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vnetmig.analysis.profile.properties import TUNNEL, UFO, USO, VNET_HDR

HAS: Final = frozenset({VNET_HDR, UFO, USO, TUNNEL})

NO: Final = "no"
YES: Final = "yes"
KERNEL: Final = "kernel"
"""Does it hand packets over with a virtio-net header? Never, always, or as far as the kernel's tap can."""

_HEADER: Final = {
    #  netdev type   vnet_hdr
    "user": NO,
    "socket": NO,
    "stream": NO,
    "dgram": NO,
    "hubport": NO,
    "l2tpv3": NO,
    "vde": NO,
    "af-xdp": NO,
    "passt": NO,
    "vmnet-host": NO,
    "vmnet-shared": NO,
    "vmnet-bridged": NO,
    "none": NO,
    "tap": KERNEL,
    "bridge": KERNEL,
    "netmap": KERNEL,
    "vhost-user": YES,
    "vhost-vdpa": YES,
}


@dataclass(frozen=True, slots=True)
class Host:
    """What the destination's kernel can do, as probed; None: could not be asked."""

    kernel: str = ""
    vnet_hdr: bool | None = None
    multi_queue: bool | None = None
    ufo: bool | None = None
    uso: bool | None = None
    tunnel: bool | None = None  #: GSO in UDP tunnels
    tunnel_csum: bool | None = None
    vhost_features: int | None = None  #: VHOST_GET_FEATURES of /dev/vhost-net
    assumed: tuple[str, ...] = ()  #: what could not be asked, and why


@dataclass(frozen=True, slots=True)
class Backend:
    """A NIC's backend. ``pairs``: its queue pairs; ``vnet_hdr`` False: switched off on its own line."""

    type: str = "none"
    vhost: bool = False
    pairs: int = 1
    vnet_hdr: bool | None = None

    @property
    def outside(self) -> bool:
        """Does another process, or hardware, say which features there are?"""
        return _HEADER.get(self.type) == YES

    def header(self) -> str:
        return NO if self.vnet_hdr is False else _HEADER.get(self.type, KERNEL)

    def can(self, host: Host | None = None) -> frozenset[str]:
        """What of ``HAS`` it can do, for certain or by assumption."""
        if self.header() == NO or (self.header() == KERNEL and host is not None and host.vnet_hdr is False):
            return frozenset()
        if self.header() == YES or host is None:
            return HAS
        told = {UFO: host.ufo, USO: host.uso, TUNNEL: host.tunnel}
        return frozenset(what for what in HAS if told.get(what) is not False)

    def proved(self, host: Host | None = None) -> frozenset[str]:
        """What of ``can`` needs no assumption: a header always is there, the rest only when the kernel was asked."""
        if self.header() != KERNEL:
            return frozenset()
        told = {} if host is None else {UFO: host.ufo, USO: host.uso, TUNNEL: host.tunnel}
        return frozenset({VNET_HDR, *(what for what, can in told.items() if can)}) & self.can(host)
