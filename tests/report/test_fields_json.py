"""A field reads the same whether its array is written by a template or it is written alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

import vnetmig
from vnetmig.report import fields_json as written
from vnetmig.report.fields import device_name, section_fields, section_groups
from vnetmig.report.json import Json, pieces, value_json
from vnetmig.report.naming import names
from vnetmig.vmstate import BOOL, BUFFER, UINT8, UINT16, Field, Program, Ref, Struct, Vmsd


def read(fields: Iterable[Json]) -> list[dict[str, Any]]:
    return json.loads("".join(pieces(iter(fields))))  # type: ignore[no-any-return]


def test_every_field_of_the_sample() -> None:
    for section in vnetmig.load(vnetmig.sample()).sections:
        device = device_name(section)
        made = read(written.fields_json(device, section_groups(section)))
        assert made == read(written.fields_json(device, section_fields(section)))
        for field, (path, (value, offset, size, kind)) in zip(made, section_fields(section), strict=True):
            assert field.pop("names", []) == list(names(device, path, value))
            assert field == {
                "path": path, "offset": offset, "size": size, "type": kind, "value": value_json(value),
            }  # fmt: skip


@pytest.mark.parametrize("at_once", [1, 3, 1024])
def test_arrays_of_every_kind(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(written, "ELEMENTS_AT_ONCE", at_once)
    element = (Field("100 %d", UINT16), Field('a "name"', BOOL), Field("bytes", BUFFER, 3), Field("pair", UINT8, 2))
    vmsd = Vmsd(
        "demo",
        1,
        (
            Field("count", UINT8),
            Struct("rows", Vmsd("row", 1, element), Ref("count")),
            Field("truths", BOOL, Ref("count")),
        ),
    )
    wire = bytes([4]) + b"".join(bytes([0, n, n, 1, 2, 3, 8, 9]) for n in range(4)) + bytes([0, 1, 2, 1])
    record = Program(vmsd).load(wire).record
    made = read(written.fields_json("", record.fields().groups()))
    assert made == read(written.fields_json("", record.fields().leaves()))
    values = {field["path"]: field["value"] for field in made}
    assert [values[f"truths[{n}]"] for n in range(4)] == [False, True, 2, True]
    assert values["rows[2].100 %d"] == 2 and values['rows[3].a "name"'] == 3 and values["rows[0].bytes"] == "010203"
    assert len(made) == 1 + 4 * 5 + 4
