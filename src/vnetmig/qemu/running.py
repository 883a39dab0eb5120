"""The profile of a running QEMU, asked over QMP: properties as they are, features as the device itself says them.

Knows which commands of which release may be asked; leaves the machine as it was. What a NIC's backend is comes from
`info network`, which no QMP command says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from vnetmig.analysis.profile.device import device_profile
from vnetmig.analysis.profile.host_features import MMIO, PCI, Transport
from vnetmig.analysis.profile.machine_type import MachineType, machine_type
from vnetmig.analysis.profile.net_backend import Backend
from vnetmig.analysis.profile.profile import DeviceProfile, Profile
from vnetmig.analysis.profile.properties import KINDS, properties
from vnetmig.analysis.release import Release
from vnetmig.errors import FieldError, QemuError
from vnetmig.qemu.pci_tree import Found, pci_tree
from vnetmig.qemu.qmp_session import Asked
from vnetmig.virtio.features import bits_of

STATUS_SINCE: Final = Release(7, 2)
STATUS_UNTIL: Final = Release(10, 1)
"""x-query-virtio-status came with 7.2. It aborts QEMU 11.1.3, whatever the device: from 10.1 on nobody asks it."""

_NO_UUID: Final = "00000000-0000-0000-0000-000000000000"


def profile_of_running(qmp: Asked, origin: str) -> Profile:
    """What the QEMU at the other end is and offers."""
    version = qmp.execute("query-version")["qemu"]
    release = Release(version["major"], version["minor"], version["micro"])
    machine = machine_type(qmp.execute("qom-get", path="/machine", property="type").removesuffix("-machine"), release)
    tree = pci_tree(qmp)
    backends = _backends(_monitor(qmp, "info network"))
    read_only = _read_only(qmp)
    statuses = _statuses(qmp, release)
    words = list(tree.words)
    if not STATUS_SINCE <= release < STATUS_UNTIL:
        words.append(
            f"QEMU {release} is not asked for host features (x-query-virtio-status): they follow the properties"
        )
    devices = tuple(_device(qmp, item, machine, release, backends, read_only, statuses) for item in tree.virtio)
    return Profile(
        release,
        machine=machine.name,
        devices=devices,
        others=tuple(tree.others),
        complete=not tree.words,
        capabilities=_capabilities(qmp),
        ram=_ram(_monitor(qmp, "info ramblock")),
        uuid=_uuid(qmp),
        origin=origin,
        assumed=(*words, *machine.assumed),
    )


def _device(
    qmp: Asked,
    found: Found,
    machine: MachineType,
    release: Release,
    backends: Mapping[str, Backend],
    read_only: frozenset[str],
    statuses: Mapping[str, Mapping[str, Any]],
) -> DeviceProfile:
    kind = found.idstr.rpartition("/")[2]
    given = _properties(qmp, found, kind)
    device = device_profile(
        found.idstr,
        machine,
        release,
        given,
        transport=Transport(MMIO if found.mmio else PCI, found.express),
        backend=backends.get(given.get("netdev", "")),
        read_only=given.get("drive", "") in read_only,
    )
    status = statuses.get(found.backend)
    if status is None:
        return device
    bits = _bits(kind, status["host-features"])
    header, ufo = _says(bits, given, _HEADER), _says(bits, given, _UFO)
    return replace(
        device,
        host_features=bits,
        assumed_features=0,
        vhost="vhost-dev" in status,
        has_vnet_hdr=device.has_vnet_hdr if header is None else header,
        has_ufo=device.has_ufo if ufo is None else ufo,
        assumed=(),
    )


# properties whose bits are offered exactly when the backend can do it
_HEADER: Final = {"csum": "VIRTIO_NET_F_CSUM", "guest_csum": "VIRTIO_NET_F_GUEST_CSUM"}
_UFO: Final = {"host_ufo": "VIRTIO_NET_F_HOST_UFO", "guest_ufo": "VIRTIO_NET_F_GUEST_UFO"}


def _says(bits: int, given: Mapping[str, str], telling: Mapping[str, str]) -> bool | None:
    """Can the backend do it? None when the properties ask for none of the bits."""
    asked = [feature for name, feature in telling.items() if given.get(name) == "on"]
    return bool(bits & bits_of("virtio-net", asked)) if asked else None


def _properties(qmp: Asked, found: Found, kind: str) -> dict[str, str]:
    """Those properties that the rules know, and the names of what stands behind the device."""
    wanted = {*properties(kind), "mac", "netdev", "drive"} if kind in KINDS else set()
    there = {entry["name"] for entry in qmp.execute("qom-list", path=found.path)}
    given = {}
    for name in sorted(wanted & there):
        value = qmp.execute("qom-get", path=found.path, property=name)
        given[name] = ("on" if value else "off") if isinstance(value, bool) else str(value)
    if found.mmio:
        transport = qmp.execute("qom-get", path=found.path, property="parent_bus").rpartition("/")[0]
        legacy = qmp.execute("qom-get", path=transport, property="force-legacy")
        given["force-legacy"] = "on" if legacy else "off"
    return given


def _bits(kind: str, told: Mapping[str, Any]) -> int:
    named = bits_of(kind, [*told["transports"], *told.get("dev-features", [])])
    return named | int(told.get("unknown-dev-features", 0))


def _statuses(qmp: Asked, release: Release) -> dict[str, Mapping[str, Any]]:
    """x-query-virtio-status by path, of kinds that every release with the command can describe without aborting."""
    if not STATUS_SINCE <= release < STATUS_UNTIL:
        return {}
    found = {}
    for entry in qmp.execute("x-query-virtio"):
        if entry["name"].replace("virtio-serial", "virtio-console") in KINDS:
            found[entry["path"]] = qmp.execute("x-query-virtio-status", path=entry["path"])
    return found


def _monitor(qmp: Asked, command: str) -> str:
    return str(qmp.execute("human-monitor-command", **{"command-line": command}))


def _backends(text: str) -> dict[str, Backend]:
    """Netdevs by id, of `info network`: a line each queue, "n0: index=0,type=tap,..."."""
    found: dict[str, Backend] = {}
    for line in text.splitlines():
        told = re.match(r"[\s\\]*(.+?): index=\d+,type=([\w-]+)", line)
        if told is None or told[2] == "nic":
            continue
        before = found.get(told[1])
        found[told[1]] = Backend(told[2], pairs=1 if before is None else before.pairs + 1)
    return found


def _read_only(qmp: Asked) -> frozenset[str]:
    names: set[str] = set()
    for entry in qmp.execute("query-block"):
        inserted = entry.get("inserted") or {}
        if inserted.get("ro"):
            names |= {entry.get("device", ""), inserted.get("node-name", "")}
    return frozenset(names - {""})


def _capabilities(qmp: Asked) -> frozenset[str]:
    told = qmp.execute("query-migrate-capabilities")
    return frozenset(entry["capability"] for entry in told if entry["state"])


def _ram(text: str) -> dict[str, int]:
    """Blocks and the bytes of them in use, of `info ramblock`."""
    sizes = {}
    for line in text.splitlines():
        told = re.match(r"\s*(\S.*?)\s+\d+ [KMG]iB\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+0x[0-9a-f]+", line)
        if told is not None:
            sizes[told[1]] = int(told[2], 16)
    return sizes


def _uuid(qmp: Asked) -> str | None:
    uuid = str(qmp.execute("query-uuid")["UUID"])
    return None if uuid == _NO_UUID else uuid


def told_wrong(error: Exception) -> QemuError:
    """An answer that has not the form that QMP says."""
    if isinstance(error, FieldError | QemuError):
        return QemuError(str(error))
    return QemuError(f"an answer that QMP does not describe: {type(error).__name__}: {error}")
