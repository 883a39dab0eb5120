"""Captures of real QEMUs: what was saved is what the machine says, and the machine goes on, whatever happens to us."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from captured_qemu import as_it_is, goes_on, migrating, monitor
from command_line import command, run, run_json
from lab_network import LabNetwork
from linux_guest import ON_LAB_NETWORK, LinuxGuest
from real_qemu import BINARIES, OUTERMOST, Qemu

import vnetmig
from vnetmig.errors import FieldError, MigrationError, QemuError
from vnetmig.qemu.captured_machine import Machine
from vnetmig.qemu.migration_settings import MigrationSettings
from vnetmig.qemu.qmp_session import Asked, QmpSession
from vnetmig.qemu.recording import Recording
from vnetmig.stream.events import Command

pytestmark = pytest.mark.qemu

SLOW = "20k"
"""Bytes a second: such a capture takes half a minute, and is ended in the middle."""


@pytest.fixture(scope="module", params=BINARIES.values(), ids=BINARIES)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qemu]:
    """One for all tests: each leaves it as it was."""
    folder = tmp_path_factory.mktemp("capture")
    path, arguments = monitor(folder)
    with Qemu(folder, *arguments, binary=request.param) as running:
        running.monitor = path
        time.sleep(1)  # its firmware
        yield running


def start(qmp: str, path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command("capture", "--qmp", qmp, "-o", path, "--bandwidth", SLOW), stderr=subprocess.PIPE)


def capturing(machine: Qemu, path: Path) -> subprocess.Popen[bytes]:
    """`vnetmig capture` in a process of its own, in the middle of it."""
    process = start(machine.monitor, path)
    deadline = time.monotonic() + 20
    while machine.do("query-migrate").get("status") != "active":  # what was before it may be a failure
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_the_machine_goes_on_as_it_was(machine: Qemu, tmp_path: Path) -> None:
    path = tmp_path / "vm.qemu"
    with goes_on(machine):
        made = run_json("capture", "--qmp", machine.monitor, "-o", path)
    stream = vnetmig.load(path)
    assert made["status"] == made["status_before"] == "running"
    assert 0 < made["blackout_seconds"] < 5
    assert made["bytes"] == path.stat().st_size
    assert stream.device("virtio-net").mac == machine.rx_filter()["main-mac"]
    asking = ("OPEN_RETURN_PATH", "PING")
    assert not [event for event in stream.events if isinstance(event, Command) and event.name in asking]
    assert [entry.name for entry in tmp_path.iterdir()] == ["vm.qemu"]


def test_state_only(machine: Qemu, tmp_path: Path) -> None:
    path = tmp_path / "state.qemu"
    with goes_on(machine):
        made = vnetmig.capture(machine.monitor, path, ram=False)
    assert made.ram == "dropped"
    assert made.left_out > 100_000
    stream = vnetmig.load(path)
    assert stream.device("virtio-net").mac == machine.rx_filter()["main-mac"]
    found = run("send", path, f"unix:{tmp_path}/nobody")
    assert found.exit_code == 1
    assert "no pages of RAM" in found.stderr


def test_a_paused_machine_stays_paused(machine: Qemu, tmp_path: Path) -> None:
    machine.do("stop")
    try:
        made = vnetmig.capture(machine.monitor, tmp_path / "vm.qemu")
        assert made.before == "paused"
        assert made.blackout is None
        assert made.after == machine.do("query-status")["status"]
        if machine.version >= (10, 0):
            assert made.after == "paused"
            assert not made.notes
        else:  # there is no way back that would not let the guest run
            assert made.after == "postmigrate"
            assert "cont goes on" in made.notes[0]
            with pytest.raises(MigrationError, match="paused due to previous migration"):
                vnetmig.capture(machine.monitor, tmp_path / "again.qemu")
    finally:
        machine.do("cont")


def test_capabilities_of_others_are_put_back(machine: Qemu, tmp_path: Path) -> None:
    def switch(state: bool) -> None:
        names = ("multifd", "auto-converge", "pause-before-switchover")
        wanted = [{"capability": name, "state": state} for name in names]
        machine.do("migrate-set-capabilities", capabilities=wanted)

    switch(True)
    try:
        with goes_on(machine):
            vnetmig.capture(machine.monitor, tmp_path / "vm.qemu", downtime_limit=1000, bandwidth=1 << 30)
    finally:
        switch(False)
    assert vnetmig.load(tmp_path / "vm.qemu").machine


def test_refused_while_somebody_else_migrates(machine: Qemu, tmp_path: Path) -> None:
    with migrating(machine):
        before = as_it_is(machine)
        found = run("capture", "--qmp", machine.monitor, "-o", tmp_path / "vm.qemu")
        assert found.exit_code == 1
        assert "There's a migration process in progress" in found.stderr
        assert machine.do("query-migrate")["status"] == "active"
        assert as_it_is(machine) == before
    assert not list(tmp_path.iterdir())


def test_a_file_that_exists_is_kept(machine: Qemu, tmp_path: Path) -> None:
    path = tmp_path / "vm.qemu"
    path.write_bytes(b"mine")
    with goes_on(machine), pytest.raises(FieldError, match="such a file already"):
        vnetmig.capture(machine.monitor, path)
    assert path.read_bytes() == b"mine"
    with goes_on(machine):
        vnetmig.capture(machine.monitor, path, overwrite=True)
    assert vnetmig.load(path).machine


def test_a_full_disk(machine: Qemu, tmp_path: Path) -> None:
    with goes_on(machine):
        found = run("capture", "--qmp", machine.monitor, "-o", "/dev/full")
    assert found.exit_code == 1
    assert "/dev/full: No space left on device" in found.stderr


def test_a_disk_that_takes_only_the_beginning(machine: Qemu, tmp_path: Path) -> None:
    path = tmp_path / "vm.qemu"
    path.write_bytes(b"mine")

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    with goes_on(machine):
        found = subprocess.run(
            command("capture", "--qmp", machine.monitor, "-o", path, "--force"),
            capture_output=True,
            text=True,
            preexec_fn=little_room,
        )
    assert found.returncode == 1
    assert "File too large" in found.stderr
    assert path.read_bytes() == b"mine"
    assert [entry.name for entry in tmp_path.iterdir()] == ["vm.qemu"]


def test_interrupted(machine: Qemu, tmp_path: Path) -> None:
    with goes_on(machine):
        process = capturing(machine, tmp_path / "vm.qemu")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 130
    assert not list(tmp_path.iterdir())


def test_killed(machine: Qemu, tmp_path: Path) -> None:
    """Nobody is left to put capabilities back; the guest runs."""
    before = as_it_is(machine)
    process = capturing(machine, tmp_path / "vm.qemu")
    process.kill()
    process.communicate(timeout=20)
    deadline = time.monotonic() + 10
    while machine.do("query-migrate")["status"] == "active":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert machine.do("query-status")["status"] == "running"
    assert not (tmp_path / "vm.qemu").exists()
    machine.do("migrate-set-capabilities", capabilities=before["capabilities"])
    machine.do("migrate-set-parameters", max_bandwidth=before["parameters"]["max-bandwidth"])
    assert as_it_is(machine) == before


def test_cancelled_by_somebody_else(machine: Qemu, tmp_path: Path) -> None:
    with goes_on(machine):
        process = capturing(machine, tmp_path / "vm.qemu")
        machine.do("migrate_cancel")
        _, said = process.communicate(timeout=20)
        assert process.returncode == 1
    assert b"the migration is cancelled before everything had come" in said
    assert not list(tmp_path.iterdir())


def test_the_qmp_connection_is_lost(machine: Qemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def lose(self: Machine) -> dict[str, object]:
        asked.append(self)
        if len(asked) == 3:
            self.session.close()
            raise QemuError("the connection is gone")
        return dict(self.session.execute("query-migrate"))

    monkeypatch.setattr(Machine, "status", lose)
    with goes_on(machine), pytest.raises(MigrationError, match=r"connection is gone\n  nothing was written"):
        vnetmig.capture(machine.monitor, tmp_path / "vm.qemu", bandwidth=20_000)
    assert len(asked) > 3  # over a new connection
    assert not list(tmp_path.iterdir())


def without_return_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if somebody had switched it off in between."""

    def meddled(self: MigrationSettings, qmp: Asked, on: frozenset[str], parameters: dict[str, object]) -> None:
        apply(self, qmp, on - {"return-path"}, parameters)

    apply = MigrationSettings.apply
    monkeypatch.setattr(MigrationSettings, "apply", meddled)


