"""Leaves follow each other without a gap, whatever the fields leave out; equal elements become runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.report.html.tree import COMPONENTS_MAX, RUN, Kind, Node, add_fields, components, fold_runs
from vnetmig.vmstate.fields import Field


def describe(path: str, found: Field) -> tuple[str, str]:
    return str(found.value), ""


def grown(*leaves: tuple[str, int, int], end: int, values: dict[str, int] | None = None) -> Node:
    """A node with (path, offset, size) below it."""
    node = Node("section", Kind.SECTION, 0)
    fields = [(path, Field((values or {}).get(path, 0), at, size, "uint8")) for path, at, size in leaves]
    add_fields(node, fields, describe, 0, end)
    return node


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("status", ["status"]),
        ("vq[3].num", ["vq", "[3]", "num"]),
        ("a[1][2]", ["a", "[1]", "[2]"]),
        ("[0].x", ["[0]", "x"]),
        ("started.#name", ["started", "#name"]),
    ],
)
def test_components(path: str, parts: list[str]) -> None:
    assert components(path) == parts


def test_a_name_of_dots_does_not_become_a_well() -> None:
    assert len(components("a." * 10_000)) == COMPONENTS_MAX + 1
    node = grown(("a." * 10_000, 0, 1), end=1)
    fold_runs(node, memoryview(bytes(1)))
    assert max(level for level, _ in node.walk()) == COMPONENTS_MAX + 1


def test_structs_and_arrays() -> None:
    node = grown(("vq[0].num", 0, 4), ("vq[0].desc", 4, 8), ("vq[1].num", 12, 4), ("mac", 16, 6), end=22)
    assert [child.name for child in node.children] == ["vq", "mac"]
    queues = node.children[0]
    assert queues.kind == Kind.ARRAY and [child.name for child in queues.children] == ["[0]", "[1]"]
    assert [leaf.name for leaf in queues.leaves()] == ["num", "desc", "num"]
    assert node.below("vq", "[1]", "num").offset == 12
    assert node.below("vq", "[7]", "num") is queues


def test_what_no_field_covers_is_shown() -> None:
    node = grown(("a", 2, 2), ("b", 6, 1), end=9)
    assert [(leaf.kind, leaf.offset, leaf.size) for leaf in node.leaves()] == [
        (Kind.UNNAMED, 0, 2),
        (Kind.FIELD, 2, 2),
        (Kind.UNNAMED, 4, 2),
        (Kind.FIELD, 6, 1),
        (Kind.UNNAMED, 7, 2),
    ]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=40), st.integers(0, 5))
def test_leaves_are_a_partition(spans: list[tuple[int, int]], rest: int) -> None:
    leaves, at = [], 0
    for number, (gap, size) in enumerate(spans):
        leaves.append((f"x[{number // 2}].y{number % 2}", at + gap, size))
        at += gap + size
    node = grown(*leaves, end=at + rest)
    fold_runs(node, memoryview(bytes(at + rest)))
    position = 0
    for leaf in node.leaves():
        assert leaf.offset == position
        position += leaf.size
    assert position == at + rest


def element_values(*numbers: int) -> Node:
    """An array x of one-byte elements."""
    leaves = [(f"x[{i}]", i, 1) for i in range(len(numbers))]
    node = grown(*leaves, end=len(numbers), values={f"x[{i}]": number for i, number in enumerate(numbers)})
    fold_runs(node, memoryview(bytes(numbers)))
    return node.children[0]


def test_equal_neighbours_become_a_run() -> None:
    array = element_values(7, 8, *[0] * RUN, 9, *[5] * RUN)
    assert [(child.name, child.kind) for child in array.children] == [
        ("[0]", Kind.FIELD),
        ("[1]", Kind.FIELD),
        (f"[2..{RUN + 1}]", Kind.RUN),
        (f"[{RUN + 2}]", Kind.FIELD),
        (f"[{RUN + 3}..{2 * RUN + 2}]", Kind.RUN),
    ]
    zero, fives = array.children[2], array.children[4]
    assert zero.value == f"{RUN} elements, all zero" and fives.value == f"{RUN} equal elements"
    assert (zero.offset, len(zero.children)) == (2, RUN)
    assert array.below("[3]").offset == 3, "an element in a run is found by its own name"


def test_few_equal_neighbours_stay() -> None:
    assert len(element_values(1, *[0] * (RUN - 1)).children) == RUN


def test_an_array_of_equals_needs_no_run() -> None:
    array = element_values(*[0] * 1024)
    assert array.value == "1024 elements, all zero" and len(array.children) == 1024


def test_elements_that_differ_in_one_field_are_not_equal() -> None:
    leaves = [(f"x[{i // 2}].{'ab'[i % 2]}", i, 1) for i in range(4 * RUN)]
    node = grown(*leaves, end=4 * RUN, values={f"x[{RUN}].b": 1})
    data = bytearray(4 * RUN)
    data[2 * RUN + 1] = 1
    fold_runs(node, memoryview(data))
    assert [child.name for child in node.children[0].children] == [
        f"[0..{RUN - 1}]",
        f"[{RUN}]",
        *[f"[{i}]" for i in range(RUN + 1, 2 * RUN)],
    ]
