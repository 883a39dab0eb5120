"""Verbs around a running QEMU, with what they come to given: what they print. QEMUs themselves are in tests/qemu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from account_of_sample import watched
from command_line import run, run_json

from vnetmig.analysis.profile.from_stream import OfStream
from vnetmig.cli import relay
from vnetmig.migration.account import Account, PeerSaid, Phase
from vnetmig.qemu.capture import Captured
from vnetmig.qemu.experiment.run import Experiment
from vnetmig.qemu.relay.outcome import Relayed
from vnetmig.qemu.serve import Served


def test_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Captured("vm.qemu", 900, "whole", 0, 0.01, 1.5, "running", "running", watched())
    monkeypatch.setattr("vnetmig.qemu.capture.capture", lambda *given, **options: made)
    assert "vm.qemu: 900 bytes" in run("capture", "--qmp", "/run/vm.qmp", "-o", "vm.qemu").stdout
    assert run_json("capture", "--qmp", "/run/vm.qmp", "-o", "vm.qemu")["blackout_seconds"] == 0.01


def test_serve_hints_once_at_a_source_that_may_wait_for_an_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Account(phases=[(Phase.ROUNDS, -(1 << 62), 0)], peer=PeerSaid(opened=1))

    def serve(*given: object, progress: Any, **options: object) -> Served:
        progress(waiting)
        progress(waiting)
        return Served("vm.qemu", 900, (), 0, True, False, 2.0, watched())

    monkeypatch.setattr("vnetmig.qemu.serve.serve", serve)
    args = ("serve", "--listen", "unix:/run/there", "-o", "vm.qemu")
    result = run(*args)
    assert result.stderr.count("give --switchover-ack") == 1 and "vm.qemu: 900 bytes" in result.stdout
    assert run_json(*args)["bytes"] == 900


def test_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vnetmig.qemu.relay.relay.relay", lambda *given, **options: Relayed(watched()))
    args = ("relay", "--listen", "unix:/run/a", "--connect", "unix:/run/b")
    assert run(*args).stdout.startswith("completed\n")
    assert len(run(*args, "--timeline").stdout) > len(run(*args).stdout)


def test_the_release_of_a_relays_destination_on_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vnetmig.qemu.host.installed_release", lambda: ("10.0.2", "qemu-system-x86_64"))
    found, release = relay._destination("host", None)
    assert isinstance(found, OfStream) and release == "10.0.2"
    assert relay._destination("host", "7.2")[1] == "7.2"


def test_experiment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def experiment(plan: Any, folder: str, progress: Any) -> Experiment:
        progress({})
        return Experiment(plan, [{"on": True, "downtime_ms": 7}], 1)

    monkeypatch.setattr("vnetmig.qemu.experiment.run.experiment", experiment)
    args = ("experiment", "-o", tmp_path, "--b", "parameter.max-bandwidth=100000000")
    result = run(*args)
    assert "A: (as --set)" in result.stdout and "1 of the migrations were there already" in result.stdout
    assert f"vnetmig downtime --runs {tmp_path}" in " ".join(result.stderr.split())
    made = run_json(*args)
    assert made["runs"] == [{"on": True, "downtime_ms": 7}] and made["resumed"] == 1
