"""The fields of a stream as JSON: arrays of plain structures are written an element at a time, and say the same."""

from __future__ import annotations

import json
from collections.abc import Iterable

from real_streams import committed, document

from vnetmig.report.fields import device_name, section_fields
from vnetmig.report.json import Json, pieces, value_json
from vnetmig.report.naming import may_have_names, names
from vnetmig.report.stream_json import fields_json, stream_json
from vnetmig.vmstate import BOOL, BUFFER, UINT8, UINT16, UINT64, Field, Program, Struct, Vmsd
from vnetmig.vmstate.fields import FieldMap, Rows


def written(value: dict[str, Json]) -> dict[str, list[dict[str, object]]]:
    return json.loads("".join(pieces(value)))  # type: ignore[no-any-return]


def one_by_one(device: str, leaves: Iterable[tuple[str, tuple[object, int, int, str]]]) -> list[dict[str, object]]:
    made = []
    for path, (value, offset, size, type_name) in leaves:
        meaning = names(device, path, value)
        more = {"names": list(meaning)} if meaning else {}
        made.append(
            {"path": path, "offset": offset, "size": size, "type": type_name, "value": value_json(value), **more}  # type: ignore[arg-type]
        )
    return made


def test_every_field_of_a_stream() -> None:
    stream = document(committed("linux-tap-4q-rss-q100"))
    found = written(stream_json(stream))["sections"]
    assert len(found) == len(stream.sections)
    for section, made in zip(stream.sections, found, strict=True):
        assert made["fields"] == one_by_one(device_name(section), section_fields(section))


def test_values_of_every_kind_and_names_that_are_no_formats() -> None:
    cells = (Field("n%d", UINT16), Field("on", BOOL), Field("raw", BUFFER, 3), Field("two", UINT64, 2))
    program = Program(Vmsd("demo", 1, (Field("first", UINT8), Struct('100%s"\u202e', Vmsd("x", 1, cells), 3))))
    record = program.load(bytes(1) + bytes.fromhex("0007 01 ffee00 0000000000000001 ffffffffffffffff") * 3).record
    fields = FieldMap(record, 1 << 40)
    assert [type(piece) is Rows for piece in fields.pieces()] == [False, True]
    assert list(fields.leaves())[1][0] == '100%s"\u202e[0].n%d'
    text = written({"fields": fields_json("", fields.pieces())})["fields"]
    assert text == one_by_one("", fields.leaves())
    assert [field["value"] for field in text[1:6]] == [7, True, "ffee00", 1, (1 << 64) - 1]


def test_which_fields_may_have_names() -> None:
    assert may_have_names("virtio-net", "vq[0].vector") and not may_have_names("virtio-net", "vq[0].num")
    assert may_have_names("virtio-net", "net_status") and not may_have_names("virtio-blk", "net_status")
    assert not may_have_names("e1000", "status")
