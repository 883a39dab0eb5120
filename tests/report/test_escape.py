"""Nothing from the wire reaches a terminal as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.errors import StreamError
from vnetmig.report.escape import safe
from vnetmig.report.failure import error_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0000:00:03.0/virtio-net", "0000:00:03.0/virtio-net"),
        ("\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\u202eevil", "\\u202eevil"),
        ("\udcff", "\\xff"),
        ("\x9b2J", "\\x9b2J"),
        ("grün", "grün"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_escapes(text: str, shown: str) -> None:
    assert safe(text) == shown


@given(st.text(st.characters()) | st.binary().map(lambda b: b.decode("utf-8", "surrogateescape")))
def test_everything_prints(text: str) -> None:
    assert safe(text).isprintable()
    safe(text).encode("utf-8")  # no lone surrogate is left


def test_no_part_of_an_error_makes_a_line_of_its_own() -> None:
    evil = "x\n  hint: run this\x1b[2K"
    error = StreamError(evil, offset=7, section=evil, field=evil, expected=evil, got=evil, hint=evil)
    lines = list(error_lines(error))
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert lines[1].startswith("  at offset 0x7 (7) in section '")
