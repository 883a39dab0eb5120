"""What a check finds: one thing that a destination would say, do or get wrong.

Knows severities and verdicts; knows no stream and no rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How bad a finding is; the worst one makes the verdict."""

    INFO = 0  #: nothing to do; an assumption, a thing not checked
    WARNING = 1  #: loads and runs, but look at it
    REBOOT = 2  #: loads, but fails after the guest's next reboot
    BROKEN = 3  #: loads, and the device does not work or has lost something
    REFUSED = 4  #: the destination refuses the stream
    CRASH = 5  #: the destination's QEMU dies
    HANG = 6  #: the destination's QEMU does not come back


#   the worst severity   what becomes of the migration
VERDICTS = {
    Severity.INFO: "loads",
    Severity.WARNING: "loads",
    Severity.REBOOT: "loads, fails after the next guest reboot",
    Severity.BROKEN: "loads, device broken",
    Severity.REFUSED: "refused",
    Severity.CRASH: "QEMU would crash",
    Severity.HANG: "QEMU would hang",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``message`` is QEMU's own first line for that release, where it says anything."""

    rule: str  #: id, as in the catalogue
    severity: Severity
    message: str
    device: str | None = None  #: idstr
    field: str | None = None  #: path inside the device
    offset: int | None = None  #: absolute, of the field or of the fault
    chain: tuple[str, ...] = ()  #: the lines that QEMU prints after it
    hint: str | None = None  #: what to do
    follows: bool = False  #: QEMU stopped before: it never gets to say this one


class CheckResult(list[Finding]):
    """All findings of one stream against one destination, in the order the loader would meet them."""

    def __init__(
        self, findings: Iterable[Finding] = (), qemu: str = "", against: str = "", assumed: tuple[str, ...] = ()
    ) -> None:
        super().__init__(findings)
        self.qemu = qemu  #: the destination's release
        self.against = against  #: where the destination's profile comes from
        self.assumed = assumed  #: in words: what nobody said of the destination

    @property
    def worst(self) -> Severity:
        """Of what really happens: what stands behind a refusal is told, but never comes to pass."""
        return max((f.severity for f in self if not f.follows), default=Severity.INFO)

    @property
    def verdict(self) -> str:
        """One of ``VERDICTS``."""
        return VERDICTS[self.worst]

    @property
    def refusing(self) -> Finding | None:
        """What ends the load, if anything does."""
        return next((f for f in self if f.severity >= Severity.REFUSED and not f.follows), None)

    @property
    def loads(self) -> bool:
        return self.worst < Severity.REFUSED

    def __reduce__(self) -> tuple[object, ...]:
        return (CheckResult, (list(self), self.qemu, self.against, self.assumed))
