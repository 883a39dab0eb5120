"""Why a relay does not let a migration go on.

Knows reasons; knows neither sockets nor streams.
"""

from __future__ import annotations

from vnetmig.analysis.finding import CheckResult
from vnetmig.errors import MigrationError, VnetmigError


class Refusal(MigrationError):
    """The relay itself ended the migration. ``result``: the check that said so, if one did."""

    def __init__(self, reason: str, result: CheckResult | None = None) -> None:
        super().__init__(reason)
        self.result = result


class Ended(Exception):
    """The migration cannot go on: because of whom (source, destination or relay), and why."""

    def __init__(self, side: str, error: VnetmigError) -> None:
        super().__init__(side, error)
        self.side = side
        self.error = error
