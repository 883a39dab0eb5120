"""A Linux guest with a TCP connection moves through relays, again and again, and notices nothing.

Between them it moves by a plain socket: how long the machine stood still (the source's STOP to the destination's
RESUME, of one clock) is printed for each way, with ``-rP``. Nothing is asserted of these times. VNETMIG_RELAYS says how
often, VNETMIG_COMPLETE=1 that every QEMU has to.

QEMU 7.2 under TCG loses guests whose memory is migrated while they run, by plain sockets as well (in each of three
chains of twelve migrations: two kernel panics, one that hung). There the memory is a file that both sides share.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from lab_network import LabNetwork
from linux_guest import ON_LAB_NETWORK, LinuxGuest
from real_qemu import BINARIES, NIC
from relay_process import RELAYS, RelayProcess

from vnetmig.analysis.release import Release

pytestmark = pytest.mark.qemu

COMPLETE = bool(os.environ.get("VNETMIG_COMPLETE"))
NEWEST = list(BINARIES.values())[-1]
some_qemus = pytest.mark.parametrize(
    "binary", BINARIES.values() if COMPLETE else [NEWEST], ids=lambda path: Path(path).name
)
LIMIT = os.environ.get("VNETMIG_DOWNTIME_LIMIT", "10")
"""Milliseconds, as QEMU's parameter downtime-limit; empty for QEMU's own."""
MAC = "02:00:00:00:00:09"


def shared_memory(binary: str, folder: Path) -> Path | None:
    """The file that the guest's memory is in, where the QEMU cannot migrate it."""
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return folder / "ram" if Release.parse(told) < Release(8, 0) else None


def event_time(machine: LinuxGuest, name: str) -> int:
    """When it last was told, in microseconds."""
    found = [event["timestamp"] for event in machine.qmp.get_events() if event["event"] == name]
    return int(found[-1]["seconds"] * 1_000_000 + found[-1]["microseconds"])


def hand_over(source: LinuxGuest, destination: LinuxGuest, folder: Path, options: Iterable[str] | None) -> None:
    """Through a relay with ``options``, or without one."""
    address, through = f"unix:{folder}/destination", f"unix:{folder}/relay"
    for machine in (source, destination):
        machine.capabilities(return_path=True)
        machine.qmp.clear_events()
    if LIMIT:  # else QEMU stops the machine as soon as the rest of its memory takes 300 ms, and uses them
        source.do("migrate-set-parameters", downtime_limit=int(LIMIT))
    destination.do("migrate-incoming", uri=address)
    if options is None:
        source.do("migrate", uri=address)
        source.wait("query-migrate", "completed")
    else:
        with RelayProcess(through, address, *options) as relay:
            source.do("migrate", uri=through)
            source.wait("query-migrate", "completed")
            code, told = relay.result()
            assert code == 0, relay.errors
            assert told["confirmed"]


def move(source: LinuxGuest, destination: LinuxGuest, folder: Path, options: Iterable[str] | None) -> float:
    """``hand_over``; milliseconds of standing still."""
    hand_over(source, destination, folder, options)
    destination.wait("query-status", "running")
    return (event_time(destination, "RESUME") - event_time(source, "STOP")) / 1000


def told(name: str, times: list[float]) -> str:
    if len(times) < 2:
        return f"{name}: {times} ms"
    spread = statistics.stdev(times)
    return (
        f"{name}: n {len(times)}, mean {statistics.mean(times):.2f} ms, median {statistics.median(times):.2f}, "
        f"sigma {spread:.2f}, {min(times):.2f} to {max(times):.2f}"
    )


@some_qemus
def test_the_guest_and_its_connection_survive(tmp_path: Path, network: LabNetwork, binary: str) -> None:
    """By a plain socket, relayed, and checked, in turn."""

    def guest(ended: contextlib.ExitStack, *more: str) -> LinuxGuest:
        made = LinuxGuest(tmp_path, *more, netdev=network.tap(), options=ON_LAB_NETWORK, binary=binary, ram=ram)
        return ended.enter_context(made)

    ram = shared_memory(binary, tmp_path)
    ways: dict[str, list[float]] = {"plain": [], "relayed": [], "checked": []}
    with contextlib.ExitStack() as last:
        source = guest(last)
        source.ready()
        source.goes_on("tick", "echo")
        check = ("--check", "self", "--qemu", ".".join(map(str, source.version)))
        for _ in range(RELAYS):
            for way, options in (("plain", None), ("relayed", ()), ("checked", check)):
                if way == "plain" and not COMPLETE:  # it is only there to be compared with
                    continue
                before = last.pop_all()
                destination = guest(last, "-incoming", "defer")
                with before:
                    ways[way].append(move(source, destination, tmp_path, options))
                    destination.goes_on("tick", "echo", since=source)
                source = destination
        (connection,) = network.echo.connections
        assert not connection.faults and not connection.ended
        assert connection.lines > 10
    for name, times in ways.items():
        print(told(name, times))


@some_qemus
def test_an_address_added_on_the_way_is_filtered_for(tmp_path: Path, binary: str) -> None:
    """In a device that a driver has set up: the filter is the destination's, and the guest goes on."""
    ram = shared_memory(binary, tmp_path)
    with LinuxGuest(tmp_path, binary=binary, ram=ram) as source:
        source.ready()
        kept = source.rx_filter()
        # Paused there: a guest that runs sends its own table again, at once.
        with LinuxGuest(tmp_path, "-incoming", "defer", "-S", binary=binary, ram=ram) as destination:
            hand_over(source, destination, tmp_path, ("--set", f"virtio-net:mac_table.unicast=+{MAC}"))
            destination.wait("query-status", "paused")
            there = destination.rx_filter()
            assert there["unicast-table"] == [*kept["unicast-table"], MAC]
            assert set(there["multicast-table"]) >= set(kept["multicast-table"]), "the guest may have added its own"
            destination.do("cont")
            destination.goes_on("tick", since=source)


@some_qemus
def test_a_refusal_when_the_guest_stands_still_already(tmp_path: Path, network: LabNetwork, binary: str) -> None:
    """It goes on at the source, with its connection: every time."""
    moved = f"{NIC},addr=0x9"
    words = f"qemu-system-x86_64 -nodefaults -m 96M -machine pc -netdev user,id=n0 -device {moved}"
    command = tmp_path / "command"
    command.write_text(words)
    with LinuxGuest(tmp_path, netdev=network.tap(), options=ON_LAB_NETWORK, binary=binary) as source:
        source.ready()
        source.goes_on("tick", "echo")
        release = ".".join(map(str, source.version))
        source.capabilities(return_path=True)
        for _ in range(RELAYS):
            with LinuxGuest(tmp_path, "-incoming", "defer", netdev=network.tap(), nic=moved, binary=binary) as there:
                there.capabilities(return_path=True)
                address, through = f"unix:{tmp_path}/destination", f"unix:{tmp_path}/relay"
                there.do("migrate-incoming", uri=address)
                source.qmp.clear_events()
                with RelayProcess(through, address, "--check", f"cmdline:{command}", "--qemu", release) as relay:
                    source.do("migrate", uri=through)
                    code, said = relay.result()
                source.wait("query-migrate", "failed")
                source.wait("query-status", "running")
                assert (code, said["verdict"], said["phases"][-1]["phase"]) == (1, "refused", "devices")
                names = [event["event"] for event in source.qmp.get_events()]
                assert names.index("STOP") < names.index("RESUME"), "it stood still, and went on"
                source.goes_on("tick", "echo")
        (connection,) = network.echo.connections
        assert not connection.faults and not connection.ended
