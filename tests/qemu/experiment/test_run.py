"""Experiments with a real QEMU: what they leave, how they go on after a kill, and what faults do to them.

QEMU 10.0 and 11.1 have the trace events of the downtime; 7.2 does not, and is refused.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from lab_network import LabNetwork
from linux_guest import ON_LAB_NETWORK, READY, initramfs, kernel
from real_qemu import BINARY, binary_of

from vnetmig.migration.trace import DESTINATION_CHECKPOINTS, SOURCE_CHECKPOINTS, parse
from vnetmig.qemu.experiment.arm import Arm, arm_with
from vnetmig.qemu.experiment.plan import Plan
from vnetmig.qemu.experiment.run import ATTEMPTS, experiment

pytestmark = pytest.mark.qemu

MEMORY = 32
SETTLE = 0.1
MULTIFD = "capability.multifd=on"


@pytest.fixture
def qemu() -> str:
    return binary_of("10.0")


def plan_of(qemu: str, *on: str, **values: Any) -> Plan:
    arm = Arm(qemu)
    return Plan(arm, arm_with(arm, on), **{"memory": MEMORY, "settle": SETTLE, **values})


def arguments(folder: Path, qemu: str, migrations: int) -> tuple[str, ...]:
    line = ("experiment", "-o", folder, "--qemu", qemu, "--b", MULTIFD, "--migrations", migrations)
    return tuple(map(str, (*line, "--memory", MEMORY, "--settle", SETTLE)))


def runs_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "run-runs.jsonl").read_text().splitlines()]


def events(path: Path, event: str) -> list[str]:
    return [
        str(line.values[0][1]) if event.endswith("checkpoint") else str(line["idstr"])
        for line in parse(path.read_text())
        if line.event == event
    ]


def check_logs(folder: Path, runs: list[dict[str, Any]]) -> None:
    """Each run's source tells of one migration's saves, and its destination of one's loads."""
    for found in runs:
        for name, word, checkpoints in (("src", "save", SOURCE_CHECKPOINTS), ("dst", "load", DESTINATION_CHECKPOINTS)):
            log = folder / found[name]
            idstrs = events(log, f"vmstate_downtime_{word}")
            for device in ("vga", "virtio-console", "virtio-net", "virtio-scsi"):
                assert sum(idstr.endswith(f"/{device}") for idstr in idstrs) == 1, (log, device)
            assert set(checkpoints) <= set(events(log, "vmstate_downtime_checkpoint"))


def qemus_of(folder: Path) -> list[int]:
    """Processes that write logs below ``folder``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if b"-D\0" + os.fsencode(folder) in line and state != "Z":
            found.append(int(process.name))
    return found


def test_two_migrations_of_each_arm(tmp_path: Path, qemu: str) -> None:
    folder = tmp_path / "runs"
    done = run(*arguments(folder, qemu, 2))
    assert done.exit_code == 0, done.output
    found = runs_of(folder)
    assert [each["k"] for each in found] == [0, 1, 2, 3]
    assert [each["on"] for each in found] == plan_of(qemu, MULTIFD, migrations=2).order
    assert all(each["downtime_ms"] >= 0 and each["run"] == "running" for each in found)
    assert [each["dst"] for each in found[:-1]] == [each["src"] for each in found[1:]]  # one guest
    check_logs(folder, found)
    assert not qemus_of(folder)
    again = run(*arguments(folder, qemu, 2), "--json")
    assert json.loads(again.stdout)["resumed"] == 4
    assert runs_of(folder) == found


def test_arms_that_differ_in_a_property_have_a_guest_each(tmp_path: Path, qemu: str) -> None:
    found = experiment(plan_of(qemu, "property.virtio-net-pci.packed=on", migrations=2), tmp_path).runs
    check_logs(tmp_path, found)
    for arm in (False, True):
        hops = [each for each in found if each["on"] is arm]
        assert [each["dst"] for each in hops[:-1]] == [each["src"] for each in hops[1:]]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """With a short path, as sockets want it."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_or_interrupted_it_goes_on_where_it_was(
    tmp_path: Path, scratch: Path, qemu: str, ending: signal.Signals
) -> None:
    folder = tmp_path / "runs"
    command = [sys.executable, "-m", "vnetmig", *arguments(folder, qemu, 2)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"TMPDIR": str(scratch)}
    )
    deadline = time.monotonic() + 60
    try:
        while not (folder / "run-runs.jsonl").exists() or not runs_of(folder):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        assert qemus_of(folder)
    finally:
        process.send_signal(ending)
        assert process.wait(30) == (128 + ending if ending == signal.SIGINT else -ending)
    while qemus_of(folder):  # the kernel ends them with it
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert ending == signal.SIGKILL or not list(scratch.iterdir())
    before = runs_of(folder)
    with (folder / "run-runs.jsonl").open("a") as file:
        file.write('{"k": 1, "on"')
    done = run(*arguments(folder, qemu, 2), "--json")
    assert done.exit_code == 0, done.output
    found = runs_of(folder)
    assert json.loads(done.stdout)["resumed"] == len(before)
    assert found[: len(before)] == before
    assert [each["on"] for each in found] == plan_of(qemu, MULTIFD, migrations=2).order
    assert len({each["dst"] for each in found}) == 4
    check_logs(folder, found)


