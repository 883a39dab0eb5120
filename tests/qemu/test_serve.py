"""Real QEMUs migrate into `vnetmig serve`: they hear what they ask for, and go on wherever the migration fails."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from captured_qemu import goes_on, monitor
from command_line import command
from real_qemu import BINARIES, OUTERMOST, Qemu

import vnetmig
from vnetmig.errors import MigrationError

pytestmark = pytest.mark.qemu


@pytest.fixture(scope="module", params=BINARIES.values(), ids=BINARIES)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qemu]:
    with Qemu(tmp_path_factory.mktemp("serve"), binary=request.param) as running:
        time.sleep(1)  # its firmware
        yield running


class Serving:
    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = address

    def end(self) -> tuple[int, dict[str, Any]]:
        """(exit code, what it printed)"""
        printed, self.said = self.process.communicate(timeout=30)
        return self.process.returncode, json.loads(printed) if printed else {}


@contextmanager
def serving(path: Path, *more: str) -> Iterator[Serving]:
    arguments = ("serve", "--listen", "tcp:127.0.0.1:0", "-o", path, "--json", *more)
    process = subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        yield Serving(process, process.stderr.readline().strip().removeprefix("listening on "))
    finally:
        process.kill()
        process.communicate()


@contextmanager
def switched_on(machine: Qemu, *names: str) -> Iterator[None]:
    def switch(state: bool) -> None:
        wanted = [{"capability": name, "state": state} for name in names]
        machine.do("migrate-set-capabilities", capabilities=wanted)

    switch(True)
    try:
        yield
    finally:
        switch(False)


def migrate(machine: Qemu, where: Serving) -> str:
    """What becomes of it at the source."""
    machine.do("migrate", uri=where.address)
    deadline = time.monotonic() + 30
    while (status := machine.do("query-migrate")["status"]) not in ("completed", "failed", "cancelled"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return str(status)


@contextmanager
def let_go_on(machine: Qemu) -> Iterator[None]:
    """It is stopped behind a migration that went well."""
    yield
    assert machine.do("query-status")["status"] == "postmigrate"
    machine.do("cont")


@pytest.mark.parametrize("asks", [True, False], ids=["return-path", "no-return-path"])
def test_a_migration(machine: Qemu, tmp_path: Path, asks: bool) -> None:
    path = tmp_path / "vm.qemu"
    with switched_on(machine, *(["return-path"] if asks else [])), serving(path) as there, let_go_on(machine):
        assert migrate(machine, there) == "completed"
        code, made = there.end()
    assert code == 0
    assert made["answer"] == (0 if asks else None)
    assert made["source"].startswith("stopped")
    assert made["bytes"] == path.stat().st_size
    account, ram = made["account"], made["account"]["ram"]
    assert [phase["phase"] for phase in account["phases"]] == ["setup", "rounds", "switchover", "devices", "ending"]
    assert ram["pages"] + ram["zero_pages"] >= (32 << 20) // 4096
    stream = vnetmig.load(path)
    assert stream.device("virtio-net").mac == machine.rx_filter()["main-mac"]
    assert [seen["idstr"] for seen in account["devices"]] == [s.idstr for s in stream.sections if s.type == "full"]


def test_a_rehearsal_leaves_it_running(machine: Qemu, tmp_path: Path) -> None:
    path = tmp_path / "vm.qemu"
    with switched_on(machine, "return-path"), goes_on(machine), serving(path, "--then", "resume") as there:
        assert migrate(machine, there) == "failed"
        code, made = there.end()
    assert (code, made["answer"], made["source"]) == (0, 1, "goes on there")
    assert vnetmig.load(path).machine


def test_switchover_ack(tmp_path_factory: pytest.TempPathFactory, machine: Qemu, tmp_path: Path) -> None:
    """Said to those that wait for it, and to none that takes it for an error."""
    path = tmp_path / "vm.qemu"
    if machine.version < (8, 1):
        with switched_on(machine, "return-path"), serving(path) as there, let_go_on(machine):
            assert migrate(machine, there) == "completed"
            assert there.end()[1]["switchover_ack"] is False
        return
    if machine.version >= (11, 1):  # its own machine types wait for their devices only: here is none that asks
        with switched_on(machine, "return-path", "switchover-ack"), serving(path) as there, let_go_on(machine):
            assert migrate(machine, there) == "completed"
            assert there.end()[1]["switchover_ack"] is False
        path.unlink()
    folder = tmp_path_factory.mktemp("older")
    with (
        Qemu(folder, binary=machine.argv[0], machine="pc-i440fx-10.0,accel=tcg") as older,
        switched_on(older, "return-path", "switchover-ack"),
    ):
        with goes_on(older):
            with serving(tmp_path / "never.qemu", "--no-switchover-ack") as there:
                older.do("migrate", uri=there.address)
                older.wait("query-migrate", "active")
                time.sleep(0.3)
                assert older.do("query-status")["status"] == "running"
                there.process.send_signal(signal.SIGTERM)
                assert there.end()[0] == -signal.SIGTERM
            while older.do("query-migrate")["status"] == "active":
                time.sleep(0.02)
        with serving(path) as there:
            assert migrate(older, there) == "completed"
            assert there.end()[1]["switchover_ack"] is True
    assert [entry.name for entry in tmp_path.iterdir()] == ["vm.qemu"]


def test_multifd(machine: Qemu, tmp_path: Path) -> None:
    path = tmp_path / "vm.qemu"
    machine.do("migrate-set-parameters", multifd_channels=3)
    with switched_on(machine, "return-path", "multifd"), serving(path) as there, let_go_on(machine):
        assert migrate(machine, there) == "completed"
        code, made = there.end()
    assert code == 0
    assert sorted(channel["path"] for channel in made["channels"]) == [f"{path}.channel{n}" for n in range(3)]
    with pytest.raises(MigrationError, match="no pages of RAM"):
        vnetmig.send(path, f"unix:{tmp_path}/nobody")
    assert vnetmig.load(path).device("virtio-net").mac == machine.rx_filter()["main-mac"]


def test_postcopy_is_refused(machine: Qemu, tmp_path: Path) -> None:
    with switched_on(machine, "postcopy-ram"), goes_on(machine), serving(tmp_path / "vm.qemu") as there:
        assert migrate(machine, there) == "failed"
        assert there.end()[0] == 1
        assert "switch postcopy-ram" in there.said
    assert not list(tmp_path.iterdir())


def test_a_full_disk(machine: Qemu) -> None:
    with switched_on(machine, "return-path"), goes_on(machine), serving(Path("/dev/full")) as there:
        assert migrate(machine, there) == "failed"
        assert there.end()[0] == 1
        assert "/dev/full: No space left on device" in there.said
        assert "its machine goes on there" in there.said


def test_killed_in_the_middle(machine: Qemu, tmp_path: Path) -> None:
    machine.do("migrate-set-parameters", max_bandwidth=20_000)
    with switched_on(machine, "return-path"), goes_on(machine):
        with serving(tmp_path / "vm.qemu") as there:
            machine.do("migrate", uri=there.address)
            machine.wait("query-migrate", "active")
            time.sleep(0.2)
            there.process.kill()
            assert there.end()[0] == -signal.SIGKILL
        deadline = time.monotonic() + 20
        while machine.do("query-migrate")["status"] == "active":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert machine.do("query-migrate")["status"] == "failed"
    machine.do("migrate-set-parameters", max_bandwidth=128 << 20)
    assert not (tmp_path / "vm.qemu").exists()


def test_the_source_gives_up(machine: Qemu, tmp_path: Path) -> None:
    machine.do("migrate-set-parameters", max_bandwidth=20_000)
    with switched_on(machine, "return-path"), goes_on(machine), serving(tmp_path / "vm.qemu") as there:
        machine.do("migrate", uri=there.address)
        machine.wait("query-migrate", "active")
        time.sleep(0.2)
        machine.do("migrate_cancel")
        assert there.end()[0] == 1
        assert "the source closed in the middle" in there.said
        machine.wait("query-migrate", "cancelled")
    machine.do("migrate-set-parameters", max_bandwidth=128 << 20)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("binary", OUTERMOST.values(), ids=OUTERMOST)
def test_a_machine_that_does_not_describe_itself(tmp_path: Path, binary: str) -> None:
    """Nothing says where its stream ends but that nothing follows."""
    folder = tmp_path / "qemu"
    folder.mkdir()
    path, arguments = monitor(folder)
    with Qemu(folder, *arguments, binary=binary, machine="pc,accel=tcg,suppress-vmdesc=on") as machine:
        time.sleep(1)
        with goes_on(machine):
            made = vnetmig.capture(path, tmp_path / "captured.qemu")
        assert made.after == "running"
        with switched_on(machine, "return-path"), serving(tmp_path / "served.qemu") as there, let_go_on(machine):
            assert migrate(machine, there) == "completed"
            assert there.end()[0] == 0
    for name in ("captured.qemu", "served.qemu"):
        assert (tmp_path / name).read_bytes()[-6] == 0x7E
