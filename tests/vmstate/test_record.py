"""Records: values by path, what a path may be, arrays, subsections, and many programs from one description."""

from __future__ import annotations

import copy
import threading

import pytest

from vnetmig.errors import EncodeError, FieldError
from vnetmig.vmstate import (
    BUFFER,
    MAC,
    UINT8,
    UINT16,
    UINT32,
    Field,
    List,
    Optional,
    Program,
    Record,
    Ref,
    Register,
    Struct,
    Vmsd,
)
from vnetmig.vmstate.table import parts

CELL = Vmsd("cell", 1, (Field("k", UINT8), Field("v", UINT16, Ref("k"))))
DEEP = Vmsd("demo/a/deep", 1, (Field("z", UINT8),))
DEMO = Vmsd(
    "demo",
    1,
    (
        Field("n", UINT8),
        Field("mac", MAC),
        Struct("cell", CELL, Ref("n"), limit=4),
        Field("regs", BUFFER, 4, overlay=lambda data: (Register("low", 0, 2), Register("high", 2, 2, "be"))),
        List("list", Vmsd("entry", 1, (Field("e", UINT16),))),
        Optional("maybe", Vmsd("maybe", 1, (Field("m", UINT32),)), Ref("n") != 0),
        Struct("plain", Vmsd("plain", 1, (Field("p", UINT8),))),
    ),
    (Vmsd("demo/a", 2, (Field("x", UINT8),), (DEEP,)), Vmsd("demo/b", 1, ())),
)
DATA = bytes.fromhex(
    "02 525400123456  01 0007  00  0100 0002  01 0009 05 000a 00  00000001  09"
    "  05 06 64656d6f2f61 00000002 0b  05 0b 64656d6f2f612f64656570 00000001 0c  05 06 64656d6f2f62 00000001"
)


@pytest.fixture
def record(engine: str) -> Record:
    loaded = Program(DEMO).load(DATA, engine=engine)
    assert loaded.error is None
    assert loaded.size == len(DATA)
    return loaded.record


VALUES = {
    "n": 2,
    "mac": "52:54:00:12:34:56",
    "cell[0].k": 1,
    "cell[0].v": (7,),
    "cell[0].v[0]": 7,
    "cell[1].k": 0,
    "cell[1].v": (),
    "regs": b"\x01\0\0\x02",
    "regs.low": 1,
    "regs.high": 2,
    "list[0].#marker": 1,
    "list[0].e": 9,
    "list[1].#marker": 5,
    "list[1].e": 10,
    "list.end.#marker": 0,
    "maybe.m": 1,
    "plain.p": 9,
    "a.#name": "demo/a",
    "a.#version": 2,
    "a.x": 11,
    "a.deep.z": 12,
    "b.#version": 1,
}


@pytest.mark.parametrize("path", list(VALUES))
def test_a_path_reads_its_value(record: Record, path: str) -> None:
    assert record[path] == VALUES[path]
    assert path in record
    assert record.get(path) == VALUES[path]


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "nothing",
        "N",
        "n.x",
        "n[0]",
        "cell",
        "cell.k",
        "cell[2].k",
        "cell[-1].k",
        "cell[x].k",
        "cell[0]",
        "cell[0].v[1]",
        "cell[0].v.x",
        "regs.middle",
        "regs[0]",
        "list[2].e",
        "list",
        "list.#marker",
        "list.end",
        "list.end.#version",
        "plain",
        "plain.#name",
        "a",
        "a.#marker",
        "a#2.x",
        "demo/a.x",
        "c.#version",
        "mac[0]",
        "#version",
    ],
)
def test_what_is_no_path_is_told_so(record: Record, path: str) -> None:
    assert path not in record
    assert record.get(path, -1) == -1
    with pytest.raises(FieldError) as caught:
        record[path]
    assert path in str(caught.value)
    before = bytes(record.data)
    with pytest.raises(FieldError):
        record[path] = 1
    assert record.data == before


def test_every_listed_path_is_one_that_can_be_read(record: Record) -> None:
    for path, field in record.fields().leaves():
        assert record[path] == field.value
        assert record.fields()[path] == field
    assert list(record.fields()) == [path for path, _ in record.fields().leaves()]
    assert len(record.fields()) == len(list(record.fields().values())) == 22
    assert sum(field.size for field in record.fields().values()) == len(DATA)


def test_a_field_map_says_what_it_does_not_have(record: Record) -> None:
    with pytest.raises(KeyError):
        record.fields()["cell[7].k"]
    assert "cell[7].k" not in record.fields()


