"""The profile that a QEMU command line gives: devices, where they are, what they offer.

Knows how QEMU turns options into devices with addresses: the board's own first, then -device in order. What cannot be
known of a line is assumed, and said.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from vnetmig.analysis.profile.command_line import CommandLine, Keys, ram_blocks, take_apart
from vnetmig.analysis.profile.command_words import command_words
from vnetmig.analysis.profile.device import device_profile
from vnetmig.analysis.profile.host_features import MMIO, Transport
from vnetmig.analysis.profile.machine_type import MachineType, machine_type, release_of
from vnetmig.analysis.profile.net_backend import Host
from vnetmig.analysis.profile.options import number_of
from vnetmig.analysis.profile.pci_addresses import Bus
from vnetmig.analysis.profile.pci_models import (
    ALIASES,
    BRIDGES,
    SECTIONS,
    VIRTIO_PCI,
    VIRTIO_SECTIONS,
    is_elsewhere,
)
from vnetmig.analysis.profile.profile import DeviceProfile, Profile
from vnetmig.analysis.release import Release
from vnetmig.errors import FieldError

# What the boards have of themselves: (slot.function, section, switched off by this of -machine)
_BOARDS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "i440fx": (("0", "I440FX", ""), ("1", "PIIX3", ""), ("1.1", "ide", ""), ("1.3", "piix4_pm", "acpi")),
    "q35": (("0", "mch", ""), ("1f", "ICH9LPC", ""), ("1f.2", "ich9_ahci", "sata"), ("1f.3", "ich9_smb", "smbus")),
}
# ... with usb=on
_USB = {
    "i440fx": (("1.2", "uhci"),),
    "q35": (("1d.7", "ehci"), ("1d", "uhci"), ("1d.1", "uhci"), ("1d.2", "uhci")),
}
_ROOT_BUS = {"i440fx": "pci.0", "q35": "pcie.0", "microvm": "pcie.0"}

_DISPLAYS = frozenset(
    {"VGA", "cirrus-vga", "vmware-svga", "qxl-vga", "virtio-vga", "virtio-vga-gl", "ati-vga", "isa-vga"}
)

# microvm: hw/i386/microvm.c
_MMIO_BASE = 0xFEB00000
_MMIO_STEP = 0x200


def profile_of_command(
    data: bytes,
    origin: str,
    release: Release | None = None,
    host: Host | None = None,
    machine_of_stream: str | None = None,
) -> Profile:
    """The profile of the QEMU that the command line in ``data`` starts. ``release``: what --qemu says; ``host``: what
    was probed on the destination; ``origin`` names the file in errors and in the profile. ``machine_of_stream``: what
    an alias such as "pc" is taken for, where that fits it.

    >>> line = b"qemu-system-x86_64 -M pc-i440fx-7.2 -nodefaults -nic user,model=virtio"
    >>> profile_of_command(line, "vm.sh").devices[0].idstr
    '0000:00:02.0/virtio-net'
    """
    line = take_apart(command_words(data, origin))
    words: list[str] = []
    if release is None:
        release = _release(line, words)
    machine = _machine(line.machine.get("type"), release, machine_of_stream)
    words += machine.assumed
    plan = _Plan(line, machine, release, host)
    plan.make()
    words += plan.words
    return Profile(
        release,
        machine=machine.name,
        devices=tuple(plan.devices),
        others=tuple(plan.others),
        complete=plan.complete,
        ram=ram_blocks(line, machine.board),
        uuid=line.uuid,
        host=host,
        origin=origin,
        assumed=tuple(words),
        command=data,
    )


@lru_cache(maxsize=64)
def _made_again(
    command: bytes, origin: str, release: Release, host: Host | None, machine_of_stream: str | None
) -> Profile:
    return profile_of_command(command, origin, release, host, machine_of_stream)


def fitted(profile: Profile, release: Release | None, machine_of_stream: str | None) -> Profile:
    """``profile`` for QEMU ``release`` and a stream of that machine type: what a command line leaves open follows from
    them. A profile that is not of a command line takes the release alone."""
    if profile.command is not None:
        return _made_again(profile.command, profile.origin, release or profile.qemu, profile.host, machine_of_stream)
    return profile if release is None else replace(profile, qemu=release)


def _machine(name: str | None, release: Release, of_stream: str | None) -> MachineType:
    """An alias means the newest type of whatever QEMU reads it. Who migrates has it made into the source's first."""
    own = machine_type(name, release)
    if of_stream is None or own.name == name or own.name == of_stream:
        return own
    theirs = machine_type(of_stream, release)
    if theirs.board != own.board:
        return own
    said = f"machine type {name or 'by default'}: as the stream's, {of_stream}; alone, QEMU {release} takes {own.name}"
    return replace(theirs, assumed=(*theirs.assumed, said))


