"""A profile together with what a host's kernel was found to do: less is assumed, and what it cannot is gone.

Knows which features need what of a kernel's tap; probes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from vnetmig.analysis.profile.host_features import ASKED_OF_VHOST, bits_needing
from vnetmig.analysis.profile.net_backend import Host
from vnetmig.analysis.profile.profile import DeviceProfile, Profile
from vnetmig.analysis.profile.properties import TUNNEL, UFO, USO, VNET_HDR
from vnetmig.virtio.features import bits_of

_TUNNEL_CSUM = bits_of(
    "virtio-net", ["VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM", "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM"]
)


def narrowed(profile: Profile, host: Host) -> Profile:
    """``profile`` on ``host``: NICs on a tap (or on what may be one) get what its kernel has."""
    devices = tuple(_narrowed(device, host) for device in profile.devices)
    return replace(profile, devices=devices, host=host)


def _narrowed(device: DeviceProfile, host: Host) -> DeviceProfile:
    if device.kind != "virtio-net" or device.host_features is None or not _on_a_tap(device):
        return device
    bits, assumed = device.host_features, device.assumed_features
    for need, told in ((VNET_HDR, host.vnet_hdr), (UFO, host.ufo), (USO, host.uso), (TUNNEL, host.tunnel)):
        can = False if host.vnet_hdr is False else told
        if can is None:
            continue
        assumed &= ~bits_needing("virtio-net", need)
        if not can:
            bits &= ~bits_needing("virtio-net", need)
    if host.tunnel_csum is False:
        bits &= ~_TUNNEL_CSUM
    if device.vhost and host.vhost_features is not None:
        bits &= ~(ASKED_OF_VHOST & ~host.vhost_features)
        assumed &= ~ASKED_OF_VHOST
    words = device.assumed
    if (device.queue_pairs or 1) > 1 and host.multi_queue is False:
        words = (*words, "the kernel's tap has one queue only: QEMU would not start")
    header = device.has_vnet_hdr and host.vnet_hdr is not False
    return replace(
        device,
        host_features=bits,
        assumed_features=assumed & bits,
        has_vnet_hdr=header,
        has_ufo=header and (device.has_ufo if host.ufo is None else host.ufo),
        assumed=words
        if assumed & bits
        else tuple(word for word in words if not word.startswith("the kernel's tap takes")),
    )


def _on_a_tap(device: DeviceProfile) -> bool:
    """Of a stream the backend is not known: only a header says that it may be a tap."""
    return device.backend in ("tap", "bridge") or (device.backend is None and bool(device.has_vnet_hdr))
