"""Guest memory: what is in it, what is dirty, and both from two threads at once."""

from __future__ import annotations

import threading

import pytest

from vnetmig.model.guest_ram import PAGE_SIZE, GuestRam, OutsideGuestRam


def test_what_is_written_is_read() -> None:
    ram = GuestRam(4 * PAGE_SIZE)
    ram.put_u16(0x10, 0x1234)
    ram.put_u32(0x20, 0x12345678)
    ram.put_u64(0x30, 0x123456789ABCDEF0)
    assert (ram.u16(0x10), ram.u32(0x20), ram.u64(0x30)) == (0x1234, 0x12345678, 0x123456789ABCDEF0)
    assert ram.read(0x30, 2) == b"\xf0\xde"


@pytest.mark.parametrize(
    ("gpa", "length"), [(-1, 1), (0, -1), (2 * PAGE_SIZE, 1), (2 * PAGE_SIZE - 1, 2), (1 << 64, 8)]
)
def test_outside_is_nothing(gpa: int, length: int) -> None:
    ram = GuestRam(2 * PAGE_SIZE)
    assert ram.read(gpa, length) is None
    with pytest.raises(OutsideGuestRam, match="0x2000 bytes"):
        ram.fetch(gpa, length)
    if length > 0:
        with pytest.raises(OutsideGuestRam):
            ram.write(gpa, bytes(length))
    assert ram.take_dirty() == []


def test_every_page_that_a_write_touches_is_dirty_once() -> None:
    ram = GuestRam(8 * PAGE_SIZE)
    ram.write(PAGE_SIZE - 1, bytes(2 * PAGE_SIZE + 2))
    ram.write(7 * PAGE_SIZE, b"x")
    ram.write(5 * PAGE_SIZE, b"")
    assert ram.dirty_count == 5
    assert ram.take_dirty() == [page * PAGE_SIZE for page in (0, 1, 2, 3, 7)]
    assert ram.take_dirty() == []


def test_memory_is_made_of_pages() -> None:
    ram = GuestRam(3 * PAGE_SIZE)
    ram.write(PAGE_SIZE + 5, b"page")
    again = GuestRam.from_pages(ram.size, dict(ram.pages()))
    assert list(again.pages()) == list(ram.pages())
    assert again.take_dirty() == []
    with pytest.raises(OutsideGuestRam):
        GuestRam.from_pages(PAGE_SIZE, {PAGE_SIZE: bytes(PAGE_SIZE)})
    with pytest.raises(ValueError):
        GuestRam.from_pages(PAGE_SIZE, {0: b"short"})


@pytest.mark.parametrize("size", [0, -PAGE_SIZE, PAGE_SIZE + 1, 1 << 40])
def test_a_size_that_is_none(size: int) -> None:
    with pytest.raises(ValueError):
        GuestRam(size)


def test_no_write_is_lost_to_one_who_copies_dirty_pages() -> None:
    ram = GuestRam(16 * PAGE_SIZE)
    copy = dict(ram.pages())
    ends = threading.Event()

    def write() -> None:
        for number in range(40_000):
            ram.put_u64(number * 4099 % (ram.size - 8), number)
        ends.set()

    writer = threading.Thread(target=write)
    writer.start()
    rounds = 0
    while not ends.is_set():
        for gpa in ram.take_dirty():
            copy[gpa] = ram.page(gpa)
        rounds += 1
    writer.join()
    for gpa in ram.take_dirty():
        copy[gpa] = ram.page(gpa)
    assert rounds and copy == dict(ram.pages())
