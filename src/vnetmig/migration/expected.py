"""Which sections a destination expects: of devices that its machine has, in versions that it knows, as was announced.

Knows names, versions and QEMU's refusals (qemu: migration/savevm.c:qemu_loadvm_section_start_full); loads nothing.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from vnetmig.errors import StreamError
from vnetmig.migration import delta_handlers, preheat_handlers
from vnetmig.migration.capabilities import DELTA, EARLY, PREHEAT, VIRTIO_ITERATIVE
from vnetmig.migration.decoders import EARLY_SUFFIX
from vnetmig.migration.machine_control import IncomingMachine
from vnetmig.migration.registry import SaveStateEntry
from vnetmig.stream.iterative import IDSTR_SUFFIX
from vnetmig.stream.payload import SectionHeader
from vnetmig.virtio.section import device_of

_UNKNOWN = (
    "Unknown savevm section or instance '{idstr}' {instance_id}. Make sure that your current VM setup matches your "
    "saved VM setup, including any hotplugged devices"
)

#     the idstr ends with           the capability without which nobody expects it
NEEDS: Final = {
    IDSTR_SUFFIX: VIRTIO_ITERATIVE,
    EARLY_SUFFIX: EARLY,
    delta_handlers.IDSTR_SUFFIX: DELTA,
    preheat_handlers.SUFFIX: PREHEAT,
    preheat_handlers.DESCRIPTION: PREHEAT,
}


def unknown(header: SectionHeader) -> StreamError:
    """What QEMU says of a section that it has no device for."""
    needs = _needed(header.idstr)
    return StreamError(
        _UNKNOWN.format(idstr=header.idstr, instance_id=header.instance_id),
        section=header.idstr,
        expected=f"no such section: '{needs}' is off" if needs else "a device of this machine",
        got="one",
        code="section",
    )


def check_full(header: SectionHeader, machine: IncomingMachine, capabilities: Container[str]) -> None:
    """StreamError when nobody here expects this FULL section."""
    base = header.idstr.removesuffix(EARLY_SUFFIX)
    early = base != header.idstr and device_of(base) == "virtio-net"
    name = base if early else header.idstr
    if (early and EARLY not in capabilities) or not machine.knows(name, header.instance_id):
        raise unknown(header)


def check_staged(header: SectionHeader, machine: IncomingMachine, capabilities: Container[str]) -> None:
    """The same of a START that no handlers were registered for. RAM belongs to no device."""
    if header.idstr in ("ram", preheat_handlers.DESCRIPTION):
        known = True
    else:
        suffix = next((suffix for suffix in NEEDS if header.idstr.endswith(suffix)), "")
        known = machine.knows(header.idstr.removesuffix(suffix), header.instance_id)
    needed = _needed(header.idstr)
    if not known or (needed is not None and needed not in capabilities):
        raise unknown(header)


def check_registered(header: SectionHeader, entry: SaveStateEntry) -> None:
    """The same of a START that handlers were registered for."""
    if not entry.active:
        raise unknown(header)
    if header.version_id > entry.version_id:
        raise StreamError(
            f"savevm: unsupported version {header.version_id} for '{header.idstr}' v{entry.version_id}",
            section=header.idstr,
            expected=f"at most {entry.version_id}",
            got=header.version_id,
            code="version",
        )


def check_same(header: SectionHeader, entry: SaveStateEntry) -> None:
    """A START under a section id that is in use: only of the same device."""
    if (header.idstr, header.instance_id) != (entry.idstr, entry.instance_id):
        raise StreamError(
            f"Section id {header.section_id} is that of '{entry.idstr}' {entry.instance_id}",
            section=header.idstr,
            expected="an id of its own",
            got=header.section_id,
            code="section",
        )


def _needed(idstr: str) -> str | None:
    return next((needed for suffix, needed in NEEDS.items() if idstr.endswith(suffix)), None)
