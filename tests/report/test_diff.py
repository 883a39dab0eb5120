"""Differences of two streams as text and JSON: what seldom differs."""

from __future__ import annotations

from vnetmig.analysis.diff import Difference
from vnetmig.analysis.ram_difference import RamDifference
from vnetmig.analysis.section_difference import BytesDifference, SectionDifference, SetDifference
from vnetmig.report.diff import diff_blocks, diff_json
from vnetmig.report.text import plain


def lines(found: Difference) -> list[str]:
    return [" ".join(line.split()) for line in plain(diff_blocks(found))]


def test_sections_of_one_side() -> None:
    found = Difference(only_a=(("timer", 0, "full"),), only_b=(("vga", 1, "full"),))
    assert lines(found)[:3] == ["sections only in a", "idstr instance type", "timer 0 full"]
    assert "sections only in b" in lines(found) and "vga 1 full" in lines(found)
    assert diff_json(found)["only_b"] == [{"idstr": "vga", "instance_id": 1, "type": "full"}]


def test_bytes_that_no_field_explains() -> None:
    section = SectionDifference("nic", 0, "full", "", bytes=BytesDifference(0x100, 0x110, 8, 9, 4))
    assert "bytes 8 in a, 9 in b; they differ from 0x104 in a, 0x114 in b" in lines(Difference(sections=(section,)))


def test_a_set_in_another_order() -> None:
    section = SectionDifference("nic", 0, "full", "", sets=(SetDifference("vlans", (), (), order=True),))
    assert "vlans the same, in another order" in lines(Difference(sections=(section,)))


def test_ram_that_cannot_be_compared() -> None:
    found = Difference(only_a=(("timer", 0, "full"),), ram=RamDifference(unknown="a delta of an unknown page"))
    assert "pages not compared: a delta of an unknown page" in lines(found)
