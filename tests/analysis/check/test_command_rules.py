"""Commands in front of a device, and what real QEMUs said to each."""

from __future__ import annotations

import errno

import pytest
from altered import NET, judged, refusals, valid

from vnetmig.analysis.check.command_rules import commands
from vnetmig.analysis.finding import Severity
from vnetmig.analysis.release import Release
from vnetmig.stream import framing
from vnetmig.stream.events import Command

DENIED = "load of migration failed: Operation not permitted: "
INVALID = "load of migration failed: Invalid argument: "


def with_command(qemu: str, number: int, body: bytes = b"", length: int | None = None) -> bytes:
    found = valid("1q", qemu)
    at = found.headers[NET]
    size = len(body) if length is None else length
    return found.data[:at] + b"\x08" + number.to_bytes(2, "big") + size.to_bytes(2, "big") + body + found.data[at:]


#   qemu  number  body   rule                  QEMU's first line
REFUSED = [
    ("q72", 0, b"", "command-unknown", "MIG_CMD 0x0 unknown (len 0x0)"),
    ("q72", 11, b"", "command-unknown", "MIG_CMD 0xb unknown (len 0x0)"),
    ("q72", 12, b"", "command-unknown", "MIG_CMD 0xc unknown (len 0x0)"),
    ("q111", 99, b"", "command-unknown", INVALID + "MIG_CMD 0x63 unknown (len 0x0)"),
    ("q72", 2, bytes(3), "command-length", "PING received with bad length - expecting 4, got 3"),
    ("q72", 1, bytes(4), "command-length", "OPEN_RETURN_PATH received with bad length - expecting 0, got 4"),
    ("q72", 2, b"\0\0\0\1", "ping", "CMD_PING (0x1) received with no return path"),
    ("q111", 2, b"\0\0\0\1", "ping", DENIED + "CMD_PING (0x1) received with no return path"),
    ("q72", 4, b"", "postcopy-state", "CMD_POSTCOPY_LISTEN in wrong postcopy state (0)"),
    ("q72", 5, b"", "postcopy-state", "CMD_POSTCOPY_RUN in wrong postcopy state (0)"),
    ("q111", 5, b"", "postcopy-state", DENIED + "CMD_POSTCOPY_RUN in wrong postcopy state (0)"),
    ("q72", 10, b"", "bitmap-length", "loadvm_handle_recv_bitmap: invalid payload length (0)"),
    ("q111", 8, b"", "command-deprecated", INVALID + "MIG_CMD 0x8 deprecated (len 0x0)"),
    (
        "q100",
        8,
        b"",
        "colo",
        "ENABLE_COLO command come in migration stream, but x-colo capability is not set",
    ),
]


@pytest.mark.parametrize(
    ("qemu", "number", "body", "rule", "message"), REFUSED, ids=[f"{one[0]}-{one[1]}-{one[3]}" for one in REFUSED]
)
def test_a_command_that_is_refused(qemu: str, number: int, body: bytes, rule: str, message: str) -> None:
    assert refusals("1q", qemu, with_command(qemu, number, body)) == [(rule, message)]


@pytest.mark.parametrize(("qemu", "number"), [("q72", 1), ("q72", 3), ("q72", 9), ("q111", 11)])
def test_a_command_that_is_taken(qemu: str, number: int) -> None:
    assert refusals("1q", qemu, with_command(qemu, number)) == []


def test_a_resume_is_complained_of() -> None:
    (found,) = judged("1q", "q72", with_command("q72", 9))
    assert found.severity == Severity.WARNING
    assert found.message == "loadvm_postcopy_handle_resume: illegal resume received"


def test_checkpoints_are_waited_for() -> None:
    assert judged("1q", "q72", with_command("q72", 8)).verdict == "QEMU would hang"


def test_the_order_that_leads_to_postcopy() -> None:
    order = [framing.POSTCOPY_ADVISE, framing.POSTCOPY_LISTEN, framing.POSTCOPY_RUN]
    release = Release.parse("7.2")
    assert list(commands([Command(number) for number in order], release)) == []
    for missing in (0, 1):
        left = [Command(number) for index, number in enumerate(order) if index != missing]
        first = next(commands(left, release))
        assert (first.rule, first.code) == ("postcopy-state", errno.EPERM)
