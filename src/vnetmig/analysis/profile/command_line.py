"""A QEMU command line taken apart: machine, devices, backends, drives, globals, memory.

Knows which option says what, and the order in which QEMU makes devices of them (qemu: system/vl.c). Knows no PCI
address and no feature.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from vnetmig.analysis.profile.net_backend import Backend
from vnetmig.analysis.profile.options import Option, keys_of, number_of, options, size_of
from vnetmig.errors import FieldError

Keys = dict[str, str]

QUEUES_MAX = 1024
CPUS_MAX = 1 << 16


@dataclass(frozen=True, slots=True)
class Global:
    """-global: a property's value for all devices of a driver."""

    driver: str
    property: str
    value: str


@dataclass(slots=True)
class CommandLine:
    """``devices``: the -device options as QEMU makes them, JSON ones last; ``nics``: those that the board makes."""

    program: str = ""
    machine: Keys = field(default_factory=dict)
    devices: list[Keys] = field(default_factory=list)
    nics: list[Keys] = field(default_factory=list)
    netdevs: dict[str, Backend] = field(default_factory=dict)
    drives: list[str] = field(default_factory=list)
    read_only: set[str] = field(default_factory=set)  #: drives and block nodes
    globals: list[Global] = field(default_factory=list)
    objects: dict[str, Keys] = field(default_factory=dict)
    memory: Keys = field(default_factory=dict)
    numa_memory: list[str] = field(default_factory=list)
    cpus: int = 1
    vga: str | None = None
    defaults: bool = True
    default_net: bool = True
    uuid: str | None = None
    elsewhere: list[str] = field(default_factory=list)  #: options that may bring devices and cannot be looked into


def take_apart(words: list[str]) -> CommandLine:
    """``words``: program and arguments, as ``command_words`` gives them."""
    line = CommandLine(program=words[0] if words else "")
    in_json: list[Keys] = []
    of_drives: list[Keys] = []
    for option in options(words[1:]):
        if option.name == "device":
            keys = keys_of(option, "driver")
            if "driver" not in keys:
                raise FieldError(f"-device {option.value}: expected a driver")
            (in_json if option.value.lstrip().startswith("{") else line.devices).append(keys)
        elif option.name == "drive":
            of_drives += _drive(line, option)
        else:
            _take(line, option)
    line.devices += of_drives + in_json  # qemu: system/vl.c:qemu_create_cli_devices; -drive adds its devices later
    return line


def _take(line: CommandLine, option: Option) -> None:
    name = option.name
    if name in ("M", "machine"):
        line.machine |= keys_of(option, "type")
    elif name == "netdev":
        line.default_net = False
        keys = keys_of(option, "type")
        line.netdevs[keys.get("id", "")] = backend_of(keys)
    elif name in ("nic", "net"):
        line.default_net = False
        _nic(line, option)
    elif name == "global":
        _global(line, option)
    elif name == "object":
        keys = keys_of(option, "qom-type")
        line.objects[keys.get("id", "")] = keys
    elif name == "blockdev":
        keys = keys_of(option)
        if keys.get("read-only") == "on":
            line.read_only.add(keys.get("node-name", ""))
    elif name == "numa":
        keys = keys_of(option, "type")
        if "memdev" in keys:
            line.numa_memory.append(keys["memdev"])
    elif name == "virtfs":
        line.devices.append({"driver": "virtio-9p-pci"})
    elif name == "m":
        line.memory = keys_of(option, "size")
    elif name == "smp":
        line.cpus = _cpus(keys_of(option, "cpus"))
    elif name == "vga":
        line.vga = option.value
    elif name == "nodefaults":
        line.defaults = False
    elif name == "usb":
        line.machine["usb"] = "on"
    elif name == "no-acpi":
        line.machine["acpi"] = "off"
    elif name == "uuid":
        line.uuid = option.value
    elif name in ("readconfig", "soundhw", "audio", "watchdog"):
        line.elsewhere.append(f"-{name} {option.value}")


def _drive(line: CommandLine, option: Option) -> Iterable[Keys]:
    keys = keys_of(option)
    identity = keys.get("id", f"#drive{len(line.drives)}")  # as of NICs: no id can begin so
    line.drives.append(identity)
    if "on" in (keys.get("readonly"), keys.get("read-only")):
        line.read_only.add(identity)
    if keys.get("if") == "virtio":
        yield {"driver": "virtio-blk-pci", "drive": identity}


def _nic(line: CommandLine, option: Option) -> None:
    keys = keys_of(option, "type")
    kind = keys.get("type", "")
    if option.name == "net":  # all of -net meet in a hub, which has no virtio-net header
        if kind == "nic":
            line.nics.append(keys | {"netdev": _named(line, Backend("hubport"))})
    elif kind != "none":
        line.nics.append(keys | {"netdev": _named(line, backend_of(keys))})


def _named(line: CommandLine, backend: Backend) -> str:
    name = f"#nic{len(line.netdevs)}"  # generated names cannot be given: an id begins with a letter
    line.netdevs[name] = backend
    return name


def backend_of(keys: Keys) -> Backend:
    """The backend that a -netdev or -nic line makes."""
    kind = keys.get("type", "none")
    if kind == "passt" and keys.get("vhost-user") == "on":
        kind = "vhost-user"
    fds = [keys[name].count(":") + 1 for name in ("fds", "vhostfds") if name in keys]
    pairs = max([number_of(keys, "queues", 1, f"-netdev {kind}"), *fds])
    if not 1 <= pairs <= QUEUES_MAX:
        raise FieldError(f"-netdev {kind}: {pairs} queues; expected 1 to {QUEUES_MAX}")
    vhost = keys["vhost"] == "on" if "vhost" in keys else ("vhostfd" in keys or keys.get("vhostforce") == "on")
    return Backend(kind, vhost and kind == "tap", pairs, False if keys.get("vnet_hdr") == "off" else None)


def _global(line: CommandLine, option: Option) -> None:
    found = re.fullmatch(r"([\w.-]+?)\.([\w-]+)=(.*)", option.value, re.DOTALL)
    if found is not None and not option.value.startswith("driver="):
        line.globals.append(Global(*found.groups()))
        return
    keys = keys_of(option)
    if not {"driver", "property", "value"} <= keys.keys():
        raise FieldError(f"-global {option.value}: expected DRIVER.PROPERTY=VALUE")
    line.globals.append(Global(keys["driver"], keys["property"], keys["value"]))


def _cpus(keys: Keys) -> int:
    """qemu: hw/core/machine-smp.c; without cpus= it is the product of what is given."""
    if "cpus" in keys:
        return min(max(1, number_of(keys, "cpus", 1, "-smp")), CPUS_MAX)
    product = 1
    for level in ("drawers", "books", "sockets", "dies", "clusters", "modules", "cores", "threads"):
        product *= max(1, number_of(keys, level, 1, "-smp"))
    return min(product, CPUS_MAX)


def ram_blocks(line: CommandLine, board: str) -> dict[str, int]:
    """RAM block of the main memory -> bytes, as far as the line says it."""
    backend = line.machine.get("memory-backend")
    names = [backend] if backend else line.numa_memory
    blocks = {}
    for name in names:
        size = size_of(line.objects.get(name, {}).get("size", ""))
        if size is not None:
            blocks[name] = size
    if not names:
        size = size_of(line.memory.get("size", "128M"), "m")
        block = {"i440fx": "pc.ram", "q35": "pc.ram", "microvm": "microvm.ram"}.get(board)
        if block is not None and size is not None:
            blocks[block] = size
    return blocks
