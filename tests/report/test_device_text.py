"""Fields of a device as rows: arrays of zeros that follow each other stay apart."""

from __future__ import annotations

from vnetmig.report.blocks import Table
from vnetmig.report.device_text import RUN, fields_table
from vnetmig.report.text import plain
from vnetmig.vmstate.fields import Field


def zeros(name: str, begin: int) -> list[tuple[str, Field]]:
    return [(f"{name}[{n}]", Field(0, begin + n, 1, "uint8")) for n in range(RUN)]


def rows(table: Table) -> list[str]:
    return [" ".join(line.split()) for line in plain([table])]


def test_two_arrays_of_zeros_are_two_rows() -> None:
    told = rows(fields_table("fields", "virtio-net", [*zeros("a", 0), *zeros("b", RUN)], everything=False))
    assert sum("a[" in line for line in told) == 1 and sum("b[" in line for line in told) == 1


def test_no_fields() -> None:
    assert fields_table("fields", "virtio-net", [], everything=False).rows == []
