"""Profiles as TOML files: written for people to read and correct, read back strictly.

Knows the file's keys as tables; they are the fields of ``Profile``, ``DeviceProfile`` and ``Host``. A key that is left
out is one that is not known. Opens no file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from vnetmig.analysis.profile.net_backend import Host
from vnetmig.analysis.profile.profile import DeviceProfile, Profile
from vnetmig.analysis.profile.toml_values import (
    FLAG,
    NAMES,
    NUMBERS,
    RELEASE,
    SIZES,
    TEXT,
    TEXTS,
    Value,
    key_text,
    number,
)
from vnetmig.errors import FieldError
from vnetmig.virtio.features import bits_of, names

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SIZE_MAX: Final = 8 << 20
DEVICES_MAX: Final = 4096
FEATURE_BITS: Final = 128

HEAD: Final = """\
# A destination of migrations, as vnetmig check, diff and matrix take it.
# A key that is not there is not known: then the stream's word is taken for it.
"""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table: the field's name, how it is read and written, what people should know."""

    name: str
    value: Value
    comment: str = ""


_PROFILE: Final = (
    Key("origin", TEXT),
    Key("qemu", RELEASE),
    Key("machine", TEXT),
    Key("complete", FLAG, "all PCI devices of the machine are in device and others"),
    Key("others", TEXTS, "sections of devices that are not virtio"),
    Key("capabilities", NAMES, "migration capabilities that are on"),
    Key("uuid", TEXT),
    Key("assumed", TEXTS),
)

_HOST: Final = (
    Key("kernel", TEXT),
    Key("vnet_hdr", FLAG, "what a tap of this kernel can"),
    Key("multi_queue", FLAG),
    Key("ufo", FLAG),
    Key("uso", FLAG),
    Key("tunnel", FLAG),
    Key("tunnel_csum", FLAG),
    Key("vhost_features", number(0, (1 << FEATURE_BITS) - 1, base=16), "of /dev/vhost-net"),
    Key("assumed", TEXTS),
)

# host_features and assumed_features are lists of names: which ones there are follows from kind
_FEATURES: Final = ("host_features", "assumed_features")
_DEVICE: Final = (
    Key("idstr", TEXT),
    Key("kind", TEXT),
    Key("backend", TEXT),
    Key("vhost", FLAG),
    Key("queue_pairs", number(1, 1 << 16)),
    Key("queue_sizes", NUMBERS, "of each virtqueue as the device makes it"),
    Key("vectors", number(0, 2048), "MSI-X"),
    Key("config_size", number(0, 1 << 16), "PCI config space"),
    Key("config_len", number(0, 1 << 16), "virtio device configuration"),
    Key("has_vnet_hdr", FLAG),
    Key("has_ufo", FLAG),
    Key("mac", TEXT),
    Key("pci_ids", NUMBERS, "device id, revision, subsystem id"),
    Key("assumed", TEXTS),
)


def to_toml(profile: Profile) -> str:
    """The file's text; the same profile always gives the same text."""
    lines = [HEAD]
    lines += _lines(_PROFILE, profile)
    if profile.ram:
        lines += ["", "[ram]  # bytes of each block", *(f"{key_text(k)} = {v}" for k, v in sorted(profile.ram.items()))]
    if profile.host is not None:
        lines += ["", "[host]", *_lines(_HOST, profile.host)]
    for device in profile.devices:
        lines += ["", "[[device]]", *_lines(_DEVICE[:2], device), *_feature_lines(device), *_lines(_DEVICE[2:], device)]
        if device.properties:
            pairs = sorted(device.properties.items())
            lines += ["[device.properties]", *(f"{key_text(k)} = {TEXT.write(v)}" for k, v in pairs)]
    return "\n".join(lines) + "\n"


def _lines(keys: tuple[Key, ...], owner: object) -> list[str]:
    lines = []
    for key in keys:
        value = getattr(owner, key.name)
        if value is None or (value == () and key.value is TEXTS):
            continue
        lines.append(f"{key.name} = {_commented(key.value.write(value), key.comment)}")
    return lines


def _commented(text: str, comment: str) -> str:
    """The comment stands in the first line: behind it are a list's others."""
    first, newline, rest = text.partition("\n")
    return f"{first}  # {comment}{newline}{rest}" if comment else text


def _feature_lines(device: DeviceProfile) -> list[str]:
    if device.host_features is None:
        return []
    listed = TEXTS.write(names(device.kind, device.host_features))
    lines = [f"host_features = {_commented(listed, f'{device.host_features:#x}')}"]
    if device.assumed_features:
        listed = TEXTS.write(names(device.kind, device.assumed_features))
        lines.append(f"assumed_features = {_commented(listed, 'those of them that nothing proves')}")
    return lines


