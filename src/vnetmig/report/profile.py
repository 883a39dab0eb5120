"""A destination's profile for people and for programs.

Knows the profile's fields; makes no profile.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.analysis.profile.profile import DeviceProfile, Profile
from vnetmig.report.blocks import Block, Facts, Note, Table, columns, listed
from vnetmig.report.json import Json
from vnetmig.virtio.features import names

UNKNOWN = "not known"


def profile_blocks(profile: Profile) -> Iterator[Block]:
    """Facts, a table of the devices, the host, and everything that is assumed."""
    facts = [
        ("origin", profile.origin),
        ("QEMU", str(profile.qemu)),
        ("machine", profile.machine or UNKNOWN),
        ("other devices", listed(profile.others) or "none"),
        ("complete", "yes" if profile.complete else "no: there may be more PCI devices"),
        ("capabilities", _capabilities(profile)),
    ]
    if profile.uuid:
        facts.append(("uuid", profile.uuid))
    if profile.ram:
        facts.append(("RAM", listed([f"{name} {size:#x}" for name, size in sorted(profile.ram.items())])))
    yield Facts("", facts)
    if profile.devices:
        yield _devices(profile)
    if profile.host is not None:
        yield _host(profile)
    words = list(_assumptions(profile))
    if words:
        yield Note("")
        yield Note("Assumed:")
        yield from (Note(f"  {word}") for word in words)


def _capabilities(profile: Profile) -> str:
    if profile.capabilities is None:
        return "as the stream's"
    return ", ".join(sorted(profile.capabilities)) or "none"


def _devices(profile: Profile) -> Table:
    table = Table("", columns("device", "backend", ">pairs", "queues", ">vectors", ">config", "host features"))
    for device in profile.devices:
        table.rows.append(
            (
                device.idstr,
                _backend(device),
                _or_dash(device.queue_pairs),
                _queues(device),
                _or_dash(device.vectors),
                _or_dash(device.config_len),
                UNKNOWN if device.host_features is None else f"{device.host_features:#x}",
            )
        )
    return table


def _backend(device: DeviceProfile) -> str:
    return (device.backend or "-") + (" (vhost)" if device.vhost else "")


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)


def _queues(device: DeviceProfile) -> str:
    """64 queues are seldom of 64 sizes."""
    if device.queue_sizes is None:
        return "-"
    runs: list[tuple[int, int]] = []
    for size in device.queue_sizes:
        if runs and runs[-1][0] == size:
            runs[-1] = size, runs[-1][1] + 1
        else:
            runs.append((size, 1))
    return " ".join(str(size) if count == 1 else f"{count}x{size}" for size, count in runs)


def _host(profile: Profile) -> Facts:
    host = profile.host
    assert host is not None
    word = {True: "yes", False: "no", None: UNKNOWN}
    vhost = UNKNOWN if host.vhost_features is None else f"{host.vhost_features:#x}"
    return Facts(
        f"Host: Linux {host.kernel}",
        [
            ("tap with header", word[host.vnet_hdr]),
            ("tap with queues", word[host.multi_queue]),
            ("UFO", word[host.ufo]),
            ("USO", word[host.uso]),
            ("UDP tunnel GSO", word[host.tunnel]),
            ("with checksum", word[host.tunnel_csum]),
            ("vhost-net", vhost),
        ],
    )


def _assumptions(profile: Profile) -> Iterator[str]:
    yield from profile.assumed
    if profile.host is not None:
        yield from profile.host.assumed
    for device in profile.devices:
        yield from (f"{device.idstr}: {word}" for word in device.assumed)
        if device.assumed_features:
            listed_names = listed(names(device.kind, device.assumed_features))
            yield f"{device.idstr}: offered, as nothing says otherwise: {listed_names}"


def profile_json(profile: Profile) -> dict[str, Json]:
    """The profile's fields; features as hexadecimal and by name."""
    host = profile.host
    return {
        "origin": profile.origin,
        "qemu": str(profile.qemu),
        "machine": profile.machine,
        "complete": profile.complete,
        "devices": [_device_json(device) for device in profile.devices],
        "others": list(profile.others),
        "capabilities": None if profile.capabilities is None else [*sorted(profile.capabilities)],
        "ram": dict(profile.ram),
        "uuid": profile.uuid,
        "host": None
        if host is None
        else {
            "kernel": host.kernel,
            "vnet_hdr": host.vnet_hdr,
            "multi_queue": host.multi_queue,
            "ufo": host.ufo,
            "uso": host.uso,
            "tunnel": host.tunnel,
            "tunnel_csum": host.tunnel_csum,
            "vhost_features": _hex(host.vhost_features),
            "assumed": list(host.assumed),
        },
        "assumed": list(profile.assumed),
    }


def _hex(bits: int | None) -> str | None:
    return None if bits is None else f"{bits:#x}"


def _device_json(device: DeviceProfile) -> dict[str, Json]:
    return {
        "idstr": device.idstr,
        "kind": device.kind,
        "host_features": _hex(device.host_features),
        "host_feature_names": list(names(device.kind, device.host_features or 0)),
        "assumed_features": _hex(device.assumed_features),
        "backend": device.backend,
        "vhost": device.vhost,
        "queue_pairs": device.queue_pairs,
        "queue_sizes": None if device.queue_sizes is None else list(device.queue_sizes),
        "vectors": device.vectors,
        "config_size": device.config_size,
        "config_len": device.config_len,
        "has_vnet_hdr": device.has_vnet_hdr,
        "has_ufo": device.has_ufo,
        "mac": device.mac,
        "pci_ids": None if device.pci_ids is None else list(device.pci_ids),
        "properties": dict(device.properties),
        "assumed": list(device.assumed),
    }
