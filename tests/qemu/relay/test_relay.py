"""Real QEMUs migrate through a relay: passed on, refused, changed, and whatever goes wrong, the guest is somewhere."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from real_qemu import BINARIES, BINARY, NIC, Qemu
from relay_process import RELAYS, command_line, pair

from vnetmig.analysis.diff import diff
from vnetmig.document.load import load
from vnetmig.stream.multifd import InitPacket, MultifdReader

pytestmark = pytest.mark.qemu

MAC = "52:54:00:aa:bb:cc"
every_qemu = pytest.mark.parametrize("binary", BINARIES.values(), ids=BINARIES)
some_qemus = pytest.mark.parametrize(
    "binary", BINARIES.values() if os.environ.get("VNETMIG_COMPLETE") else [BINARY], ids=lambda path: Path(path).name
)
"""The faults are those of sockets, so that one QEMU shows them; with VNETMIG_COMPLETE=1 every one has to."""


@every_qemu
def test_a_machine_moves_and_all_is_told(tmp_path: Path, binary: str) -> None:
    with pair(tmp_path, "return-path", binary=binary) as two:
        has_ack = two.source.version >= (8, 1)
        if has_ack:
            two.capabilities("switchover-ack")
        recorded = tmp_path / "recorded"
        with two.relay("--record", str(recorded)) as relay:
            two.begin()
            code, told = relay.result()
        two.destination_runs()
        assert code == 0, relay.errors
        assert (told["verdict"], told["confirmed"], told["complete"]) == ("completed", True, True)
        assert told["unreadable"] is None
        says_it = has_ack and two.source.version < (11, 1)  # which has no device to wait for here, and says nothing
        assert (told["return_path"]["switchover_ack"] is not None) == says_it
        assert told["return_path"]["pongs"] == 1
        stream = load(recorded)
        assert told["size"] == recorded.stat().st_size and told["machine"] == stream.machine
        sections = [section for section in stream.sections if section.type == "full"]
        assert [device["idstr"] for device in told["devices"]] == [section.idstr for section in sections]
        phases = [phase["phase"] for phase in told["phases"]]
        assert phases == ["setup", "rounds", "switchover", "devices", "ending"]
        times = [phase["at"] for phase in told["phases"]]
        assert times == sorted(times)
        transferred = two.source.do("query-migrate")["ram"]
        assert told["ram"]["zero_pages"] == transferred["duplicate"]
        assert told["ram"]["pages"] == transferred["normal"]


@every_qemu
def test_without_a_return_path_it_is_passed_on_as_well(tmp_path: Path, binary: str) -> None:
    with pair(tmp_path, binary=binary) as two, two.relay() as relay:
        two.begin()
        code, told = relay.result()
        two.destination_runs()
        assert (code, told["verdict"], told["confirmed"]) == (0, "completed", False)


@every_qemu
def test_what_the_destination_would_not_take_leaves_the_guest_at_the_source(tmp_path: Path, binary: str) -> None:
    """Refused in the middle of the devices, when the source's machine stands still already: every time."""
    moved = NIC + ",addr=0x7"
    for _ in range(RELAYS):
        with pair(tmp_path, "return-path", binary=binary, nic=moved) as two:
            release = ".".join(str(number) for number in two.source.version)
            with two.relay("--check", command_line(tmp_path, moved), "--qemu", release) as relay:
                two.begin()
                code, told = relay.result()
            two.source_goes_on()
            assert (code, told["verdict"], told["side"]) == (1, "refused", "relay")
            assert "Unknown" in told["error"] and "virtio-net" in told["error"]
            assert two.destination.process.wait(10) != 0, "its stream ended: it has never started the guest"


@some_qemus
def test_what_is_refused_at_the_beginning_does_not_reach_the_destination(tmp_path: Path, binary: str) -> None:
    """It goes on waiting: the same destination takes the machine when it is migrated as it should."""
    with pair(tmp_path, binary=binary) as two:
        check = ("--check", command_line(tmp_path, NIC), "--qemu", ".".join(map(str, two.source.version)))
        with two.relay(*check) as relay:
            two.begin()
            code, told = relay.result()
        two.source_goes_on()
        assert (code, told["verdict"]) == (1, "refused") and "no return path" in told["error"]
        two.source.do("migrate-set-capabilities", capabilities=[{"capability": "return-path", "state": True}])
        assert two.destination.do("query-status")["status"] == "inmigrate"
        with two.relay(*check) as relay:
            two.begin()
            code, told = relay.result()
        two.destination_runs()
        assert code == 0, relay.errors
        assert told["checked"]["verdict"] == "loads"


@every_qemu
def test_a_filter_changed_on_the_way_is_the_destination_s(tmp_path: Path, binary: str) -> None:
    """The section becomes longer, and the vmdescription says so: what was received is a stream like any other."""
    sets = ("--set", f"virtio-net:mac={MAC}", "--set", "virtio-net:mac_table.unicast=+02:00:00:00:00:09")
    with pair(tmp_path, "return-path", binary=binary) as two:
        before, after = tmp_path / "before", tmp_path / "after"
        with two.relay(*sets, "--record", str(before), "--record-out", str(after)) as relay:
            two.begin()
            code, told = relay.result()
        two.destination_runs()
        assert code == 0, relay.errors
        there = two.destination.rx_filter()
        assert there["main-mac"] == MAC
        assert there["unicast-table"] == ["02:00:00:00:00:09"]
        assert any(f"{MAC!r}" in change for change in told["changed"])
        found = diff(load(before), load(after))
        assert [section.idstr.rpartition("/")[2] for section in found.sections] == ["virtio-net"]


def at_guest_memory(source: Qemu) -> None:
    """Until some of it has gone, and most of it has not."""
    deadline = time.monotonic() + 30
    while source.do("query-migrate").get("ram", {}).get("transferred", 0) < 50_000:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@some_qemus
