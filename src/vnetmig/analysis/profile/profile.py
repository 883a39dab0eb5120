"""The profile of a destination: everything that a check has to know of it.

Knows values only. Making one is for the modules beside this (of a command line, of a stream) and for those above (of a
running QEMU, of this host); writing it as TOML is ``toml.py``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vnetmig.analysis.profile.net_backend import Host
from vnetmig.analysis.release import Release


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """A virtio device of the destination. Bits are feature bits, bit n = feature n.

    None means: not known, the stream's word is taken for it.
    """

    idstr: str  #: "0000:00:03.0/virtio-net"
    kind: str  #: "virtio-net": the idstr's last part
    host_features: int | None = None  #: what the device offers to its guest
    assumed_features: int = 0  #: those of them that nothing proves: taken to be offered
    backend: str | None = None  #: netdev type: "user", "tap", "vhost-user", ...
    vhost: bool = False
    queue_pairs: int | None = None  #: of the backend (net)
    queue_sizes: tuple[int, ...] | None = None  #: of each virtqueue as created; see ``queue_size``
    vectors: int | None = None  #: MSI-X table entries; 0 is none
    config_size: int | None = None  #: PCI config space: 256, or 4096 behind an Express port
    config_len: int | None = None  #: virtio device config
    has_vnet_hdr: bool | None = None
    has_ufo: bool | None = None
    mac: str | None = None
    pci_ids: tuple[int, int, int] | None = None  #: device id, revision, subsystem id; vendor is 0x1af4
    properties: Mapping[str, str] = field(default_factory=dict)  #: as given on -device
    assumed: tuple[str, ...] = ()  #: in words: what was not said and is assumed

    def queue_size(self, index: int, count: int) -> int | None:
        """Entries of virtqueue ``index`` of ``count``: a NIC with more pairs in use has rx, tx, ..., control.
        Of others the last one repeats."""
        if not self.queue_sizes:
            return None
        if self.kind == "virtio-net":
            return self.queue_sizes[-1 if index == count - 1 else index % 2]
        return self.queue_sizes[min(index, len(self.queue_sizes) - 1)]


@dataclass(frozen=True, slots=True)
class Profile:
    """One destination. ``devices`` holds virtio devices; ``others`` idstrs of devices that are known to be there."""

    qemu: Release
    machine: str | None = None  #: versioned type: "pc-i440fx-7.2"
    devices: tuple[DeviceProfile, ...] = ()
    others: tuple[str, ...] = ()
    complete: bool = False  #: are all PCI devices of the machine in ``devices`` and ``others``?
    capabilities: frozenset[str] | None = None  #: migration capabilities that are on; None: as the stream's
    ram: Mapping[str, int] = field(default_factory=dict)  #: RAM block -> bytes, where known
    uuid: str | None = None
    host: Host | None = None  #: what was probed on the destination's kernel
    origin: str = ""  #: where it comes from, for people: "cmdline:vm.sh", "qmp:/run/qmp.sock", "the stream itself"
    assumed: tuple[str, ...] = ()
    command: bytes | None = field(
        default=None, compare=False
    )  #: the command line it was made of: it can be made again for another release

    @property
    def assumptions(self) -> tuple[str, ...]:
        """All that is assumed, in words: of the machine, of each device, of the release."""
        words = [*self.assumed, *(() if self.host is None else self.host.assumed)]
        words += [f"{device.idstr}: {word}" for device in self.devices for word in device.assumed]
        if not self.qemu.watched:
            words.append(f"QEMU {self.qemu} was not watched; taken to do as {self.qemu.taken_for}")
        return tuple(dict.fromkeys(words))

    def device(self, idstr: str) -> DeviceProfile | None:
        """The virtio device called ``idstr``."""
        return next((device for device in self.devices if device.idstr == idstr), None)
