"""Bytes written by hand, one field per line: each is read to that value at that offset, and written again.

A vector is also cut at every length (which must fail, except right before a subsection) and run by both engines.
"""

from __future__ import annotations

import pytest
from agreement import agree
from hex_vectors import Vector, all_vectors, means

from vnetmig.engine.code import Code

VECTORS = all_vectors()
every_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
good = pytest.mark.parametrize("vector", [v for v in VECTORS if v.error is None], ids=lambda vector: vector.name)
bad = pytest.mark.parametrize("vector", [v for v in VECTORS if v.error is not None], ids=lambda vector: vector.name)


@good
def test_each_line_is_one_field_with_that_value(vector: Vector, engine: str) -> None:
    loaded = vector.program.load(vector.data, engine=engine)
    assert loaded.error is None
    assert loaded.size == len(vector.data)
    found = list(loaded.record.fields().leaves())
    assert [path for path, _ in found] == [path for _, path, _ in vector.lines]
    offset = 0
    for (path, leaf), (piece, _, text) in zip(found, vector.lines, strict=True):
        assert (leaf.offset, leaf.size) == (offset, len(piece)), path
        assert means(leaf, piece, text), f"{path} is {leaf.value!r}, not {text}"
        offset += len(piece)


@good
def test_the_values_give_the_same_bytes(vector: Vector, engine: str) -> None:
    program = vector.program
    assert program.save(program.load(vector.data, engine=engine).record, engine=engine) == vector.data


@good
def test_what_follows_is_left_alone(vector: Vector, engine: str) -> None:
    loaded = vector.program.load(vector.data + b"\x7e\0\0\0\1", engine=engine)
    assert (loaded.error, loaded.size) == (None, len(vector.data))


@good
def test_each_value_can_be_set_to_what_it_is(vector: Vector) -> None:
    record = vector.program.load(vector.data).record
    for path, leaf in list(record.fields().leaves()):
        if path.endswith(("#name", ".end.#marker")):
            continue
        record[path] = leaf.value
    assert record.save() == vector.data


@good
def test_every_cut_fails_but_those_in_front_of_a_subsection(vector: Vector, engine: str) -> None:
    whole = {offset for offset, leaf in starts(vector) if leaf.endswith("#name")}
    for length in range(len(vector.data)):
        loaded = vector.program.load(vector.data[:length], engine=engine)
        if loaded.error is None:
            assert length in whole
        else:
            assert loaded.truncated
            assert loaded.error.offset <= length


def starts(vector: Vector) -> list[tuple[int, str]]:
    offset, found = 0, []
    for piece, path, _ in vector.lines:
        found.append((offset, path))
        offset += len(piece)
    return found


@every_vector
def test_both_engines_agree_on_it_and_on_every_cut_and_flip(vector: Vector) -> None:
    program = vector.program
    for length in range(len(vector.data) + 1):
        agree(program, vector.data[:length])
    for place in range(8 * len(vector.data)):
        damaged = bytearray(vector.data)
        damaged[place // 8] ^= 1 << place % 8
        agree(program, bytes(damaged))


@bad
def test_an_error_names_its_kind_its_offset_and_its_field(vector: Vector, engine: str) -> None:
    assert vector.error is not None
    code, offset, where = vector.error
    error = vector.program.load(vector.data, engine=engine).error
    assert error is not None
    assert (error.code, error.offset, error.field or "-") == (code, offset, where)
    assert error.expected is not None
    assert error.got is not None


@bad
def test_what_stood_before_the_error_is_read(vector: Vector, engine: str) -> None:
    assert vector.error is not None
    record = vector.program.load(vector.data, engine=engine).record
    leaves = dict(record.fields().leaves())
    offset = 0
    for piece, path, text in vector.lines:
        offset += len(piece)
        if path and offset <= vector.error[1]:
            assert means(leaves[path], piece, text)


def test_the_vectors_meet_every_verdict() -> None:
    told = {vector.error[0] for vector in VECTORS if vector.error is not None}
    assert told == {"limit", "truncated", "check", "version", "subsection"}
    assert Code.OK not in {agree(v.program, v.data).code for v in VECTORS if v.error is not None}
