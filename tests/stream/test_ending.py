"""Where a payload may end, asked place by place."""

from __future__ import annotations

from vnetmig.stream.ending import Ending, Surroundings


def test_without_a_footer_the_length_decides_while_nothing_is_sure() -> None:
    """The first section of a stream that may have footers or not."""
    around = Surroundings(True, (), False)
    ends = Ending(memoryview(bytes(64)), around, 5, footers=False, sure=False, length=40)
    assert [place for place in range(60) if ends(place)] == [40]
    footer = bytes(20) + b"\x7e\0\0\0\5" + bytes(39)
    ends = Ending(memoryview(footer), around, 5, footers=False, sure=False, length=40)
    assert [place for place in range(60) if ends(place)] == [20, 40]
