"""A destination process that is none: what it says, or does not say, is an error and nothing worse."""

from __future__ import annotations

import sys

import pytest

from vnetmig.cli import two_processes
from vnetmig.cli.two_processes import destination_process
from vnetmig.errors import MigrationError

LISTENS = "import sys; sys.stderr.write('listening on unix:/nowhere\\n'); sys.stderr.flush(); "


def command(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("", "said nothing"),
        ("print('{')", "said no JSON"),
        ("print('[]')", "without a usable"),
        ('print(\'{"guest": 7, "backends": []}\')', "without a usable"),
        ("sys.stdout.write('x' * (17 << 20))", "said more than"),
        ("sys.stdout.buffer.write(bytes(range(256)))", "said no JSON"),
    ],
)
def test_what_it_prints_is_checked(code: str, why: str) -> None:
    with destination_process("unix", command=command(LISTENS + code)) as process:
        assert process.address == "unix:/nowhere"
        with pytest.raises(MigrationError, match=why):
            process.afterwards()


def test_one_that_does_not_end_is_reaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_processes, "STOP_SECONDS", 0.2)
    with destination_process("unix", command=command(LISTENS + "import time; time.sleep(600)")) as process:
        with pytest.raises(MigrationError, match="still goes on"):
            process.afterwards()
        kept = process._process
    assert kept.poll() is not None


@pytest.mark.parametrize("code", ["import sys; sys.exit('no such thing')", "raise SystemExit(3)"])
def test_one_that_does_not_start_is_quoted(code: str) -> None:
    with (
        pytest.raises(MigrationError, match="the destination process did not start"),
        destination_process("tcp", command=command(code)),
    ):
        pytest.fail("there is no process to talk to")
