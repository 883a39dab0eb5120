"""Settings are put back as they were: those that were changed, once, and as long as there is somebody to tell."""

from __future__ import annotations

from typing import Any

import pytest

from vnetmig.errors import QemuError
from vnetmig.qemu.migration_settings import MigrationSettings


class FakeQemu:
    """Answers the four commands. ``lost``: from now on nobody does."""

    def __init__(self) -> None:
        self.capabilities = {"xbzrle": False, "multifd": True, "events": True, "return-path": False}
        self.parameters: dict[str, Any] = {"max-bandwidth": 7, "downtime-limit": 300, "tls-creds": "tls0"}
        self.commands: list[str] = []
        self.lost = False

    def execute(self, command: str, **arguments: Any) -> Any:
        if self.lost:
            raise QemuError("nobody answers")
        if command == "query-migrate-capabilities":
            return [{"capability": name, "state": state} for name, state in self.capabilities.items()]
        if command == "query-migrate-parameters":
            return dict(self.parameters)
        self.commands.append(command)
        if command == "migrate-set-parameters":
            self.parameters |= arguments
        else:
            assert command == "migrate-set-capabilities"
            self.capabilities |= {entry["capability"]: entry["state"] for entry in arguments["capabilities"]}
        return {}


def test_there_and_back() -> None:
    qemu = FakeQemu()
    settings = MigrationSettings(qemu)
    before = dict(qemu.capabilities), dict(qemu.parameters)
    settings.apply(qemu, frozenset({"return-path"}), {"max-bandwidth": 1000})
    assert qemu.capabilities == {"xbzrle": False, "multifd": False, "events": True, "return-path": True}
    assert qemu.parameters == {"max-bandwidth": 1000, "downtime-limit": 300, "tls-creds": ""}
    assert settings.owed() == "multifd on, return-path off, tls-creds tls0, max-bandwidth 7"
    settings.restore(qemu)
    assert (qemu.capabilities, qemu.parameters) == before
    assert settings.owed() == ""
    done = len(qemu.commands)
    settings.restore(qemu)
    assert len(qemu.commands) == done


def test_what_is_as_it_should_be_is_not_set() -> None:
    qemu = FakeQemu()
    qemu.capabilities |= {"multifd": False, "return-path": True}
    qemu.parameters["tls-creds"] = ""
    settings = MigrationSettings(qemu)
    settings.apply(qemu, frozenset({"return-path"}), {"max-bandwidth": 7})
    settings.restore(qemu)
    assert qemu.commands == []


def test_a_capability_that_there_is_not() -> None:
    qemu = FakeQemu()
    settings = MigrationSettings(qemu)
    with pytest.raises(QemuError, match="no capability 'x-ignore-shared'"):
        settings.apply(qemu, frozenset({"x-ignore-shared"}), {})
    assert qemu.commands == []


@pytest.mark.parametrize("after", [0, 1])
def test_lost_on_the_way(after: int) -> None:
    """What was not answered may have been obeyed: it is owed."""
    qemu = FakeQemu()
    settings = MigrationSettings(qemu)
    obey = qemu.execute

    def lose(command: str, **arguments: Any) -> Any:
        if len(qemu.commands) >= after:
            qemu.lost = True
        return obey(command, **arguments)

    qemu.execute = lose  # type: ignore[method-assign]
    with pytest.raises(QemuError, match="nobody answers"):
        settings.apply(qemu, frozenset({"return-path"}), {"max-bandwidth": 1000})
    assert "return-path off" in settings.owed()
    qemu.execute = obey  # type: ignore[method-assign]
    with pytest.raises(QemuError, match="nobody answers"):
        settings.restore(qemu)
    assert "return-path off" in settings.owed()
    qemu.lost = False
    settings.restore(qemu)
    assert settings.owed() == ""
    assert qemu.capabilities["return-path"] is False
