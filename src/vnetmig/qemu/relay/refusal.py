"""Why a relay does not let a migration go on.

Knows reasons; knows neither sockets nor streams.
"""

from __future__ import annotations

from vnetmig.analysis.finding import CheckResult
from vnetmig.errors import MigrationError


class Refusal(MigrationError):
    """The relay itself ended the migration. ``result``: the check that said so, if one did."""

    def __init__(self, reason: str, result: CheckResult | None = None) -> None:
        super().__init__(reason)
        self.result = result