def test_values_are_set_by_path_and_saved(record: Record, engine: str) -> None:
    changes = {
        "mac": "02:00:00:00:00:07",
        "cell[0].v[0]": 8,
        "regs.high": 0x0102,
        "list[1].e": 11,
        "list[1].#marker": 6,
        "maybe.m": 0xFFFFFFFF,
        "a.#version": 0,
        "a.deep.z": 0,
    }
    for path, value in changes.items():
        record[path] = value
    again = Program(DEMO).load(record.save(engine=engine), engine=engine).record
    assert {path: again[path] for path in changes} == changes
    assert again["regs"] == b"\x01\0\x01\x02"


@pytest.mark.parametrize("value", [0, 256, -1, "1", None, True])
def test_a_marker_is_not_zero_and_fits_its_byte(record: Record, value: object) -> None:
    with pytest.raises(FieldError, match="takes 1 to 255"):
        record["list[0].#marker"] = value  # type: ignore[assignment]


@pytest.mark.parametrize("path", ["a.#name", "list.end.#marker"])
def test_what_is_part_of_the_format_cannot_be_set(record: Record, path: str) -> None:
    with pytest.raises(FieldError, match="cannot be set"):
        record[path] = record[path]


def test_the_number_of_elements_is_told(record: Record) -> None:
    assert [record.count(path) for path in ("cell", "cell[0].v", "cell[1].v", "list")] == [2, 1, 0, 2]
    with pytest.raises(FieldError):
        record.count("plain.p[0]")


def test_an_inner_array_is_resized_by_its_own_count(record: Record, engine: str) -> None:
    record.resize("cell[1].v", 2)
    record["cell[1].v"] = (1, 2)
    assert (record["cell[1].k"], record["cell[1].v"]) == (2, (1, 2))
    record.resize("cell", 1)
    again = Program(DEMO).load(record.save(engine=engine), engine=engine).record
    assert (again["n"], again.count("cell"), again["cell[0].v"]) == (1, 1, (7,))


def test_an_array_whose_number_follows_from_others_is_resized_to_that_number(engine: str) -> None:
    program = Program(Vmsd("sum", 1, (Field("n", UINT8), Field("more", UINT16, (Ref("n") - 1) * (Ref("n") != 0)))))
    record = program.new_record()
    record["n"] = 4
    for wrong in (0, 2, 4):
        with pytest.raises(FieldError, match="which is 3"):
            record.resize("more", wrong)
    record.resize("more", 3)
    record["more"] = (1, 2, 3)
    assert record.save(engine=engine) == bytes.fromhex("04 0001 0002 0003")


@pytest.mark.parametrize("path", ["n", "mac", "cell[0].v", "cell[0].v[0]", "cell[1].v", "regs", "maybe.m", "a.deep.z"])
def test_a_place_is_where_the_value_is(record: Record, path: str) -> None:
    before = bytes(record.data)
    at, length = record.place(path)
    parts_of = {part: found.place(path.rpartition(".")[2]) for part, found in parts(record).items()}
    if path in ("n", "mac", "regs"):
        assert parts_of[""] == (at, length)
    value = record[path]
    record.data[at : at + length] = bytes(0xFF - byte for byte in before[at : at + length])
    assert (record[path] == value) is (length == 0)
    record.data[at : at + length] = before[at : at + length]
    assert bytes(record.data) == before


def test_a_place_is_asked_of_values_only(record: Record) -> None:
    for path in ("nothing", "cell", "cell[0].v[1]", "regs.low", "list"):
        with pytest.raises(FieldError):
            record.place(path)
    own = parts(record)[""]
    assert own.place("cell") is None and own.place("nothing") is None


def test_a_list_or_a_fixed_array_is_not_resized(record: Record) -> None:
    for path in ("list", "plain", "regs", "mac", "maybe"):
        with pytest.raises(FieldError):
            record.resize(path, 1)


def test_a_count_set_by_hand_does_not_save(record: Record, engine: str) -> None:
    record["n"] = 3
    with pytest.raises(EncodeError, match="demo: cell holds 2 elements, its count field says 3"):
        record.save(engine=engine)
    with pytest.raises(EncodeError, match="demo: cell holds 2 elements, its count field says 3"):
        record.program.save_into(record, bytearray(100), engine)


def test_what_a_condition_takes_away_must_be_gone(record: Record, engine: str) -> None:
    record["n"] = 0
    with pytest.raises(EncodeError):
        record.save(engine=engine)
    record.resize("cell", 0)
    with pytest.raises(EncodeError, match="maybe"):  # the optional part is still held
        record.save(engine=engine)


