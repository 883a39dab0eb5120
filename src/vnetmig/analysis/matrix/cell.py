"""What a matrix says of one pair: findings, those that only some guests meet, and a verdict of them all.

Knows how findings make a verdict; knows neither streams nor profiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

from vnetmig.analysis.finding import CheckResult, Finding, Severity


class Outcome(IntEnum):
    """What becomes of a migration, from good to bad."""

    WORKS = 0
    LOSES = 1  #: works, and something is lost or has to be looked at
    FAILS_BACK = 2  #: works, but not back again once the guest has rebooted
    BROKEN = 3  #: loads, and a device does not work
    UNLESS = 4  #: it depends on what the guest uses: refused for some guests
    REFUSED = 5
    CRASHES = 6  #: the destination's QEMU dies
    HANGS = 7  #: the destination's QEMU does not come back


#   outcome                symbol, in words
OUTCOMES: dict[Outcome, tuple[str, str]] = {
    Outcome.WORKS: ("✓", "works"),
    Outcome.LOSES: ("~", "works, with a loss"),
    Outcome.FAILS_BACK: ("↺", "works forward, fails back after a guest reboot"),
    Outcome.BROKEN: ("!", "loads, device broken"),
    Outcome.UNLESS: ("?", "works unless the guest uses what the destination does not take"),
    Outcome.REFUSED: ("✗", "refused"),
    Outcome.CRASHES: ("✗✗", "QEMU would crash"),
    Outcome.HANGS: ("✗✗", "QEMU would hang"),
}

_OUTCOME = {
    Severity.INFO: Outcome.WORKS,
    Severity.WARNING: Outcome.LOSES,
    Severity.REBOOT: Outcome.FAILS_BACK,
    Severity.BROKEN: Outcome.BROKEN,
    Severity.REFUSED: Outcome.REFUSED,
    Severity.CRASH: Outcome.CRASHES,
    Severity.HANG: Outcome.HANGS,
}

#   rule                  which guests meet it, where not all do
_WHICH_GUESTS = {
    "features-unsupported": "the guest negotiated {names}",
    "vlan-lost": "the guest filters VLANs",
    "vmstate-too-new": "the guest has receive-side scaling on",
    "subsection-unknown": "the guest negotiated features above bit 63",
    "queue-pairs": "the guest uses more queue pairs than the destination has",
    "queue-count": "the guest uses more queue pairs than the destination has",
}
_SOME_GUESTS = "the guest uses all that it is offered"


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, and which guests meet it: None is every one."""

    finding: Finding
    guests: str | None = None

    @property
    def outcome(self) -> Outcome:
        found = _OUTCOME[self.finding.severity]
        return Outcome.UNLESS if self.guests is not None and found >= Outcome.REFUSED else found


@dataclass(frozen=True, slots=True)
class Cell:
    """One pair. ``found``: what a check says, in load order, without what never comes to pass."""

    source: int  #: index of the row
    destination: int  #: index of the column
    machine: str | None  #: machine type of the destination
    found: tuple[Found, ...] = ()

    @property
    def outcome(self) -> Outcome:
        return max((one.outcome for one in self.found), default=Outcome.WORKS)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """All that it comes to, worst first; the rest behind a refusal is of no use to anybody."""
        worst = self.outcome
        if worst >= Outcome.REFUSED:
            return (worst,)
        return tuple(sorted({one.outcome for one in self.found} - {Outcome.WORKS}, reverse=True)) or (worst,)

    @property
    def worst(self) -> Found | None:
        """The first finding that the verdict comes from."""
        outcome = self.outcome
        return next((one for one in self.found if one.outcome == outcome > Outcome.WORKS), None)

    @property
    def verdict(self) -> str:
        """In words: `works unless the guest negotiated VIRTIO_NET_F_GUEST_USO4`."""
        worst = self.worst
        if worst is not None and self.outcome == Outcome.UNLESS:
            return f"works unless {worst.guests}"
        if worst is not None and self.outcome == Outcome.LOSES and worst.guests is not None:
            return f"works, with a loss if {worst.guests}"
        return OUTCOMES[self.outcome][1]

    @property
    def loads(self) -> bool:
        """Does it load, whatever the guest uses?"""
        return self.outcome < Outcome.UNLESS


def of_a_stream(result: CheckResult) -> tuple[Found, ...]:
    """The findings of one stream's check."""
    return tuple(Found(one) for one in result if not one.follows and one.severity > Severity.INFO)


def of_two_guests(most: CheckResult, least: CheckResult, missing: Mapping[str, str]) -> tuple[Found, ...]:
    """The findings of a guest that uses all that it is offered and of one that uses the least: what only the first
    meets is said with whom it concerns, all of it, as a guest may meet the second without the first.

    ``missing``: idstr -> names of the features that the device is not offered at the destination.
    """
    every = of_a_stream(least)
    if not least.loads:
        return every
    known = {(one.rule, one.device) for one in least}
    some = [
        Found(replace(one, follows=False), _which_guests(one, missing))
        for one in most
        if one.severity > Severity.INFO
        and (one.rule, one.device) not in known
        and (not one.follows or one.rule in _WHICH_GUESTS)
    ]
    return (*every, *some)


def _which_guests(one: Finding, missing: Mapping[str, str]) -> str:
    return _WHICH_GUESTS.get(one.rule, _SOME_GUESTS).format(names=missing.get(one.device or "") or "such a feature")