def _release(line: CommandLine, words: list[str]) -> Release:
    """Of a program whose name says it (qemu-system-x86_64-7.2), else of the machine type."""
    name = line.program.rpartition("/")[2]
    found = re.search(r"qemu.*?[-_](\d+\.\d+(?:\.\d+)?)$", name)
    if found is not None:
        words.append(f"QEMU {found[1]}, after the program's name {name}")
        return Release.parse(found[1])
    kind = line.machine.get("type", "")
    release = release_of(kind)
    if release is None:
        raise FieldError(
            f"{name} with machine type {kind or 'by default'} does not say which QEMU it is\n  give --qemu VERSION"
        )
    words.append(f"QEMU {release}, after the machine type {kind}: a later QEMU has it too; --qemu says it better")
    return release


class _Plan:
    """Makes the devices of a line, in QEMU's order."""

    def __init__(self, line: CommandLine, machine: MachineType, release: Release, host: Host | None) -> None:
        self.line = line
        self.machine = machine
        self.release = release
        self.host = host
        self.devices: list[DeviceProfile] = []
        self.others: list[str] = []
        self.words: list[str] = []
        self.complete = machine.board in _BOARDS
        short = machine.board == "i440fx" and machine.version == (1, 6)  # property short_root_bus
        self.root = Bus("0000" if short else "0000:00")
        self.buses = {_ROOT_BUS.get(machine.board, "pci.0"): self.root}
        self.transports = self._mmio_transports()

    def make(self) -> None:
        self._board()
        self._default_devices()
        for keys in self.line.nics:
            driver = keys.get("model", self._nic_model())
            self._device({"driver": driver, **{k: keys[k] for k in ("netdev", "mac", "addr") if keys.get(k)}})
        for keys in self.line.devices:
            self._device(keys)
        for option in self.line.elsewhere:
            self._doubt(f"{option}: the devices that it may bring are not known here")
        if not self.complete and not self.words:
            self.words.append(f"which devices a machine {self.machine.name} has of itself is not known here")

    def _doubt(self, word: str) -> None:
        self.complete = False
        self.words.append(word)

    def _board(self) -> None:
        board = self.machine.board
        for address, section, switch in _BOARDS.get(board, ()):
            path = self.root.place(address)
            if self.line.machine.get(switch, "on") != "off":
                self.others.append(f"{path}/{section}")
        if self.line.machine.get("usb") == "on":
            self.others += [f"{self.root.place(address)}/{section}" for address, section in _USB.get(board, ())]
        if board == "microvm" and self.line.machine.get("pcie") == "on":
            self.others.append(f"{self.root.place('0')}/gpex_root")

    def _default_devices(self) -> None:
        board, line = self.machine.board, self.line
        if board not in _BOARDS:
            return
        wanted = line.vga
        if wanted is None and line.defaults and not any(_driver(keys) in _DISPLAYS for keys in line.devices):
            wanted = "cirrus" if self.machine.before("2.2") else "std"
        if wanted in ("std", "cirrus", "vmware", "virtio", "qxl"):
            self._device({"driver": {"qxl": "qxl-vga", "virtio": "virtio-vga"}.get(wanted, ALIASES.get(wanted, ""))})
        if line.defaults and line.default_net:
            self._device({"driver": self._nic_model()})

    def _nic_model(self) -> str:
        return "e1000e" if self.machine.board == "q35" and not self.machine.before("2.12") else "e1000"

    def _device(self, keys: Keys) -> None:
        driver = _driver(keys)
        if (virtio := VIRTIO_PCI.fullmatch(driver)) is not None and virtio[1] in VIRTIO_SECTIONS:
            self._virtio_pci(keys, virtio[1], virtio[2])
        elif (on_mmio := driver.removesuffix("-device")) in VIRTIO_SECTIONS and self.transports:
            idstr = f"virtio-mmio@{self.transports.pop(0):016x}/{VIRTIO_SECTIONS[on_mmio]}"
            self._virtio(idstr, keys, Transport(MMIO), [driver, "virtio-device"])
        elif driver in SECTIONS:
            self._plain(keys, driver)
        elif not is_elsewhere(driver):
            self._unknown(keys, driver)

    def _bus(self, keys: Keys) -> Bus | None:
        name = keys.get("bus")
        if name is None:
            return self.root
        return self.buses.get(name)

    def _place(self, keys: Keys, driver: str) -> tuple[str, Bus] | None:
        bus = self._bus(keys)
        if bus is None:
            self._doubt(f"-device {driver},bus={keys['bus']}: there is no PCI bus of this name on the line")
            return None
        return bus.place(keys.get("addr")), bus

    def _plain(self, keys: Keys, driver: str) -> None:
        placed = self._place(keys, driver)
        if placed is None:
            return
        path, bus = placed
        self.others += [f"{path}/{section}" for section in SECTIONS[driver]]
        name = keys.get("id")
        if driver in BRIDGES and name:
            self.buses[name] = bus.behind(path, BRIDGES[driver][1])
        elif driver in ("pxb", "pxb-pcie") and name:
            self._extra_root(keys, driver, name, path)

    def _extra_root(self, keys: Keys, driver: str, name: str, path: str) -> None:
        """A second root bus hangs below its own device; a pxb has a bridge there at once, by the same name."""
        number = number_of(keys, "bus_nr", 0, f"-device {driver}")
        root = self.root.behind(f"0000:{number:02x}{path[len(self.root.path) :]}", express=False)
        self.buses[name] = root
        if driver == "pxb":
            bridge = root.place("0")
            self.others.append(f"{bridge}/{BRIDGES['pci-bridge'][0]}")
            self.buses[name] = root.behind(bridge, express=False)

    def _virtio_pci(self, keys: Keys, base: str, flavour: str | None) -> None:
        driver = _driver(keys)
        placed = self._place(keys, driver)
        if placed is None:
            return
        path, bus = placed
        forced = {
            "transitional": {"disable-legacy": "off", "disable-modern": "off"},
            "non-transitional": {"disable-legacy": "on", "disable-modern": "off"},
        }.get(flavour or "", {})
        drivers = [driver, f"{base}-pci", f"{base}-pci-base", "virtio-pci", f"{base}-device", "virtio-device"]
        self._virtio(f"{path}/{VIRTIO_SECTIONS[base]}", keys | forced, Transport(express=bus.express), drivers)
        if base == "virtio-mem" and self.release.since("8.0") and not self.machine.before("8.0"):
            self.others.append(f"{path}/virtio-mem-device-early")

    def _virtio(self, idstr: str, keys: Keys, transport: Transport, drivers: list[str]) -> None:
        given = {item.property: item.value for item in self.line.globals if item.driver in drivers}
        given |= {key: value for key, value in keys.items() if key != "driver"}
        device = device_profile(
            idstr,
            self.machine,
            self.release,
            given,
            transport=transport,
            backend=self.line.netdevs.get(keys.get("netdev", "")),
            host=self.host,
            cpus=self.line.cpus,
            read_only=keys.get("drive", "") in self.line.read_only,
        )
        if "netdev" in keys and keys["netdev"] not in self.line.netdevs:
            word = f"netdev {keys['netdev']} is not on the line: taken to be none"
            device = replace(device, assumed=(*device.assumed, word))
        self.devices.append(device)

    def _unknown(self, keys: Keys, driver: str) -> None:
        """A driver that no table has takes a slot if it names one, and may take the next one if it does not."""
        self._doubt(f"-device {driver}: this driver is not known here; the addresses of devices after it may be wrong")
        bus = self._bus(keys)
        if "addr" in keys and bus is not None:
            bus.place(keys["addr"])

    def _mmio_transports(self) -> list[int]:
        if self.machine.board != "microvm":
            return []
        few = not self.release.since("6.0") or self.line.machine.get("ioapic2") == "off"
        return [_MMIO_BASE + _MMIO_STEP * number for number in reversed(range(8 if few else 24))]


def _driver(keys: Keys) -> str:
    return ALIASES.get(keys["driver"], keys["driver"])
