from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.analysis.downtime.timestamp import written_at


@pytest.mark.parametrize(
    ("front", "when"),
    [
        ("18509@1795421112.547985:", 1795421112547985),
        ("Nov 23 08:06:43 node1 qemu[77]: 18509@1795421112.547985:", 1795421112547985),
        ("2026-11-23T08:06:43.827573Z ", 1795421203827573),
        ("2026-11-23T08:06:43Z ", 1795421203000000),
        ("2026-11-23 08:06:43.827+0000: ", 1795421203827000),
        ("2026-11-23 03:06:43.827-0500: ", 1795421203827000),
        ("2026-11-23 13:36:43.827573+05:30 ", 1795421203827573),
        ("2020-01-01 00:00:00.000+0000: 2026-11-23T08:06:43.827573Z ", 1795421203827573),
        ("", None),
        ("qemu: ", None),
        ("2026-13-23T08:06:43.827573Z ", None),
        ("2026-11-23T25:06:43.827573Z ", None),
        ("18509@1795421112.5:", None),
        ("2026-11-23 08:06:43 ", None),  # without a zone it is some clock's
    ],
)
def test_forms(front: str, when: int | None) -> None:
    assert written_at(front) == when


@given(st.text(max_size=200))
def test_any_text(front: str) -> None:
    when = written_at(front)
    assert when is None or abs(when) < 1 << 62
