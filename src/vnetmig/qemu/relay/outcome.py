"""What became of a relayed migration, and because of whom.

Values and words only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from vnetmig.analysis.finding import CheckResult
from vnetmig.errors import VnetmigError
from vnetmig.migration.account import EARLY, Account
from vnetmig.stream import framing

SOURCE: Final = "source"
DESTINATION: Final = "destination"
RELAY: Final = "relay"

HELD: Final = "asked to end when the guest could not have gone back any more: the migration goes on; again ends it"
STOPPED: Final = (
    "there is no return path: a source whose migration has completed stands still (postmigrate); cont in its monitor"
    " lets its guest go on, as the destination has never started"
)

_PACKAGED: Final = framing.COMMANDS[framing.PACKAGED].name


def no_way_back(account: Account) -> bool:
    """Would the end of a relay leave the guest nowhere, stopped, or at both sides? Behind a source that does not wait,
    behind a postcopy's package, and behind the end mark until the destination has said that it has taken over."""
    gone = account.complete or _PACKAGED in account.commands
    if account.peer.opened is None:
        gone = gone or account.phase not in EARLY
    return gone and account.peer.shut is None


def failed_there(account: Account) -> str:
    """What is known of a destination that has not agreed."""
    if account.peer.shut is not None:
        return f"the destination failed to load the migration (SHUT {account.peer.shut}); its log says why"
    return "the destination closed its connection without a word that it has taken over; its log says why"


@dataclass(slots=True)
class RelayedChannel:
    """One connection; sizes are bytes that went on. ``kind``: main, multifd or other (such as postcopy-preempt)."""

    kind: str = ""
    forward: int = 0
    back: int = 0


@dataclass(slots=True)
class Relayed:
    """``error`` None: everything the source sent has gone on, and the destination did not complain.

    ``side``: who ended a migration that failed: source, destination or relay. ``checked``: what the check found, if
    there was one. ``changed``: values that became others, in words. ``notes``: what is not as it was asked for,
    although the migration went on.
    """

    account: Account
    channels: list[RelayedChannel] = field(default_factory=list)
    error: VnetmigError | None = None
    side: str | None = None
    checked: CheckResult | None = None
    changed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def confirmed(self) -> bool:
        """The destination said on the return path that it has taken over."""
        return self.account.peer.shut == 0

    @property
    def verdict(self) -> str:
        """completed, refused (by the relay) or failed."""
        if self.error is None:
            return "completed"
        return "refused" if self.side == RELAY else "failed"
