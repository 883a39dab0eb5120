"""Rules that hold for tests and benchmarks alike: engines, real captures, real QEMUs.

Fixtures: ``engine`` runs a test once per engine that this installation has; ``captures`` is the list of
folders of real streams (each with ``truth.json``) below ``$VNETMIG_STREAMS``; ``capture`` is one of them at
a time. Tests marked ``qemu`` start a real QEMU, those marked ``browser`` a Chromium.

Two folders may have test modules of the same name (``--import-mode=importlib``); helper modules stand beside
the tests and are imported by their bare names.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent
sys.path[:0] = sorted({str(path.parent) for path in (ROOT / "tests").rglob("*.py")})

# Deadlines measure the machine, not the code.
settings.register_profile("vnetmig", deadline=None, print_blob=True)
settings.load_profile("vnetmig")

QEMU = "qemu-system-x86_64"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
NO_CAPTURES = "VNETMIG_STREAMS is not set"


def _captures() -> list[Path]:
    root = os.environ.get("VNETMIG_STREAMS")
    return sorted(truth.parent for truth in Path(root).glob("*/truth.json")) if root else []


def pytest_configure(config: pytest.Config) -> None:
    root = os.environ.get("VNETMIG_STREAMS")
    if root and not _captures():
        raise pytest.UsageError(f"VNETMIG_STREAMS={root} holds no */truth.json")


@pytest.fixture(scope="session")
def captures() -> list[Path]:
    """Folders of real streams: stream.bin[.xz], truth.json, rings.json.xz, ..."""
    found = _captures()
    if not found:
        pytest.skip(NO_CAPTURES)
    return found


@pytest.fixture(scope="session")
def chromium() -> str | None:
    """Path of the Chromium that tests marked ``browser`` start."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        from vnetmig.engine import engines

        metafunc.parametrize("engine", list(engines()))
    if "capture" in metafunc.fixturenames:
        found = _captures()
        none = [pytest.param(None, id="none", marks=pytest.mark.skip(reason=NO_CAPTURES))]
        metafunc.parametrize("capture", [pytest.param(path, id=path.name) for path in found] or none)


def pytest_runtest_setup(item: pytest.Item) -> None:
    _need(item, "qemu", "VNETMIG_REQUIRE_QEMU", (QEMU,))
    _need(item, "browser", "VNETMIG_REQUIRE_BROWSER", CHROMIUM)


def _need(item: pytest.Item, marker: str, required: str, programs: tuple[str, ...]) -> None:
    """One of ``programs``, or the test is skipped; it fails when ``required`` is set."""
    if not item.get_closest_marker(marker) or any(map(shutil.which, programs)):
        return
    missing = f"no {' or '.join(programs)} on PATH"
    if os.environ.get(required):
        pytest.fail(f"{required} is set and there is {missing}", pytrace=False)
    pytest.skip(missing)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and NO_CAPTURES in report.longrepr[2]
    ]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} tests on real captures were skipped: set VNETMIG_STREAMS to a folder of them",
            yellow=True,
        )
