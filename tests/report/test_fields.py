"""Coverage counts what has a name, and elision leaves nothing out unsaid."""

from __future__ import annotations

import re

import pytest

import vnetmig
from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.report.device_text import fields_table, value_text
from vnetmig.report.fields import coverage, device_name, section_fields
from vnetmig.report.sections import described_by, virtio_sections
from vnetmig.vmstate.fields import Field, FieldMap


@pytest.fixture(scope="module")
def stream() -> Stream:
    return vnetmig.load(vnetmig.sample())


def net(stream: Stream) -> Section:
    return stream.device("virtio-net").section


def test_virtio_sections_are_covered(stream: Stream) -> None:
    found = virtio_sections(stream)
    assert len(found) == 6
    for section in found:
        counted = coverage(section)
        begin, end = section.payload_span
        assert counted.complete and counted.total == end - begin and counted.fields > 10_000


def test_a_byte_without_a_field_does_not_count(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    section = net(stream)
    assert section.record is not None
    stretches = list(section.record.fields().stretches())
    begin = section.payload_span[0]
    del stretches[100]
    shifted = [(begin + offset, size, count) for offset, size, count in stretches]
    monkeypatch.setattr(FieldMap, "stretches", lambda _: iter(shifted))
    assert not coverage(section).complete


def test_a_byte_with_two_fields_does_not_count_twice(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    section = net(stream)
    assert section.record is not None
    begin = section.payload_span[0]
    stretches = [(begin + offset, size, count) for offset, size, count in section.record.fields().stretches()]
    stretches.insert(101, stretches[100])
    monkeypatch.setattr(FieldMap, "stretches", lambda _: iter(stretches))
    assert coverage(section).named == coverage(section).total


def test_who_described_what(stream: Stream) -> None:
    kinds = {section.idstr: described_by(section) for section in stream.sections}
    assert kinds["ram"] == "ram"
    assert kinds["cpu"] == "vmdesc"
    assert kinds["0000:00:04.0/virtio-net"] == "virtio"


def test_elided_rows_and_shown_rows_are_all_fields(stream: Stream) -> None:
    section = net(stream)
    device = device_name(section)
    short = fields_table("", device, section_fields(section), everything=False)
    whole = fields_table("", device, section_fields(section), everything=True)
    hidden = [re.search(r"(\d+) elements, (\d+) fields, all zero", row[-1]) for row in short.rows]
    counted = sum(int(found[2]) for found in hidden if found)
    assert len(short.rows) - sum(1 for found in hidden if found) + counted == len(whole.rows)
    assert short.notes == [f"{counted} fields in 4 runs of zero elements are shown as one line each (--all)"]
    assert not whole.notes
    assert [row[0] for row in short.rows] == sorted((row[0] for row in short.rows), key=lambda x: int(x, 16))
    total = sum(int(row[1]) for row in short.rows)
    begin, end = section.payload_span
    assert total == end - begin


@pytest.mark.parametrize(
    ("path", "value", "kind", "text"),
    [
        ("mac", "52:54:00:12:34:56", "mac", "52:54:00:12:34:56"),
        ("vq[0].num", 1024, "uint32", "1024"),
        ("vq[0].desc", 0x9938000, "uint64", "0x9938000"),
        ("extra_state.pci.modern_state.vqs[0].desc[0]", 0x9938000, "uint32", "0x9938000"),
        ("pci.config.vendor_id", 0x1AF4, "le", "0x1af4"),
        ("x", True, "bool", "true"),
        ("x", -3, "int32", "-3"),
        ("x", bytes(9), "buffer", "all zero"),
        ("x", bytes(range(40)), "buffer", f"{bytes(range(32)).hex(' ', -4)} ... (40 bytes)"),
    ],
)
def test_values(path: str, value: object, kind: str, text: str) -> None:
    assert value_text(path, Field(value, 0, 8, kind)) == text  # type: ignore[arg-type]
