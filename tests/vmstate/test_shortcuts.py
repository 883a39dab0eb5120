"""A path that needs no walk leads where the walk leads."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

import vnetmig
from vnetmig.errors import FieldError
from vnetmig.vmstate import UINT8, UINT16, Const, Field, Program, Record, Ref, Struct, Vmsd, shortcuts
from vnetmig.vmstate.table import below, parts

STREAMS = Path(__file__).resolve().parent.parent / "streams"


def walked(record: Record, path: str) -> object:
    """Without any shortcut."""
    spot, index, rest = record._find(path)
    return record._get(spot.node, path, *record.values_in(spot), index, rest)


@pytest.mark.parametrize("name", ["linux-multi-q72", "microvm-mmio-q72", "inflight-packed-q72", "s390x-fw-q72"])
def test_every_path_of_real_devices(name: str) -> None:
    stream = vnetmig.load(lzma.decompress((STREAMS / name / "stream.bin.xz").read_bytes()), partial=True)
    seen = 0
    for section in stream.sections:
        record = section.record
        if record is None:
            continue
        for path in record.program.placed:
            try:
                expected = walked(record, path)
            except FieldError:
                assert path not in record
                continue
            assert record[path] == expected
            seen += 1
    assert seen > 20


BYTE = Field("a", UINT8)
TWICE = Vmsd(
    "twice",
    1,
    (
        Field("which", UINT8),
        Field("same", UINT8, when=Ref("which") <= Const(0)),
        Field("same", UINT16, when=Const(1) <= Ref("which")),
        Field("many", UINT8, Ref("which")),
        Struct("part", Vmsd("part", 1, (BYTE,)), when=Const(1) <= Ref("which")),
        Struct("part", Vmsd("part", 1, (Field("a", UINT16),))),
    ),
)


def test_fields_of_one_name_that_are_there_by_turns() -> None:
    program = Program(TWICE)
    first = program.load(bytes.fromhex("00 11 2222")).record
    second = program.load(bytes.fromhex("01 3333 44 55 6666")).record
    assert (first["same"], first["many"], first["part.a"]) == (0x11, (), 0x2222)
    assert (second["same"], second["many"], second["part.a"]) == (0x3333, (0x44,), 0x55)
    assert "part.a" not in program.placed, "which of them it is depends on a value"


def test_what_stands_behind_subsections_is_walked_to() -> None:
    sub = Vmsd("outer/sub", 1, (BYTE,))
    inner = Vmsd("inner", 1, (BYTE,), (sub,))
    found = shortcuts.placed(Program(Vmsd("outer", 1, (BYTE, Struct("", inner), Field("b", UINT8)))).children)
    assert list(found) == ["a"]


@pytest.mark.parametrize(
    "name", ["linux-multi-q72", "microvm-mmio-q72", "inflight-packed-q72", "linux-tap-4q-rss-q100"]
)
def test_where_fields_begin(name: str) -> None:
    """As a walk has it; what is behind the first array is left to the walk."""
    stream = vnetmig.load(lzma.decompress((STREAMS / name / "stream.bin.xz").read_bytes()))
    for net in stream.nets():
        record = net.record
        wires: dict[str, int] = {}
        for spot in record.walk():
            wires.setdefault(spot.path.removesuffix("[0]"), spot.wire)
        found = {path: begin for path in wires if (begin := record.begin_of(path)) is not None}
        assert {"status", "num_queues", "vq"} <= found.keys()
        assert found == {path: wires[path] for path in found}
        assert record.begin_of("conf") is record.begin_of("mac") is record.begin_of("vq[0].num") is None


def test_subsections_of_subsections() -> None:
    stream = vnetmig.load(lzma.decompress((STREAMS / "linux-tap-4q-rss-q100" / "stream.bin.xz").read_bytes()))
    record = stream.nets()[0].record
    extra = parts(record)["extra_state"]
    modern = below(extra)["modern_state"]
    assert modern.value("gfselect") == record["extra_state.pci.modern_state.gfselect"]
    assert below(modern) == {}
    record.add("extra_state.pci.modern_state.features128", 1)
    assert list(below(below(parts(record)["extra_state"])["modern_state"])) == ["features128"]
