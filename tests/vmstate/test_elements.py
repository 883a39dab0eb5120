"""Entries put into and taken out of arrays at a place; subsections by either of their names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.errors import FieldError
from vnetmig.vmstate import MAC, UINT8, UINT16, Field, Program, Record, Ref, Struct, Vmsd, elements

ENTRY = Vmsd("entry", 1, (Field("a", UINT8), Field("b", UINT16)))
SUB = Vmsd("demo/sub", 3, (Field("x", UINT8),), minimum_version=2)
DEMO = Vmsd(
    "demo",
    1,
    (
        Field("num", UINT8),
        Field("table", UINT16, Ref("num"), limit=8),
        Field("entries_num", UINT8),
        Struct("entries", ENTRY, Ref("entries_num"), limit=8),
        Field("twice", UINT8, Ref("num") * 2),
        Field("fixed", MAC, 2),
    ),
    (SUB,),
)
PLAIN = Vmsd("plain", 1, DEMO.fields[:4])


def record(table: list[int], entries: list[int]) -> Record:
    made = Program(PLAIN).new_record()
    made.resize("table", len(table))
    made["table"] = tuple(table)
    made.resize("entries", len(entries))
    for i, value in enumerate(entries):
        made[f"entries[{i}].b"] = value
    return made


@given(st.lists(st.integers(0, 65535), max_size=7), st.data())
def test_an_entry_goes_in_at_its_place_and_out_again(table: list[int], data: st.DataObject) -> None:
    made = record(table, [1, 2])
    before = made.save()
    place, value = data.draw(st.integers(0, len(table))), data.draw(st.integers(0, 65535))
    elements.insert(made, "table", place)
    assert made[f"table[{place}]"] == 0
    made[f"table[{place}]"] = value
    assert made["table"] == (*table[:place], value, *table[place:]) and made["num"] == len(table) + 1
    assert made.program.load(made.save()).record["table"] == made["table"]
    elements.remove(made, "table", place)
    assert made.save() == before


def test_structs_move_whole() -> None:
    made = record([], [10, 20, 30])
    elements.insert(made, "entries", 1)
    assert [made[f"entries[{i}].b"] for i in range(4)] == [10, 0, 20, 30]
    elements.remove(made, "entries", 0)
    assert [made[f"entries[{i}].b"] for i in range(3)] == [0, 20, 30]


@pytest.mark.parametrize(("path", "place"), [("table", 3), ("table", -1), ("entries", 3)])
def test_a_place_that_is_none(path: str, place: int) -> None:
    made = record([1, 2], [1, 2])
    before = made.save()
    with pytest.raises(FieldError, match="there are 2 elements"):
        elements.insert(made, path, place)
    with pytest.raises(FieldError, match="index"):
        elements.remove(made, path, 2 if place > 0 else place)
    assert made.save() == before


@pytest.mark.parametrize("path", ["fixed", "twice"])
def test_an_array_whose_number_is_not_its_own(path: str) -> None:
    made = Program(DEMO).new_record()
    made.resize("table", 1)
    made.resize("twice", 2)
    before = made.save()
    with pytest.raises(FieldError, match=r"fixed number of elements|its number follows"):
        elements.insert(made, path, 0)
    with pytest.raises(FieldError, match=r"fixed number of elements|its number follows"):
        elements.remove(made, path, 0)
    assert made.save() == before


def test_the_limit_holds() -> None:
    made = record([0] * 8, [])
    with pytest.raises(FieldError, match="takes 0 to 8 elements"):
        elements.insert(made, "table", 0)


def test_forms() -> None:
    made = Program(DEMO).new_record()
    assert [elements.form(made, p) for p in ("table", "fixed", "num", "entries")] == ["uint", "mac", "uint", ""]


def test_a_subsection_by_path_and_by_its_name_on_the_wire() -> None:
    made = Program(DEMO).new_record()
    for name in ("sub", "demo/sub"):
        path, node = elements.subsection(made, name)
        assert path == "sub" and node.vmsd is SUB
    with pytest.raises(FieldError, match="there may be: sub"):
        elements.subsection(made, "demo/other")