@pytest.mark.parametrize("capabilities", [(), ("return-path",)], ids=["plain", "return-path"])
def test_a_relay_that_is_killed(tmp_path: Path, binary: str, capabilities: tuple[str, ...]) -> None:
    with pair(tmp_path, *capabilities, binary=binary) as two:
        two.slowly()
        with two.relay() as relay:
            two.begin()
            at_guest_memory(two.source)
            relay.process.kill()
            two.source_goes_on()


@some_qemus
@pytest.mark.parametrize("capabilities", [(), ("return-path",)], ids=["plain", "return-path"])
def test_a_destination_that_is_killed(tmp_path: Path, binary: str, capabilities: tuple[str, ...]) -> None:
    with pair(tmp_path, *capabilities, binary=binary) as two:
        two.slowly()
        with two.relay() as relay:
            two.begin()
            at_guest_memory(two.source)
            two.destination.process.kill()
            code, told = relay.result()
            two.source_goes_on()
        assert (code, told["verdict"], told["side"]) == (1, "failed", "destination")
        assert "destination" in told["error"] and "in the phase 'rounds'" in told["error"]


@some_qemus
def test_a_source_that_gives_up(tmp_path: Path, binary: str) -> None:
    with pair(tmp_path, binary=binary) as two:
        two.slowly()
        with two.relay() as relay:
            two.begin()
            at_guest_memory(two.source)
            two.source.do("migrate_cancel")
            code, told = relay.result()
        two.source.wait("query-status", "running")
        assert (code, told["verdict"], told["side"]) == (1, "failed", "source")
        assert two.destination.process.wait(10) != 0


@some_qemus
def test_a_destination_that_is_not_there(tmp_path: Path, binary: str) -> None:
    with pair(tmp_path, binary=binary) as two:
        two.address = f"unix:{tmp_path}/nobody"
        with two.relay() as relay:
            two.begin()
            code, told = relay.result()
        two.source_goes_on()
        assert (code, told["side"]) == (1, "destination")
        assert f"Failed to connect to '{tmp_path}/nobody'" in told["error"]


@some_qemus
def test_a_disk_that_is_full_ends_the_migration_and_not_the_guest(tmp_path: Path, binary: str) -> None:
    with pair(tmp_path, "return-path", binary=binary) as two:
        two.slowly()
        with two.relay("--record", "/dev/full") as relay:
            two.begin()
            code, told = relay.result()
        two.source_goes_on()
        assert (code, told["verdict"]) == (1, "refused")
        assert "No space left on device" in told["error"]


@some_qemus
def test_a_disk_that_is_full_does_not_end_what_cannot_go_back(tmp_path: Path, binary: str) -> None:
    """Without a return path the source may be done already: then the guest comes first."""
    with pair(tmp_path, binary=binary) as two, two.relay("--record", "/dev/full") as relay:
        two.begin()
        code, told = relay.result()
        two.destination_runs()
        assert (code, told["verdict"]) == (1, "completed")
        assert "No space left on device" in told["notes"][0]


@some_qemus
def test_ctrl_c(tmp_path: Path, binary: str) -> None:
    with pair(tmp_path, "return-path", binary=binary) as two:
        two.slowly()
        with two.relay() as relay:
            two.begin()
            at_guest_memory(two.source)
            relay.process.send_signal(signal.SIGINT)
            code, _ = relay.result()
            two.source_goes_on()
        assert code == 130 and "Traceback" not in relay.errors
        assert not Path(two.through.removeprefix("unix:")).exists()


@every_qemu
def test_multifd(tmp_path: Path, binary: str) -> None:
    """Its channels are passed on in their order, and recorded beside the main one."""
    with pair(tmp_path, "multifd", "return-path", binary=binary) as two:
        recorded = tmp_path / "recorded"
        with two.relay("--record", str(recorded)) as relay:
            two.begin()
            code, told = relay.result()
        two.destination_runs()
        assert code == 0, relay.errors
        assert [channel["kind"] for channel in told["channels"]] == ["main", "multifd", "multifd"]
        for number in (1, 2):
            data = Path(f"{recorded}.{number}").read_bytes()
            assert len(data) == told["channels"][number]["forward"]
            reader = MultifdReader()
            reader.feed(data)

            packets = iter(reader.next_packet, None)
            assert isinstance(next(packets), InitPacket) and list(packets), "a channel like any other"


@every_qemu
def test_postcopy(tmp_path: Path, binary: str) -> None:
    """The destination asks for pages on the return path while it runs already."""
    with pair(tmp_path, "postcopy-ram", binary=binary, memory="64M") as two:
        two.slowly(1 << 16)
        recorded = tmp_path / "recorded"
        with two.relay("--record", str(recorded)) as relay:
            two.begin()
            at_guest_memory(two.source)
            two.source.do("migrate-start-postcopy")
            two.source.do("migrate-set-parameters", max_bandwidth=1 << 30, max_postcopy_bandwidth=0)
            code, told = relay.result()
        two.destination_runs()
        assert code == 0, relay.errors
        assert told["confirmed"]
        assert "postcopy" in [phase["phase"] for phase in told["phases"]]
        assert load(recorded).nets()


@some_qemus
def test_postcopy_and_a_check_are_refused_together(tmp_path: Path, binary: str) -> None:
    with pair(tmp_path, "postcopy-ram", binary=binary) as two:
        with two.relay("--set", f"virtio-net:mac={MAC}") as relay:
            two.begin()
            code, told = relay.result()
        two.source_goes_on()
        assert (code, told["verdict"]) == (1, "refused") and "postcopy" in told["error"]
        assert two.destination.do("query-status")["status"] == "inmigrate"