def from_toml(data: bytes, where: str) -> Profile:
    """The profile in ``data``; ``where`` names the file in errors. Anything that it does not know is a FieldError."""
    if len(data) > SIZE_MAX:
        raise FieldError(f"{where}: {len(data)} bytes; a profile has {SIZE_MAX} at most")
    try:
        root = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise FieldError(f"{where}: expected TOML: {error}") from error
    fields = _Table(root, where, "").read(_PROFILE, {"ram", "host", "device"})
    devices = root.get("device", [])
    if not isinstance(devices, list) or len(devices) > DEVICES_MAX:
        raise FieldError(f"{where}: device: expected at most {DEVICES_MAX} tables [[device]]")
    if "qemu" not in fields:
        raise FieldError(f'{where}: qemu: expected a QEMU version such as "7.2", and it is not there')
    made = tuple(_device(table, where, f"device[{index}].") for index, table in enumerate(devices))
    _no_twins(made, where)
    host = root.get("host")
    return Profile(
        **fields,
        devices=made,
        ram=SIZES.read(root.get("ram", {}), f"{where}: ram"),
        host=None if host is None else Host(**_Table(host, where, "host.").read(_HOST, set())),
    )


def _no_twins(devices: tuple[DeviceProfile, ...], where: str) -> None:
    seen = set()
    for device in devices:
        if device.idstr in seen:
            raise FieldError(f"{where}: device: '{device.idstr}' is there twice")
        seen.add(device.idstr)


class _Table:
    """A table of the file, being read."""

    def __init__(self, table: Any, where: str, path: str) -> None:
        if not isinstance(table, Mapping):
            raise FieldError(f"{where}: {path.rstrip('.')}: expected a table, got {type(table).__name__}")
        self.table = table
        self.where = where
        self.path = path

    def read(self, keys: tuple[Key, ...], others: set[str]) -> dict[str, Any]:
        """The values of ``keys``; ``others`` are keys that somebody else reads."""
        known = {key.name: key for key in keys}
        for name in self.table:
            if name not in known and name not in others:
                listed = ", ".join(sorted({*known, *others}))
                raise FieldError(f"{self.where}: unknown key {self.path}{name}; there is: {listed}")
        return {
            name: key.value.read(self.table[name], f"{self.where}: {self.path}{name}")
            for name, key in known.items()
            if name in self.table
        }


def _device(table: Any, where: str, path: str) -> DeviceProfile:
    read = _Table(table, where, path)
    fields = read.read(_DEVICE, {*_FEATURES, "properties"})
    if "idstr" not in fields:
        raise FieldError(f'{where}: {path}idstr: expected a section\'s name such as "0000:00:03.0/virtio-net"')
    kind = fields.setdefault("kind", fields["idstr"].rpartition("/")[2])
    for name in _FEATURES:
        if name in read.table:
            fields[name] = _features(kind, read.table[name], f"{where}: {path}{name}")
    assumed, offered = fields.get("assumed_features", 0), fields.get("host_features", 0)
    if assumed & ~offered:
        wrong = ", ".join(names(kind, assumed & ~offered))
        raise FieldError(f"{where}: {path}assumed_features: not among host_features: {wrong}")
    if "pci_ids" in fields and len(fields["pci_ids"]) != 3:
        raise FieldError(f"{where}: {path}pci_ids: expected three numbers")
    given = read.table.get("properties", {})
    if not isinstance(given, Mapping) or not all(isinstance(value, str) for value in given.values()):
        raise FieldError(f"{where}: {path}properties: expected a table of strings")
    return DeviceProfile(**fields, properties=dict(given))


def _features(kind: str, value: Any, where: str) -> int:
    """A list of names, or a number: 0x10179bf8064 without quotes."""
    if isinstance(value, list):
        bits = _named(lambda: bits_of(kind, TEXTS.read(value, where)), where)
    else:
        bits = number(0, (1 << FEATURE_BITS) - 1).read(value, where)
    if bits >> FEATURE_BITS:
        raise FieldError(f"{where}: a feature's bit is 0 to {FEATURE_BITS - 1}")
    return bits


_T = TypeVar("_T")


def _named(read: Callable[[], _T], where: str) -> _T:
    try:
        return read()
    except FieldError as error:
        text = str(error)
        raise FieldError(text if text.startswith(where) else f"{where}: {text}") from error
