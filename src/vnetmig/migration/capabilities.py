"""Which migration capabilities a stream announces, and what a destination with other ones says.

Knows names, what needs what, and QEMU's messages (qemu: migration/savevm.c:configuration_validate_capabilities,
migration/options.c:migrate_caps_check). Must not know what a capability changes. Only validated capabilities are on the
wire; a subsection lists those that are on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from vnetmig.errors import MigrationError, StreamError
from vnetmig.stream.configuration import Capabilities, ConfigurationBody, Subsection, Uuid

IGNORE_SHARED: Final = "x-ignore-shared"
MAPPED_RAM: Final = "mapped-ram"
VIRTIO_ITERATIVE: Final = "virtio-iterative"

HANDOVER: Final = "x-vnetmig-handover-1"
DELTA: Final = "x-vnetmig-delta-1"
EARLY: Final = "x-vnetmig-early-1"
PREHEAT: Final = "x-vnetmig-preheat-1"
USED_QUEUES: Final = "x-vnetmig-used-queues-1"
"""Extensions of vnetmig; the number is the version of what they put on the wire (docs/protocol.md)."""

EXTENSIONS: Final = (HANDOVER, DELTA, EARLY, PREHEAT, USED_QUEUES)

VALIDATED: Final = (IGNORE_SHARED, "validate-uuid", MAPPED_RAM, VIRTIO_ITERATIVE, *EXTENSIONS)
"""In the order of QEMU's enum, which is the order on the wire (RFC patch 1 appends its own)."""

RETURN_PATH: Final = "return-path"
SWITCHOVER_ACK: Final = "switchover-ack"

KNOWN: Final = (*VALIDATED, RETURN_PATH, SWITCHOVER_ACK)

#                               needs
REQUIRES: Final[dict[str, tuple[str, ...]]] = {
    SWITCHOVER_ACK: (RETURN_PATH,),
    DELTA: (HANDOVER,),  # a base that the destination lost is sent again behind the end of the stream
    EARLY: (HANDOVER,),
}


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


def check_capabilities(received: Iterable[str], local: Iterable[str] | None) -> None:
    """Refuse a stream whose capabilities are not those of this side. StreamError with QEMU's words.

    ``local`` None: this side takes every capability that it knows.
    """
    received = tuple(received)
    for name in received:
        if name not in VALIDATED:
            raise StreamError(
                f"Received unknown capability {name}",
                section="configuration/capabilities",
                expected=" or ".join(VALIDATED),
                got=name,
                code="capability",
            )
    there, here = set(received), set(received if local is None else local)
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


class CapabilitySet:
    """The capabilities of one side, as QMP's query-migrate-capabilities and migrate-set-capabilities treat them.

    >>> here = CapabilitySet()
    >>> here.set({"virtio-iterative": True})
    >>> here.on
    ('virtio-iterative',)
    >>> here.set({"switchover-ack": True})
    Traceback (most recent call last):
    vnetmig.errors.MigrationError: Capability 'switchover-ack' requires capability 'return-path'
    """

    def __init__(self, on: Iterable[str] = ()) -> None:
        self._on: set[str] = set()
        self.active = False
        """A migration is running, which pins them."""
        self.set(dict.fromkeys(on, True))

    @property
    def on(self) -> tuple[str, ...]:
        """Those that are on, in the order of the enum."""
        return tuple(name for name in KNOWN if name in self._on)

    def query(self) -> dict[str, bool]:
        """Every capability and whether it is on."""
        return {name: name in self._on for name in KNOWN}

    def set(self, wanted: dict[str, bool]) -> None:
        """Turn some on or off, all of them or none. MigrationError, in QEMU's words, says why not."""
        if self.active and wanted:
            raise MigrationError("There's a migration process in progress")
        for name in wanted:
            if name not in KNOWN:
                raise MigrationError(
                    f"Parameter 'capability' does not accept value '{name}'\n  there is: {', '.join(KNOWN)}"
                )
        following = {name for name in KNOWN if wanted.get(name, name in self._on)}
        for name in KNOWN:
            missing = [other for other in REQUIRES.get(name, ()) if name in following and other not in following]
            if missing:
                raise MigrationError(f"Capability '{name}' requires capability '{missing[0]}'")
        self._on = following


def _on(on: bool) -> str:
    return "on" if on else "off"
