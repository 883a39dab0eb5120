"""Which migration capabilities a stream announces, and what a destination with other ones says.

Knows names and QEMU's messages (qemu: migration/savevm.c:configuration_validate_capabilities). Must not know what a
capability changes. Only validated capabilities are on the wire; a subsection lists those that are on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from vnetmig.errors import StreamError
from vnetmig.stream.configuration import Capabilities, ConfigurationBody, Subsection, Uuid

IGNORE_SHARED: Final = "x-ignore-shared"
MAPPED_RAM: Final = "mapped-ram"
VIRTIO_ITERATIVE: Final = "virtio-iterative"

VALIDATED: Final = (IGNORE_SHARED, "validate-uuid", MAPPED_RAM, VIRTIO_ITERATIVE)
"""In the order of QEMU's enum, which is the order on the wire (RFC patch 1 appends its own)."""


def with_capabilities(body: ConfigurationBody, *, on: Iterable[str] = (), off: Iterable[str] = ()) -> ConfigurationBody:
    """The same configuration with some capabilities turned on or off. No subsection is left when none is on."""
    off = tuple(off)
    names = [name for name in body.capabilities if name not in off]
    names += [name for name in on if name not in names]
    if tuple(names) == body.capabilities:
        return body
    names.sort(key=lambda name: VALIDATED.index(name) if name in VALIDATED else -1)
    others = [s for s in body.subsections if not isinstance(s, Capabilities)]
    if not names:
        return replace(body, subsections=tuple(others))
    # target-page-bits, capabilities, uuid: the order of vmstate_configuration's subsections.
    place = next((i for i, s in enumerate(others) if isinstance(s, Uuid)), len(others))
    listed: list[Subsection] = [*others[:place], Capabilities(tuple(names)), *others[place:]]
    return replace(body, subsections=tuple(listed))


def check_capabilities(received: Iterable[str], local: Iterable[str]) -> None:
    """Refuse a stream whose capabilities are not those of this side. StreamError with QEMU's words."""
    there, here = set(received), set(local)
    for name in received:
        if name not in VALIDATED:
            raise StreamError(
                f"Received unknown capability {name}",
                section="configuration/capabilities",
                expected=" or ".join(VALIDATED),
                got=name,
                code="capability",
            )
    wrong = [name for name in VALIDATED if (name in there) != (name in here)]
    if wrong:
        name = wrong[0]
        raise StreamError(
            f"Capability {name} is {_on(name in here)}, but received capability is {_on(name in there)}",
            section="configuration/capabilities",
            expected=", ".join(sorted(here)) or "none",
            got=", ".join(sorted(there)) or "none",
            hint="both ends need the same: migrate_set_capability on each of them",
            code="capability",
        )


def _on(on: bool) -> str:
    return "on" if on else "off"
