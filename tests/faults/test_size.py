"""Size: ten thousand sections, and guests of 64 GiB that wrote nothing. Memory stays flat, and holes are not read.

With VNETMIG_COMPLETE=1 more verbs see more sections.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from big_streams import NET, many_nets, many_sections, write_holes
from command_line import stream_bytes
from spent import spent

import vnetmig
from vnetmig.document import large
from vnetmig.document.section import Section
from vnetmig.stream.holes import Holes
from vnetmig.stream.mapped_pieces import MappedPages
from vnetmig.stream.payload import Payload

COMPLETE = os.environ.get("VNETMIG_COMPLETE") == "1"
GIB = 1 << 30
HUGE = 64 * GIB
FLAT = 160
"""MiB. A process that reads a small stream has some 60 of them; half a million bits of a bitmap, 65,536 parts of a
guest's memory and the mapping's window of 8 MiB come on top."""
TOUCHED = 200_000
"""Page faults. To look at 64 GiB takes a million at least."""


def ram_of(stream: vnetmig.Stream) -> list[Payload]:
    return [event.payload for section in stream.sections if section.idstr == "ram" for event in section.payloads]


@pytest.fixture(scope="module")
def sections() -> bytes:
    return many_sections(10_000)


def test_ten_thousand_sections_are_loaded_looked_at_and_saved(sections: bytes, tmp_path: Path) -> None:
    stream = vnetmig.load(sections)
    assert len(stream.sections) == len(stream.devices) == 10_000
    assert stream.device("dev9999")["b"] == (9999).to_bytes(28, "big")
    target = tmp_path / "saved.qemu"
    assert stream.save(target) == len(sections)
    assert target.read_bytes() == sections


def test_a_device_is_found_by_name_without_a_walk_over_all(sections: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = vnetmig.load(sections)
    stream.device("dev0")
    asked = []
    kind = Section.type
    monkeypatch.setattr(Section, "type", property(lambda self: asked.append(self) or kind.fget(self)))
    for number in range(0, 10_000, 100):
        assert stream.device(f"dev{number}")["a"] == 0
    assert len(asked) < 10_000, "one walk is ten thousand"


def test_what_is_put_in_is_found_by_name() -> None:
    stream = vnetmig.load(many_sections(3))
    assert stream.device("dev2").idstr == "dev2"
    other = vnetmig.load(stream_bytes("linux-user-legacy-q72"))
    stream.add(other.device("virtio-net"))
    assert stream.device("virtio-net").idstr == other.device("virtio-net").idstr
    assert vnetmig.load(stream.encode()).devices == stream.devices


@pytest.mark.parametrize("verb", ["inspect", *(["check", "recode", "inspect --json"] if COMPLETE else [])])
@pytest.mark.parametrize("one_name", [False, True] if COMPLETE else [True])
def test_ten_thousand_sections_in_little_memory(verb: str, one_name: bool, tmp_path: Path) -> None:
    path = tmp_path / "many.qemu"
    path.write_bytes(many_sections(10_000, one_name=one_name))
    took = spent(*verb.split(), path)
    assert took.code == 0, took.said
    assert took.peak < 240


@pytest.mark.skipif(not COMPLETE, reason="VNETMIG_COMPLETE=1 is not set: half a gigabyte of devices")
@pytest.mark.parametrize("verb", ["inspect", "check"])
def test_ten_thousand_virtio_nets(verb: str, tmp_path: Path) -> None:
    path = tmp_path / "many.qemu"
    path.write_bytes(many_nets(10_000))
    took = spent(verb, path)
    assert took.code == 0, took.said
    assert took.peak < 1500


@pytest.mark.parametrize("verb", ["inspect", "check"])
def test_a_guest_of_holes(verb: str, tmp_path: Path) -> None:
    path = tmp_path / "holes.qemu"
    write_holes(path, HUGE)
    took = spent(verb, "--json", path)
    assert took.code == 0, took.said
    made = json.loads(took.out)
    if verb == "inspect":
        assert made["ram"]["blocks"][0]["used_length"] == HUGE
    assert took.peak < FLAT
    assert took.faults < TOUCHED


def test_pages_that_are_said_to_be_there_and_are_holes(tmp_path: Path) -> None:
    path = tmp_path / "holes.qemu"
    write_holes(path, 2 * GIB, present=True)
    took = spent("inspect", path)
    assert took.code == 0, took.said
    assert "524288 mapped page" in took.out
    assert took.peak < FLAT


def test_a_file_that_was_made_too_long(tmp_path: Path) -> None:
    path = tmp_path / "long.qemu"
    path.write_bytes(stream_bytes())
    os.truncate(path, HUGE)
    took = spent("inspect", path)
    assert took.code == 0, took.said
    assert f"{HUGE - len(stream_bytes())} bytes that no loader reads" in took.out
    assert took.peak < FLAT
    assert took.faults < TOUCHED


def test_memory_of_a_guest_of_holes_is_zero_and_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "holes.qemu"
    write_holes(path, 2 * GIB)
    stream = vnetmig.load(path)
    assert stream.memory is not None
    assert stream.memory.page(GIB) == bytes(4096)
    assert stream.memory.page(2 * GIB) is None
    assert "524288 pages" in stream.memory.origin
    assert stream.device(NET).save()


def test_holes_and_no_holes_give_the_same_document(tmp_path: Path) -> None:
    path = tmp_path / "holes.qemu"
    write_holes(path, 16 << 20)
    with path.open("r+b") as file:  # one page that no bit tells of, in a part of its own
        file.seek((3 << 20) + 5000)
        file.write(b"x")
    data = path.read_bytes()
    mapped, copied = vnetmig.load(path), vnetmig.load(data)
    assert mapped.encode() == copied.encode() == data
    assert ram_of(mapped) == ram_of(copied)
    assert [piece.extra for piece in ram_of(mapped) if isinstance(piece, MappedPages) and piece.extra]


def test_holes_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(b"x" * 4096)
        file.seek(4 << 20)
        file.write(b"x" * 4096)
        file.truncate(16 << 20)
    with path.open("rb") as file:
        data, holes = large.mapped(file)
    assert data[:4096] == b"x" * 4096 and len(data) == 16 << 20
    assert holes.cover(1 << 20, 4 << 20) and holes.cover(8 << 20, 16 << 20)
    assert not holes.cover(0, 4096) and not holes.cover(1 << 20, (4 << 20) + 1)


@pytest.mark.parametrize(
    ("start", "end", "covered"),
    [(10, 20, True), (9, 20, False), (10, 21, False), (15, 15, True), (20, 30, False), (30, 31, True), (0, 5, False)],
)
def test_spans(start: int, end: int, covered: bool) -> None:
    assert Holes([(10, 20), (30, 40)]).cover(start, end) is covered


def test_pages_are_the_same_mapped_or_copied(tmp_path: Path) -> None:
    path = tmp_path / "mapped.qemu"
    data = stream_bytes("mapped-ram-fw-q111")
    path.write_bytes(data)
    assert len(data) > large.MAPPED_FROM
    mapped, copied = vnetmig.load(path), vnetmig.load(data)
    parts = [piece for piece in ram_of(mapped) if isinstance(piece, MappedPages)]
    assert {type(piece.data) for piece in parts if any(piece.present)} == {memoryview}
    whole = hashlib.sha256()
    for piece in mapped.pieces():
        whole.update(piece)
    assert whole.digest() == hashlib.sha256(data).digest()
    others = [piece for piece in ram_of(copied) if isinstance(piece, MappedPages)]
    assert [list(piece.pages()) for piece in parts] == [list(piece.pages()) for piece in others]
