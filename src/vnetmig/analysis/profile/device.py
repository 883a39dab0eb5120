"""The profile of one virtio device: its settings, transport and backend put together.

Knows ``DeviceProfile`` and the rules beside this; knows neither command lines nor streams.
"""

from __future__ import annotations

from collections.abc import Mapping

from vnetmig.analysis.profile import shape
from vnetmig.analysis.profile.host_features import PCI, Transport, host_features
from vnetmig.analysis.profile.machine_type import MachineType
from vnetmig.analysis.profile.net_backend import Backend, Host
from vnetmig.analysis.profile.profile import DeviceProfile
from vnetmig.analysis.profile.properties import KINDS, UFO, VNET_HDR, Settings
from vnetmig.analysis.release import Release


def device_profile(
    idstr: str,
    machine: MachineType,
    release: Release,
    properties: Mapping[str, str],
    *,
    transport: Transport,
    backend: Backend | None = None,
    host: Host | None = None,
    cpus: int = 1,
    read_only: bool = False,
) -> DeviceProfile:
    """What a device with these properties offers and has. ``backend``: of a NIC; ``read_only``: of a disk."""
    kind = idstr.rpartition("/")[2]
    if kind not in KINDS:
        return DeviceProfile(idstr, kind, properties=properties, assumed=(f"what a {kind} offers is not known here",))
    settings = Settings(kind, machine, release, properties)
    backend = backend or Backend()
    queues = shape.request_queues(settings, cpus) if kind == "virtio-blk" else 1
    offer = host_features(settings, transport, backend, host, queues=queues, read_only=read_only)
    words = [f"QEMU {release} has no property {name} of {kind}: it would not start" for name in settings.unknown()]
    on_pci = transport.type == PCI
    pairs = shape.queue_pairs(backend)
    net = kind == "virtio-net"
    return DeviceProfile(
        idstr,
        kind,
        host_features=offer.bits,
        assumed_features=offer.assumed,
        backend=backend.type if net else None,
        vhost=backend.vhost,
        queue_pairs=pairs if net else None,
        queue_sizes=shape.queue_sizes(settings, cpus, pairs),
        vectors=shape.vectors(settings, cpus, pairs) if on_pci else None,
        config_size=shape.config_size(settings, transport) if on_pci else None,
        config_len=shape.config_len(settings),
        has_vnet_hdr=VNET_HDR in backend.can(host) if net else None,
        has_ufo=UFO in backend.can(host) if net else None,
        mac=properties.get("mac") if net else None,
        pci_ids=shape.pci_ids(settings, transport) if on_pci else None,
        properties=properties,
        assumed=(*words, *offer.words),
    )
