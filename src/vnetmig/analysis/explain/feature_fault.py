"""The features that a guest has and a destination does not offer: bit by bit, and how to get over it.

Knows sets of bits and the tables of features; knows no line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vnetmig.analysis.explain.feature_origin import KERNEL_USO, Origin, origin
from vnetmig.virtio.features import DEVICES, Feature, features, features_in

UNKNOWN_DEVICE = "virtio-net"
"""Whose features they are taken for when no line names the device."""


@dataclass(frozen=True, slots=True)
class FeatureNote:
    """A feature and all there is to say about it."""

    feature: Feature
    origin: Origin

    @property
    def at_destination(self) -> str:
        """What makes the destination offer it."""
        setting = self.feature.setting(True) or "no property"
        return f"{setting}; Linux {self.origin.kernel}" if self.origin.kernel else setting

    @property
    def at_source(self) -> str:
        """What keeps guests from taking it."""
        return self.feature.setting(False) or "no property"


@dataclass(frozen=True, slots=True)
class FeatureFault:
    """What is missing, of which device; ``spare`` is offered and not used, which is no fault."""

    device: str  #: "virtio-net"
    assumed: bool  #: no line said which device it was
    guest: int
    host: int
    missing: tuple[FeatureNote, ...]
    spare: tuple[str, ...]  #: without those of legacy devices, which no driver of today takes

    @property
    def hints(self) -> tuple[str, ...]:
        """What the missing bits, taken together, point to."""
        return tuple(_hints(self))

    @property
    def fixes(self) -> tuple[str, ...]:
        """Settings to write down, destination first."""
        return tuple(_fixes(self))


def feature_fault(guest: int, host: int, device: str | None) -> FeatureFault:
    """What ``guest`` has that ``host`` does not offer.

    >>> fault = feature_fault(0x1C0010130AFFFAF, 0x10179BFFFEF, "virtio-net")
    >>> [note.feature.bit for note in fault.missing]
    [54, 55, 56]
    """
    known = device or UNKNOWN_DEVICE
    missing = features_in(known, guest & ~host)
    return FeatureFault(
        device=known,
        assumed=device is None,
        guest=guest,
        host=host,
        missing=tuple(note(known, feature) for feature in missing),
        spare=tuple(f.name for f in features_in(known, host & ~guest) if not f.meaning.startswith("legacy")),
    )


def note(device: str, feature: Feature) -> FeatureNote:
    return FeatureNote(feature, origin(device, feature.bit))


def feature_notes(device: str, text: str) -> tuple[FeatureNote, ...]:
    """What ``text`` means: a name (whole, or its end, or the property behind it), or a number with bits; none: nothing.

    >>> [entry.feature.name for entry in feature_notes("virtio-net", "host_uso")]
    ['VIRTIO_NET_F_HOST_USO']
    """
    if text.lower().startswith("0x"):
        try:
            bits = int(text, 16)
        except ValueError:
            return ()
        return tuple(note(device, feature) for feature in features_in(device, bits & ((1 << 128) - 1)))
    wanted = text.upper()
    return tuple(note(device, feature) for feature in features(device) if _is_called(feature, wanted, text))


def _is_called(feature: Feature, upper: str, text: str) -> bool:
    return feature.name == upper or feature.name.endswith("_F_" + upper) or feature.property == text


def feature_kinds() -> Iterable[str]:
    """The devices that have a table."""
    return DEVICES


_OFFLOADS = frozenset({0, 1, 7, 8, 11, 12})


def _hints(fault: FeatureFault) -> Iterable[str]:
    bits = {entry.feature.bit for entry in fault.missing}
    if fault.device == "virtio-net":
        if _OFFLOADS & bits and not fault.host & sum(1 << bit for bit in _OFFLOADS):
            yield (
                "all offloads are missing: the destination's backend has no virtio header (user-mode networking, or "
                "a tap with vnet_hdr=off)"
            )
        if bits and bits <= {54, 55, 56}:
            yield (
                f"only USO is missing: look at the destination host's kernel first (Linux {KERNEL_USO} or later "
                "has it), then at the machine type (up to 8.1 has it off)"
            )
        if 40 in bits and bits & {54, 55, 56}:
            yield (
                "RING_RESET and USO are missing together: the destination's QEMU is older than 7.2, or its machine "
                "type or vhost is, while the source's is 8.2 or later"
            )
        if 22 in bits:
            yield "MQ is missing: the destination's backend has one queue"
    if not fault.missing:
        yield (
            "the two numbers do not tell what is missing: QEMU 10.2 and later take the missing bits out of the first "
            "number before they print it (seen in 11.1.3)"
        )
        yield (
            "ask the guest (Linux: /sys/bus/virtio/devices/virtio*/features, one digit for each bit) or the stream "
            "(`vnetmig inspect STREAM virtio-net`); what the second number lacks of these is missing"
        )
    if any(entry.feature.name.startswith("bit ") for entry in fault.missing):
        yield "a bit that no table has points to bytes out of step or a damaged stream, not to a setting"


def _fixes(fault: FeatureFault) -> Iterable[str]:
    settable = [entry for entry in fault.missing if entry.feature.property is not None]
    if not settable:
        return
    kind = f"{fault.device}-pci"
    on = ",".join(dict.fromkeys(entry.feature.setting(True) or "" for entry in settable))
    off = ",".join(dict.fromkeys(entry.feature.setting(False) or "" for entry in settable))
    needs = "; ".join(dict.fromkeys(entry.origin.needs for entry in settable))
    kernels = [entry.origin.kernel for entry in settable if entry.origin.kernel is not None]
    newest = max(kernels, key=lambda kernel: tuple(map(int, kernel.split("."))), default=None)
    yield f"destination: -device {kind},...,{on}" + f" (needs {needs}" + (f", Linux {newest})" if newest else ")")
    yield f"every host, until all can: start guests with -device {kind},...,{off}"
    yield (
        "libvirt, the same: <qemu:override><qemu:device alias='net0'><qemu:frontend><qemu:property name='"
        f"{settable[0].feature.property}' type='bool' value='false'/>..."
        if fault.device == "virtio-net"
        else "libvirt: the same with <qemu:override>"
    )
    yield "guests that run now: reboot them (or unplug and plug the device) once that is set; then they can move"
