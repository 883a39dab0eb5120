"""A QEMU's migration capabilities and parameters: set for one migration, and put back as they were.

Knows which of them change what comes through a channel; knows no migration.
"""

from __future__ import annotations

from typing import Any, Final

from vnetmig.errors import QemuError
from vnetmig.qemu.qmp_session import Asked

KEPT_CAPABILITIES: Final = frozenset({"events", "validate-uuid", "late-block-activate"})
"""Capabilities that may stay on: no byte before the last one, and no channel, depends on them."""

#                 parameter    what a plain stream through one channel takes
_PLAIN: Final = {"tls-creds": "", "mode": "normal"}


class MigrationSettings:
    """What is set now, read when this is made. ``apply`` what one migration takes, ``restore`` what there was."""

    def __init__(self, qmp: Asked) -> None:
        told = qmp.execute("query-migrate-capabilities")
        self.capabilities: dict[str, bool] = {entry["capability"]: bool(entry["state"]) for entry in told}
        self.parameters: dict[str, Any] = dict(qmp.execute("query-migrate-parameters"))
        self._changed_capabilities: dict[str, bool] = {}
        self._changed_parameters: dict[str, Any] = {}

    def apply(self, qmp: Asked, on: frozenset[str], parameters: dict[str, Any]) -> None:
        """Switch ``on`` these capabilities and off all others that change the stream; set ``parameters``."""
        missing = sorted(on - self.capabilities.keys())
        if missing:
            raise QemuError(f"this QEMU has no capability '{missing[0]}'")
        wanted = {name: name in on for name in self.capabilities if name in on or name not in KEPT_CAPABILITIES}
        differing = {name: state for name, state in wanted.items() if state != self.capabilities[name]}
        plain = {name: value for name, value in _PLAIN.items() if name in self.parameters}
        values = {name: value for name, value in {**plain, **parameters}.items() if self.parameters.get(name) != value}
        # Noted before it is tried: a command that was not answered may have been obeyed.
        self._changed_capabilities = {name: self.capabilities[name] for name in differing}
        self._changed_parameters = {name: self.parameters[name] for name in values if name in self.parameters}
        _set(qmp, differing, values)

    def restore(self, qmp: Asked) -> None:
        """Only what ``apply`` has changed. QemuError when QEMU does not take it (while a migration is active)."""
        _set(qmp, self._changed_capabilities, self._changed_parameters)
        self._changed_capabilities = {}
        self._changed_parameters = {}

    def owed(self) -> str:
        """What is not as it was, in words; empty when all is."""
        states = [f"{name} {'on' if state else 'off'}" for name, state in self._changed_capabilities.items()]
        return ", ".join([*states, *(f"{name} {value}" for name, value in self._changed_parameters.items())])


def _set(qmp: Asked, capabilities: dict[str, bool], parameters: dict[str, Any]) -> None:
    if parameters:
        qmp.execute("migrate-set-parameters", **parameters)
    if capabilities:
        qmp.execute(
            "migrate-set-capabilities",
            capabilities=[{"capability": name, "state": state} for name, state in capabilities.items()],
        )
