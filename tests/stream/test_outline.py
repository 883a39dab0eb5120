"""An outline says what the careful parser would; where it cannot be sure, it says nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.errors import StreamError
from vnetmig.stream.outline import lengths, named, number, outline
from vnetmig.stream.vmdesc_json import DEPTH_MAX, JsonObject, Style, parse, render

TEXT = (
    b'{"page_size": 4096, "devices": [{"name": "timer", "instance_id": 0, "fields": [{"name": "a[0].{b", "size": 8}]},'
    b' {"name": "q", "instance_id": 1, "fields": [{"size": 2, "vmsd_name": "x", "vmsd_name": "y", "array_len": 3}]}]}'
)


def careful(text: bytes) -> tuple[object, list[object], object]:
    root = parse(text)
    entries = root.get("devices")
    found = list(named((entry, entry) for entry in (entries if isinstance(entries, list) else [])))
    devices: list[object] = [(d.name, d.instance_id, d.occurrence, d.json) for d, _ in found]
    return number(root.get("page_size")), devices, lengths(found)


def agrees(text: bytes) -> bool:
    """Is there an outline? Then it is the careful one."""
    found = outline(text)
    if found is None:
        return False
    devices = [(d.name, d.instance_id, d.occurrence, d.json) for d in found.devices]
    assert (found.page_size, devices, found.lengths) == careful(text)
    return True


def test_a_text_of_qemu() -> None:
    assert agrees(TEXT)
    found = outline(TEXT)
    assert found is not None
    assert found.lengths == {("timer", 0): [8], ("q", 1): [6]}
    assert [key for key, _ in found.devices[1].json["fields"][0].pairs] == [
        "size",
        "vmsd_name",
        "vmsd_name",
        "array_len",
    ]
    assert outline(bytes(bytearray(TEXT))) is found


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b" { } ",
        b'{"devices": {}}',
        b'{"devices": []}',
        b'{"devices": [], "devices": [{"name": "a", "instance_id": 0}]}',
        b'{"devices": [{"name": "a", "instance_id": 0}], "devices": 5}',
        b'{"devices": [5, {}, {"name": "a"}, {"name": 1, "instance_id": 0}, {"name": "a", "instance_id": -1}]}',
        b'{"page_size": true}',
        b'{"page_size": 1, "page_size": 2}',
        b'{"a": ' * DEPTH_MAX + b"1" + b"}" * DEPTH_MAX,
        b'{"a": "' + b"[" * 200 + b'"}',
        b'{"a": "}}}", "b": "{{"}',
    ],
)
def test_unusual_texts(text: bytes) -> None:
    assert agrees(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"{} x",
        b'{"a": 1,}',
        b"{5: 1}",
        b'{"a" 1}',
        b'{"devices": [1,]}',
        b'{"devices": [1 2]}',
        b'{"a": ' * (DEPTH_MAX + 1) + b"1" + b"}" * (DEPTH_MAX + 1),
        b'{"a": ' + b"[" * DEPTH_MAX + b'"]"' + b"]" * DEPTH_MAX + b"}",
        b'{"a": ' + b"1" * 5000 + b"}",
        b"[" * 100_000,
    ],
    ids=range(14),
)
def test_what_the_careful_parser_refuses_has_no_outline(text: bytes) -> None:
    with pytest.raises(StreamError):
        parse(text)
    assert outline(text) is None


@pytest.mark.parametrize(
    "text",
    [b'{"a": "\xc3\xa9"}', b'{"a": "\\n"}', b'{"devices": [{"name": "a", "instance_id": 0, "fields": [{}]}]}'],
    ids=["not ascii", "escaped", "no size"],
)
def test_what_is_left_to_the_careful_parser(text: bytes) -> None:
    assert outline(text) is None
    parse(text)


WORDS = st.sampled_from(
    ["name", "instance_id", "fields", "size", "array_len", "subsections", "vmsd_name", "{", "]", ""]
)
NUMBERS = st.sampled_from([0, 1, 7, -1, 1 << 33, True])
TREES = st.recursive(
    WORDS | NUMBERS | st.none() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(WORDS, inner), max_size=5).map(JsonObject),
    max_leaves=30,
)


@given(st.lists(TREES, max_size=4), NUMBERS, st.sampled_from(Style))
def test_any_devices(devices: list[object], page_size: int, style: Style) -> None:
    text = render(JsonObject([("page_size", page_size), ("devices", devices)]), style).encode()
    if not agrees(text):
        with pytest.raises(StreamError):
            careful(text)


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 255))
def test_any_flip(at: int, value: int) -> None:
    text = bytearray(TEXT)
    text[at] = value
    if outline(bytes(text)) is not None:
        assert agrees(bytes(text))