def test_subsections_come_and_go(record: Record, engine: str) -> None:
    assert record.subsections() == ["a", "a.deep", "b"]
    record.drop("a.deep")
    record.drop("b")
    assert record.subsections() == ["a"]
    record.add("b")
    record.add("a.deep", 1)
    assert record.subsections() == ["a", "a.deep", "b"]
    assert record["a.deep.z"] == 0
    record["a.deep.z"] = 12
    assert record.save(engine=engine) == DATA


def test_a_new_record_is_zero_and_saves(engine: str) -> None:
    record = Program(DEMO).new_record()
    assert record["mac"] == "00:00:00:00:00:00"
    assert record.count("cell") == 0
    assert record.subsections() == []
    data = record.save(engine=engine)
    assert data == bytes(len(data))
    assert Program(DEMO).load(data, engine=engine).record.data == record.data


def test_a_copy_is_a_record_of_its_own(record: Record) -> None:
    for twin in (record.copy(), copy.copy(record.copy())):
        twin["n"] = 1
        twin.resize("cell", 4)
        assert (record["n"], record.count("cell")) == (2, 2)
        assert record.save() == DATA


def test_one_program_serves_many_threads(engine: str) -> None:
    program, faults = Program(DEMO), []

    def work(number: int) -> None:
        for turn in range(200):
            record = program.load(DATA, engine=engine).record
            record["plain.p"] = number
            record["maybe.m"] = turn
            again = program.load(record.save(engine=engine), engine=engine).record
            if (again["plain.p"], again["maybe.m"]) != (number, turn):
                faults.append((number, turn))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


def test_items_are_paths_with_their_fields(record: Record) -> None:
    fields = record.fields()
    assert [(path, field.value) for path, field in fields.items()] == [(path, fields[path].value) for path in fields]


@pytest.mark.parametrize("path", ["n.#version", "mac[x]", "cell[0", "cell[].k", "cell[-1].k"])
def test_what_looks_like_a_place_inside(record: Record, path: str) -> None:
    with pytest.raises(FieldError):
        record[path]


def test_columns_are_numbers_of_every_element(record: Record) -> None:
    own = parts(record)[""]
    assert own.columns("cell", 9) == {"k": (1, 0)}
    assert own.columns("n", 9) == own.columns("nothing", 9) == {}


def test_where_a_field_begins_when_others_may_be_missing(engine: str) -> None:
    program = Program(Vmsd("w", 1, (Field("n", UINT8), Field("x", UINT16, when=Ref("n") != 0), Field("y", UINT8))))
    for data, begin in ((b"\0\5", 1), (b"\1\0\0\5", 3)):
        assert program.load(data, engine=engine).record.begin_of("y") == begin


def test_behind_a_list_nothing_has_a_known_place(engine: str) -> None:
    inner = Struct("s", Vmsd("s", 1, (Field("a", UINT8), List("l", Vmsd("e", 1, (Field("e", UINT8),))))))
    record = Program(Vmsd("t", 1, (inner, Field("b", UINT8)))).load(b"\1\0\2", engine=engine).record
    assert (record.begin_of("s.a"), record.begin_of("b"), record["b"]) == (0, None, 2)


def test_subsections_in_the_elements_of_an_array(engine: str) -> None:
    entry = Vmsd("e", 1, (Field("k", UINT8),), (Vmsd("e/s", 1, (Field("z", UINT8),)),))
    program = Program(Vmsd("t", 1, (Struct("a", entry, 2),)))
    data = b"\1" + b"\5\3e/s\0\0\0\1\7" + b"\2"
    record = program.load(data, engine=engine).record
    assert record.save(engine=engine) == data
    assert record.subsections() == ["a[0].s"] and record["a[0].s.z"] == 7


def test_text_in_a_register() -> None:
    overlay = Register("text", 0, 4, "string")
    record = Program(Vmsd("r", 1, (Field("b", BUFFER, 4, overlay=lambda data: (overlay,)),))).new_record()
    record["b.text"] = "ab"
    assert record.save() == b"ab\0\0"
    record["b.text"] = b"wxyz"
    assert record.save() == b"wxyz"
    for wrong in ("abcde", b"abc", 5):
        with pytest.raises(FieldError, match="takes 4 bytes"):
            record["b.text"] = wrong


def test_an_array_of_addresses_has_no_rows_of_numbers() -> None:
    record = Program(Vmsd("m", 1, (Struct("a", Vmsd("e", 1, (Field("mac", MAC),)), 2),))).new_record()
    assert [spot.path for spot in record.walk(rows=True)] == ["a[0]", "a[0].mac", "a[1]", "a[1].mac"]