def test_a_guest_that_dies_is_told_of_and_its_run_repeated(tmp_path: Path, qemu: str) -> None:
    def kill_it_once(done: dict[str, Any]) -> None:
        if done["k"] == 0:
            (victim,) = qemus_of(tmp_path)
            os.kill(victim, signal.SIGKILL)

    found = experiment(plan_of(qemu, MULTIFD, migrations=1), tmp_path, kill_it_once)
    (failure,) = found.failures
    assert (failure["k"], failure["attempt"]) == (1, 1)
    assert "ended (signal SIGKILL)" in failure["reason"]
    assert json.loads((tmp_path / "run-failures.jsonl").read_text()) == failure
    check_logs(tmp_path, found.runs)
    assert found.runs[1]["src"] != found.runs[0]["dst"]


def test_a_migration_that_always_fails_ends_it(tmp_path: Path, qemu: str) -> None:
    other = tmp_path / "qemu"  # a destination with more memory than its source
    other.write_text(f'#!/bin/sh\ncase "$*" in *-incoming*) set -- "$@" -m 48M ;; esac\nexec {qemu} "$@"\n')
    other.chmod(0o755)
    folder = tmp_path / "runs"
    done = run(*arguments(folder, str(other), 1))
    assert done.exit_code == 1, done.output
    assert f"failed {ATTEMPTS} times in a row" in done.stderr
    assert "Size mismatch: pc.ram: 0x2000000 != 0x3000000" in done.stderr
    assert not qemus_of(folder)
    assert len((folder / "run-failures.jsonl").read_text().splitlines()) == ATTEMPTS


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--set", "machine=no-such-machine"), "QEMU did not start (exit code 1): "),
        (("--set", "property.virtio-net-pci.no-such=1"), "no-such"),
        (("--qemu", "/no/such/qemu"), "/no/such/qemu: No such file or directory"),
        (("--b", "capability.no-such=on"), "no-such"),
        (("--b", "parameter.no-such=1"), "no-such"),
    ],
)
def test_what_cannot_be_ends_it_at_once(tmp_path: Path, qemu: str, more: tuple[str, str], said: str) -> None:
    folder = tmp_path / "runs"
    done = run(*arguments(folder, qemu, 1), *more)
    assert done.exit_code == 3, done.output
    assert said in done.stderr
    assert not qemus_of(folder)
    assert runs_of(folder) == []


def test_a_qemu_without_the_trace_events_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    done = run(*arguments(folder, BINARY, 1))
    assert done.exit_code == 3, done.output
    assert "has no trace event vmstate_downtime_" in done.stderr and "they came with 8.2" in done.stderr


def test_a_linux_guest_with_queue_pairs_keeps_its_connection(tmp_path: Path, qemu: str, network: LabNetwork) -> None:
    taps = [network.tap(2).replace(f"tap{side}", "tap{side}") for side in range(2)]
    assert taps[0] == taps[1]
    arm = arm_with(Arm(qemu), ["queue-pairs=2"])
    plan = Plan(
        arm,
        arm_with(arm, [MULTIFD]),
        migrations=1,
        memory=96,
        kernel=str(kernel()),
        initrd=str(initramfs()),
        append=f"quiet panic=-1 lab.channels=2 {ON_LAB_NETWORK}",
        ready=READY,
        netdev=taps[0],
    )
    check_logs(tmp_path, experiment(plan, tmp_path).runs)
    (connection,) = network.echo.connections
    assert not connection.faults
    assert connection.lines > 10
