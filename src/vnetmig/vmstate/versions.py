"""Whether a section's version is one that a description covers.

Knows QEMU's two refusals (qemu: migration/savevm.c:qemu_loadvm_section_start_full, vmstate.c:vmstate_load_state).
"""

from __future__ import annotations

from vnetmig.errors import StreamError
from vnetmig.vmstate.description import Vmsd


def check_version(vmsd: Vmsd, idstr: str, version: int) -> None:
    """StreamError when ``version`` of the section called ``idstr`` is newer or older than ``vmsd`` describes."""
    if version > vmsd.version:
        raise StreamError(
            f"savevm: unsupported version {version} for '{idstr}' v{vmsd.version}",
            expected=f"at most {vmsd.version}",
            got=version,
            code="version",
        )
    if version < vmsd.minimum_version:
        raise StreamError(
            f"{vmsd.name}: incoming version_id {version} is too old for local minimum version_id "
            f"{vmsd.minimum_version}",
            expected=f"at least {vmsd.minimum_version}",
            got=version,
            code="version",
        )
