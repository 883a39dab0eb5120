"""What is told of a capture, of a stream that was sent, of one that was served."""

from __future__ import annotations

from collections.abc import Iterable

from account_of_sample import watched

from vnetmig.qemu.capture import Captured
from vnetmig.qemu.send import Sent
from vnetmig.qemu.serve import Served
from vnetmig.report.blocks import Block
from vnetmig.report.live import captured_blocks, sent_blocks, served_blocks
from vnetmig.report.text import plain


def lines(blocks: Iterable[Block]) -> list[str]:
    return [" ".join(line.split()) for line in plain(blocks)]


def test_a_capture_without_ram() -> None:
    made = Captured("vm.qemu", 900, "dropped", 5000, 0.0123, 1.5, "running", "running", watched(), ("a note",))
    said = lines(captured_blocks(made))
    assert said[0] == "vm.qemu: 900 bytes" and said[-1] == "a note"
    assert "machine pc-i440fx-10.0" in said
    assert "RAM left out in flight: for reading, no QEMU can load it (5000 bytes)" in said
    assert "guest stood still 12.3 ms" in said and "status running" in said


def test_a_capture_of_a_guest_that_did_not_run() -> None:
    said = lines(captured_blocks(Captured("vm.qemu", 900, "whole", 0, None, 1.5, "paused", "postmigrate", watched())))
    assert "RAM all of it" in said and "guest stood still it did not run" in said
    assert "status postmigrate (before: paused)" in said


def test_the_status_there_is_told_when_it_was_asked_for() -> None:
    assert "status there running" in lines(sent_blocks(Sent("loaded", "it runs", 9, 9, 1.0, status="running")))
    assert not any("status" in line for line in lines(sent_blocks(Sent("loaded", "it closed", 9, 9, 1.0))))


def test_what_was_served() -> None:
    said = lines(served_blocks(Served("vm.qemu", 900, (("vm.qemu.channel1", 64),), 0, True, True, 2.0, watched())))
    assert "vm.qemu: 900 bytes" in said and "multifd vm.qemu.channel1: 64 bytes" in said
    assert "source stopped: it has heard that all is well" in said and "switchover ack sent" in said