@pytest.mark.parametrize("ram", [True, False])
def test_somebody_else_changes_capabilities(
    machine: Qemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ram: bool
) -> None:
    """Without return-path a machine is gone when its bytes are: it has to be brought back."""
    # 7.2 opens a return path once more when the last migration broke with one: this one does not.
    vnetmig.capture(machine.monitor, tmp_path / "vm.qemu")
    (tmp_path / "vm.qemu").unlink()
    without_return_path(monkeypatch)
    with goes_on(machine), pytest.raises(MigrationError, match="switched its capability return-path off"):
        vnetmig.capture(machine.monitor, tmp_path / "vm.qemu", ram=ram)
    assert not list(tmp_path.iterdir())


def test_a_migration_that_is_over_before_we_notice(
    machine: Qemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_return_path(monkeypatch)

    def late(self: Recording, data: bytes, now: int) -> list[memoryview]:
        kept = feed(self, data, now)
        self.return_path = True  # as if it had asked
        return kept

    feed = Recording.feed
    monkeypatch.setattr(Recording, "feed", late)
    with goes_on(machine):
        vnetmig.capture(machine.monitor, tmp_path / "vm.qemu")
    assert machine.do("query-migrate")["status"] == "completed"


def test_qemu_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "qemu"
    folder.mkdir()
    watched, first = monitor(folder, "watched")
    path, second = monitor(folder)
    machine = subprocess.Popen(Qemu(folder, *first, *second).argv, stdin=subprocess.DEVNULL)
    try:
        while not os.path.exists(path):
            assert machine.poll() is None
            time.sleep(0.02)
        time.sleep(1)  # its firmware
        process = start(path, tmp_path / "vm.qemu")
        with QmpSession(watched) as qmp:
            while qmp.execute("query-migrate").get("status") != "active":
                assert process.poll() is None
                time.sleep(0.02)
    finally:
        machine.kill()
        machine.wait()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"if it still runs, these have to be set again: return-path off" in said
    assert not (tmp_path / "vm.qemu").exists()


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(QemuError, match="No such file"):
        vnetmig.capture(str(tmp_path / "nothing"), tmp_path / "vm.qemu")
    assert run("capture", "--qmp", tmp_path / "nothing", "-o", tmp_path / "vm.qemu").exit_code == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("binary", BINARIES.values(), ids=BINARIES)
def test_a_guest_goes_on_here_and_its_capture_elsewhere(tmp_path: Path, network: LabNetwork, binary: str) -> None:
    """Captured while it talks, and again when it is paused; that goes into a fresh QEMU, with its filters, queues and
    its connection."""
    folder = tmp_path / "qemu"
    folder.mkdir()
    path, arguments = monitor(folder)
    there, waiting = monitor(folder, "there")
    options = f"{ON_LAB_NETWORK} lab.vlans=2,5 lab.unicast=3 lab.multicast=2"

    def guest(*more: str) -> LinuxGuest:
        return LinuxGuest(folder, *more, netdev=network.tap(), binary=binary, options=options)

    with guest(*arguments) as here:
        here.ready()
        here.goes_on("tick", "echo")
        running = vnetmig.capture(path, tmp_path / "running.qemu")
        assert running.after == "running"
        here.goes_on("tick", "echo")
        net = vnetmig.load(tmp_path / "running.qemu").device("virtio-net")
        assert net.vlans >= {2, 5}
        assert set(net.mac_table.unicast) == set(here.rx_filter()["unicast-table"])

        here.do("stop")
        queues = here.queues()
        vnetmig.capture(path, tmp_path / "paused.qemu")
        fields = vnetmig.load(tmp_path / "paused.qemu").device("virtio-net").fields()
        for queue in queues:
            assert fields[f"vq[{queue['queue-index']}].last_avail_idx"].value == queue["last-avail-idx"]
        socket = f"unix:{folder}/incoming"
        with guest(*waiting, "-incoming", socket) as fresh:
            sent = run_json("send", tmp_path / "paused.qemu", socket, "--qmp", there)
            assert (sent["outcome"], sent["status"]) == ("loaded", "paused")
            expected = here.rx_filter()
            if fresh.loses_vlans:
                expected |= {"vlan": "none", "vlan-table": []}
            assert fresh.rx_filter() == expected
            kept = ("queue-index", "last-avail-idx", "used-idx", "vring-desc", "vring-num")
            assert [[q[key] for key in kept] for q in fresh.queues()] == [[q[key] for key in kept] for q in queues]
            fresh.do("cont")
            fresh.goes_on("tick", "echo", since=here)
        (connection,) = network.echo.connections
        assert not connection.faults


@pytest.mark.parametrize("binary", OUTERMOST.values(), ids=OUTERMOST)
def test_shared_ram_stays_where_it_is(tmp_path: Path, binary: str) -> None:
    folder = tmp_path / "qemu"
    folder.mkdir()
    path, arguments = monitor(folder)
    ram = folder / "ram"
    with LinuxGuest(folder, *arguments, binary=binary, ram=ram) as guest:
        guest.capabilities(x_ignore_shared=False)
        guest.ready()
        guest.do("stop")
        made = vnetmig.capture(path, tmp_path / "state.qemu", ram=False)
        assert (made.ram, made.left_out) == ("ignored", 0)
        assert made.size < 2 << 20
        socket = f"unix:{folder}/incoming"
        there, waiting = monitor(folder, "there")
        with LinuxGuest(folder, *waiting, "-incoming", "defer", binary=binary, ram=ram) as fresh:
            fresh.capabilities(x_ignore_shared=False)
            fresh.do("migrate-incoming", uri=socket)
            refused = run("send", tmp_path / "state.qemu", socket, "--qmp", there)
            assert refused.exit_code == 1
            assert "x-ignore-shared, and it is off at the destination" in refused.stderr
        with LinuxGuest(folder, *waiting, "-incoming", "defer", binary=binary, ram=ram) as fresh:
            fresh.do("migrate-incoming", uri=socket)
            assert vnetmig.send(tmp_path / "state.qemu", socket, qmp=there).outcome == "loaded"
            fresh.do("cont")
            fresh.goes_on("tick", since=guest)


def test_json_of_a_failure_is_one_object(tmp_path: Path) -> None:
    found = run("capture", "--qmp", tmp_path / "nothing", "-o", tmp_path / "vm.qemu", "--json")
    assert "No such file" in json.loads(found.stdout)["error"]["message"]
    assert os.listdir(tmp_path) == []
