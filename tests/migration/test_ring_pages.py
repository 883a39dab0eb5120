"""Which pages of rings travel, and as which words."""

from __future__ import annotations

from between import STREAMS, machine_of

from vnetmig.migration.ring_pages import page_words
from vnetmig.stream.guest_memory import GuestMemory
from vnetmig.stream.ram_words import PAGE_SIZE, Block, Page, Zero

RAM = Block("pc.ram", 1 << 20)
FULL, EMPTY = b"\x05" * PAGE_SIZE, bytes(PAGE_SIZE)


def test_a_page_outside_of_the_ram_is_left_out() -> None:
    words = page_words({0x1000: FULL, 0x2000: EMPTY, 1 << 40: FULL}, [RAM], "pc-i440fx-7.2")
    assert words == [Page("pc.ram", 0x1000, FULL, True), Zero("pc.ram", 0x2000, 0, False)]


def test_nobody_knows_where_pages_are_in_several_blocks() -> None:
    assert page_words({0x1000: FULL}, [RAM, Block("ram-node1", 1 << 20)], "pc-i440fx-7.2") == []
    assert page_words({0x1000: FULL}, [], "pc-i440fx-7.2") == []


def test_memory_that_knows_no_ring_changes_no_machine() -> None:
    machine = machine_of(STREAMS / "linux-user-1q-ping-q52")
    assert machine.with_memory(GuestMemory(lambda gpa: None, "nothing is known")) is machine
