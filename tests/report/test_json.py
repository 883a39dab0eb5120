"""The JSON writer gives what `json` gives, one flat object per line."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vnetmig.errors import StreamError
from vnetmig.report.json import Text, error_json, pieces, value_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_the_same_value_comes_back(value: Any) -> None:
    text = "".join(pieces(value))
    assert json.loads(text) == value
    assert text.isascii() and all(line.isprintable() for line in text.split("\n"))


def test_iterators_are_lists_and_flat_objects_lines() -> None:
    made = "".join(pieces({"a": ({"n": n, "list": [n]} for n in range(2)), "none": iter(())}))
    assert made == '{\n  "a": [\n    {"n": 0, "list": [0]},\n    {"n": 1, "list": [1]}\n  ],\n  "none": []\n}'


def test_values() -> None:
    assert value_json(b"\x00\xff") == "00ff"
    assert value_json((1, 2)) == [1, 2]
    assert value_json(1 << 63) == 1 << 63


def test_errors() -> None:
    error = StreamError("bad", offset=3, section="s", field="f", expected=1, got=b"x", hint="h")
    assert error_json(error) == {
        "message": "bad",
        "offset": 3,
        "section": "s",
        "field": "f",
        "expected": "1",
        "got": "b'x'",
        "hint": "h",
        "code": "malformed",
    }


def test_text_that_is_json_already_goes_as_it_is() -> None:
    assert "".join(pieces({"made": Text('{"n": 1}')})) == '{\n  "made": {"n": 1}\n}'
