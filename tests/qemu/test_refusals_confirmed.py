"""The installed QEMU still does with broken streams what tests/refused says that its release does.

A sample per machine; ``VNETMIG_COMPLETE=1`` takes every case (some minutes, hangs take their time).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
import refused_corpus as corpus
from real_qemu import BINARY
from real_streams import COMPLETE
from refused_corpus import Case
from refused_load import PATIENCE, isolated, load
from refused_machines import MACHINES, QEMUS

pytestmark = pytest.mark.qemu

WORKERS = 2
EACH = 4
"""Cases of one group on one machine."""

SOON = 3.0
"""Seconds after which a load that hung when it was recorded counts as hanging again."""


def missing(what: str, required: str) -> NoReturn:
    """Something that this machine does not have: a failure where ``required`` says that it must."""
    if os.environ.get(required):
        pytest.fail(f"{required} is set: {what}", pytrace=False)
    pytest.skip(what)


@cache
def installed() -> str:
    """The name in QEMUS of the release on PATH: stable updates of one release may differ in wording, so exactly it."""
    said = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout
    version = said.split("version ", 1)[1].split()[0]
    found = next((name for name, (release, _) in QEMUS.items() if release == version), None)
    return found or missing(f"QEMU {version} is none of the releases that were recorded", "VNETMIG_REQUIRE_QEMU")


def wants_tap(case: Case) -> bool:
    return "tap," in " ".join(corpus.arguments(MACHINES[case.base].arguments(case.qemu), case.destination))


def confirmed(case: Case) -> str | None:
    """None, or how the installed QEMU differs from what was recorded."""
    arguments = corpus.arguments(MACHINES[case.base].arguments(case.qemu), case.destination)
    command = [BINARY, *arguments]
    with tempfile.NamedTemporaryFile() as file:
        file.write(case.stream)
        file.flush()
        hung = case.result == "hang" and not COMPLETE
        outcome = load(isolated(command) if wants_tap(case) else command, Path(file.name), SOON if hung else PATIENCE)
    first = outcome.stderr.split("\n", 1)[0].removeprefix(corpus.PROGRAM)
    if (outcome.result, first) == (case.result, case.first):
        return None
    return f"{case.id}: {outcome.result}: {first!r}, recorded {case.result}: {case.first!r}"


def differences(machine: str, wanted: Callable[[Case], bool]) -> list[str]:
    of_machine = [c for c in corpus.cases() if (c.base, c.qemu) == (machine, installed()) and wanted(c)]
    chosen = of_machine if COMPLETE else corpus.sample(of_machine, EACH)
    assert chosen
    with ThreadPoolExecutor(WORKERS) as pool:
        return [said for said in pool.map(confirmed, chosen) if said is not None]


@pytest.fixture
def namespace() -> None:
    """Taps are made in a network namespace of their own."""
    if shutil.which("unshare") is None or subprocess.run(isolated(["true"]), capture_output=True).returncode:
        missing("no network namespace for a tap here", "VNETMIG_REQUIRE_TAP")


@pytest.mark.parametrize("machine", ["1q", "multi", "packed", "legacy"])
def test_without_a_tap(machine: str) -> None:
    assert differences(machine, lambda case: not wants_tap(case)) == []


@pytest.mark.parametrize("machine", ["1q", "4q", "packed", "legacy", "rss"])
def test_with_a_tap(machine: str, namespace: None) -> None:
    assert differences(machine, wants_tap) == []
