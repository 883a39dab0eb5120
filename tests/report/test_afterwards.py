"""What a destination prints is read back as it was, or refused with a reason."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import there

from vnetmig.errors import MigrationError
from vnetmig.report.afterwards import JSON_MAX, Afterwards, afterwards_json, read_afterwards

FOUND = there(lost=None, failure="a packet is lost")


def printed(found: Afterwards = FOUND) -> dict[str, Any]:
    made = afterwards_json(found)
    assert isinstance(made, dict)
    return dict(made)


@pytest.mark.parametrize("found", [FOUND, Afterwards(), there(lost=3)])
def test_there_and_back(found: Afterwards) -> None:
    assert read_afterwards(json.dumps({"loaded": True, **printed(found)}).encode()) == found


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"null", b"7", b'"x"', b"[]", b"{}", b"\xff", b"[" * 100_000, b" " * JSON_MAX + b"{}"]
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(MigrationError, match="the destination process was to say"):
        read_afterwards(data)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("guest", "steps"), "many"),
        (("guest", "steps"), True),
        (("guest", "steps"), 1 << 64),
        (("guest", "lost"), 1.5),
        (("guest", "failure"), "x" * 5000),
        (("guest", "counters"), {"steps": None}),
        (("guest", "counters"), {str(n): n for n in range(65)}),
        (("guest",), []),
        (("backends",), {}),
        (("backends",), [{}]),
        (("backends",), [7] * 5000),
        (("backends", 0, "kind"), None),
        (("backends", 0, "commit", "items"), None),
        (("backends", 0, "prepare"), 0),
    ],
)
def test_a_value_of_another_kind_is_refused(path: tuple[str | int, ...], value: Any) -> None:
    root: Any = copy.deepcopy(json.loads(json.dumps(printed())))
    node = root
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    with pytest.raises(MigrationError, match="without a usable"):
        read_afterwards(json.dumps(root).encode())


KEYS = st.sampled_from(["guest", "backends", "steps", "idstr"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(ANYTHING)
def test_anything_is_read_or_refused(value: Any) -> None:
    try:
        found = read_afterwards(json.dumps(value).encode())
    except MigrationError:
        return
    assert isinstance(found, Afterwards)
