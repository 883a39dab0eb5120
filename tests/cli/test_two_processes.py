"""A destination process that is none: what it says, or does not say, is an error and nothing worse."""

from __future__ import annotations

import signal
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


def test_one_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_processes, "START_SECONDS", 0.2)
    with (
        pytest.raises(MigrationError, match=r"did not start: nothing heard of it for 0\.2 s"),
        destination_process("unix", command=command("import time; time.sleep(600)")),
    ):
        pytest.fail("there is no process to talk to")


def test_one_that_does_not_end_is_reaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_processes, "STOP_SECONDS", 0.2)
    with destination_process("unix", command=command(LISTENS + "import time; time.sleep(600)")) as process:
        with pytest.raises(MigrationError, match="still goes on"):
            process.afterwards()
        kept = process._process
    assert kept.poll() is not None


def test_one_that_says_a_lot_while_nobody_reads_goes_on() -> None:
    """More than a pipe holds."""
    code = LISTENS + "sys.stderr.write('x' * (1 << 20)); print('[]')"
    with (
        destination_process("unix", command=command(code)) as process,
        pytest.raises(MigrationError, match="without a usable"),
    ):
        process.afterwards()


def test_the_address_may_come_behind_other_lines_and_in_pieces() -> None:
    code = (
        "import sys, time; sys.stderr.write('a warning\\nlistening on unix:/no'); sys.stderr.flush(); "
        "time.sleep(0.1); sys.stderr.write('where\\n')"
    )
    with destination_process("unix", command=command(code)) as process:
        assert process.address == "unix:/nowhere"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import sys; sys.exit('no such thing')", "no such thing"),
        ("import sys; sys.stderr.write('one\\ntwo\\n')", "one; two"),
        ("raise SystemExit(3)", "it ended with exit code 3 and said nothing"),
    ],
)
def test_one_that_does_not_start_is_quoted(code: str, why: str) -> None:
    with (
        pytest.raises(MigrationError, match=f"the destination process did not start: {why}"),
        destination_process("tcp", command=command(code)),
    ):
        pytest.fail("there is no process to talk to")


def test_one_that_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_processes, "STOP_SECONDS", 0.2)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + LISTENS + "time.sleep(600)"
    with destination_process("unix", command=command(deaf)) as process:
        kept = process._process
    assert kept.poll() == -signal.SIGKILL
