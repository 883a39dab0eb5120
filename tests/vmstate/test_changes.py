"""What differs between two records: the same as all their fields compared one by one, only found sooner."""

from __future__ import annotations

from collections import defaultdict
from itertools import permutations
from pathlib import Path

import pytest
from hex_vectors import Vector, all_vectors
from hypothesis import given
from hypothesis import strategies as st
from real_streams import every_committed_capture, sample, samples

from vnetmig.vmstate import Record
from vnetmig.vmstate.changes import FieldChange, _Pair, changed_fields

GOOD = [vector for vector in all_vectors() if vector.error is None]
SECTION = sample("linux-tap-4q-load-q72", "virtio-net")


def one_by_one(before: Record, after: Record) -> set[FieldChange]:
    old, new = ({path: field.value for path, field in record.fields().leaves()} for record in (before, after))
    paths = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    return {FieldChange(path, old.get(path), new.get(path)) for path in paths}


def check(before: Record, after: Record) -> list[FieldChange]:
    found = changed_fields(before, after)
    assert len(found) == len(set(found)) and set(found) == one_by_one(before, after)
    return found


def vectors_of_one_program() -> list[list[Record]]:
    groups: dict[tuple[str, str, int | None], list[bytes]] = defaultdict(list)
    for vector in GOOD:
        groups[vector.description, vector.vmdesc, vector.version].append(vector.data)
    programs = {(vector.description, vector.vmdesc, vector.version): vector.program for vector in GOOD}
    return [[programs[key].load(data).record for data in found] for key, found in groups.items()]


def test_each_vector_against_those_of_the_same_description() -> None:
    pairs = [pair for records in vectors_of_one_program() for pair in permutations(records, 2)]
    assert len(pairs) >= 10
    for before, after in pairs:
        check(before, after)


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector.name)
def test_every_byte_changed(vector: Vector) -> None:
    program, data = vector.program, vector.data
    before = program.load(data).record
    assert check(before, program.load(data).record) == []
    for at in range(len(data)):
        loaded = program.load(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        if loaded.error is None:
            assert check(before, loaded.record)


def test_records_of_two_programs() -> None:
    vectors = {vector.name: vector for vector in GOOD}
    first, second = (vectors[name].program.load(vectors[name].data).record for name in ("structs-v1", "structs-v2"))
    assert check(first, second)


@given(st.data())
def test_a_real_section_with_some_bytes_changed(data: st.DataObject) -> None:
    places = st.one_of(st.integers(0, len(SECTION.payload) - 1), st.integers(0, 1500))
    payload = bytearray(SECTION.payload)
    for at, bits in data.draw(st.lists(st.tuples(places, st.integers(1, 255)), min_size=1, max_size=5)):
        payload[at] ^= bits
    loaded = SECTION.program.load(bytes(payload))
    if loaded.error is None:
        check(SECTION.program.load(SECTION.payload).record, loaded.record)


@every_committed_capture
def test_a_capture_did_not_change(folder: Path) -> None:
    for found in samples(folder):
        record = found.program.load(found.payload).record
        assert changed_fields(record, record.copy()) == []


def test_ring_indices_and_a_subsection() -> None:
    before = SECTION.program.load(SECTION.payload).record
    after = before.copy()
    after["vq[3].last_avail_idx"] = 7
    after["extra_state.pci.modern_state.vqs[1023].avail[1]"] = 5
    after["config.mac"] = "52:54:00:00:00:01"
    after.drop("started")
    assert check(before, after) == [
        FieldChange("config.mac", before["config.mac"], "52:54:00:00:00:01"),
        FieldChange("vq[3].last_avail_idx", before["vq[3].last_avail_idx"], 7),
        FieldChange("extra_state.pci.modern_state.vqs[1023].avail[1]", 0, 5),
        FieldChange("started.#name", "virtio/started", None),
        FieldChange("started.#version", 1, None),
        FieldChange("started.started", True, None),
    ]
    assert [(c.path, c.before, c.after) for c in changed_fields(after, before)][-1] == ("started.started", None, True)


def test_little_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 8,000 leaves the 1,024 queues of each array are passed over whole."""
    seen: list[str] = []
    plain = _Pair._bytes
    monkeypatch.setattr(
        _Pair, "_bytes", lambda self, record, spot: (seen.append(spot.path), plain(self, record, spot))[1]
    )
    before = SECTION.program.load(SECTION.payload).record
    after = before.copy()
    after["virtqueues.vq[700].used"] = 1
    assert len(changed_fields(before, after)) == 1
    assert len(seen) < 400
