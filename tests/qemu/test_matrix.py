"""Cells of a matrix, each with a real QEMU at both ends: a firmware's machine, saved by one command line and loaded by
another."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from qemu.qmp.legacy import QEMUMonitorProtocol
from real_qemu import BINARIES, NIC, Qemu

import vnetmig
from vnetmig.analysis.matrix.cell import Cell, Outcome
from vnetmig.analysis.profile.cmdline import profile_of_command
from vnetmig.analysis.release import Release

pytestmark = pytest.mark.qemu

HERE = "pc-i440fx-5.2"
"""A machine type that all tested releases have."""
NOWHERE = "pc-i440fx-99.2"

#   what                 destination's NIC                        its machine type   what becomes of it
CELLS: dict[str, tuple[str, str, Outcome]] = {
    "the same": (NIC, HERE, Outcome.WORKS),
    "more vectors": (f"{NIC},vectors=6", HERE, Outcome.REFUSED),
    "without its legacy interface": (f"{NIC},disable-legacy=on", HERE, Outcome.REFUSED),
    "at another address": (f"{NIC},addr=7", HERE, Outcome.REFUSED),
    "another machine type": (NIC, "pc-i440fx-6.0", Outcome.REFUSED),
    "no such machine type": (NIC, NOWHERE, Outcome.REFUSED),
    "less than it is offered": (f"{NIC},ctrl_rx_extra=off", HERE, Outcome.UNLESS),
    "another board": (NIC, "pc-q35-5.2", Outcome.REFUSED),
}


def predicted(here: Qemu, release: Release, there: Qemu, arrival: Release) -> Cell:
    """The cell of a command line on one release to another on its own."""
    lines = {"here": here.argv, "there": there.argv}
    profiles = {name: profile_of_command(shlex.join(argv).encode(), name, release) for name, argv in lines.items()}
    found = vnetmig.matrix(profiles, qemu=[release, arrival])
    (row,) = [n for n, place in enumerate(found.sources) if (place.name, place.release) == ("here", release)]
    (column,) = [n for n, place in enumerate(found.destinations) if (place.name, place.release) == ("there", arrival)]
    return found.cell(row, column)


def saved(folder: Path, binary: str, stream: Path) -> tuple[Qemu, Release]:
    """A firmware's machine, saved to ``stream``."""
    with Qemu(folder, machine=f"{HERE},accel=tcg", binary=binary) as source:
        version = source.do("query-version")["qemu"]
        time.sleep(1)
        source.save(stream)
    return source, Release(version["major"], version["minor"], version["micro"])


def loads(argv: list[str], socket: str, stream: Path) -> tuple[bool, list[str]]:
    """Start a QEMU with ``stream`` coming in: did it take it, and what did it say?"""
    process = subprocess.Popen(
        [*argv, "-S", "-incoming", f"exec:cat {stream}"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    try:
        while process.poll() is None and not is_loaded(socket):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        is_there = process.poll() is None
    finally:
        process.kill()
        said = process.communicate()[1]
    return is_there, said.splitlines()


def is_loaded(socket: str) -> bool:
    """Has it left the state in which it waits for a stream? A QEMU that goes away meanwhile has not."""
    qmp = QEMUMonitorProtocol(socket)
    try:
        qmp.connect()
        return bool(qmp.cmd("query-status")["status"] != "inmigrate")
    except Exception:
        return False
    finally:
        with contextlib.suppress(Exception):
            qmp.close()


@pytest.mark.parametrize("binary", list(BINARIES.values()), ids=list(BINARIES))
def test_a_real_qemu_does_what_the_cell_says(binary: str, tmp_path: Path) -> None:
    """A firmware is a guest that uses the least: it is not refused where only other guests are."""
    stream = tmp_path / "stream.qemu"
    source, release = saved(tmp_path, binary, stream)
    wrong = []
    for number, (what, (nic, kind, outcome)) in enumerate(CELLS.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        there = Qemu(folder, nic=nic, machine=f"{kind},accel=tcg", binary=binary)
        cell = predicted(source, release, there, release)
        took, said = loads(there.argv, there.socket, stream)
        verdict = Outcome.WORKS if cell.outcome == Outcome.LOSES else cell.outcome  # of VLANs, before 8.0
        if (verdict, took) != (outcome, outcome < Outcome.REFUSED):
            wrong.append((what, cell.verdict, took, said))
        elif not took:
            assert cell.worst is not None
            first = cell.worst.finding.message
            if not any(line.endswith(first) for line in said):
                wrong.append((what, first, took, said))
    assert wrong == []


@pytest.mark.parametrize("binary", list(BINARIES.values()), ids=list(BINARIES))
def test_from_one_release_to_every_other(binary: str, tmp_path: Path) -> None:
    stream = tmp_path / "stream.qemu"
    source, release = saved(tmp_path, binary, stream)
    wrong = []
    for name, other in BINARIES.items():
        folder = tmp_path / name
        folder.mkdir()
        there, arrival = saved(folder, other, folder / "not-needed.qemu")
        cell = predicted(source, release, there, arrival)
        took, said = loads(there.argv, there.socket, stream)
        first = None if cell.worst is None else cell.worst.finding.message
        if took != cell.loads or not (took or any(line.endswith(str(first)) for line in said)):
            wrong.append((str(release), str(arrival), cell.verdict, first, took, said))
    assert wrong == []
