"""A matrix in words: nothing depends on colour, what pairs have in common stands once, CSV is only text."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
from machines import USER, machine

import vnetmig
from vnetmig.analysis.matrix.matrix import Matrix
from vnetmig.report.json import pieces
from vnetmig.report.matrix import CSV_COLUMNS, _reason, matrix_blocks, matrix_csv, matrix_json, reasons
from vnetmig.report.text import plain, rich


@lru_cache(maxsize=1)
def alias() -> Matrix:
    return vnetmig.matrix({"vm": machine(USER, "pc")}, qemu=["7.2", "10.0.13", "11.1"])


def lines(found: Matrix) -> list[str]:
    return list(plain(matrix_blocks(found)))


def test_the_table() -> None:
    assert lines(alias())[:7] == [
        "machine type    from QEMU  to QEMU 7.2  to QEMU 10.0.13  to QEMU 11.1",
        "pc-i440fx-7.2   7.2        ~ loss       ✓ works          ✓ works",
        "pc-i440fx-7.2   10.0.13    ~ loss       ✓ works          ✗ refused",
        "pc-i440fx-7.2   11.1       ~ loss       ✓ works          ✓ works",
        "pc-i440fx-10.0  10.0.13    ✗ refused    ✓ works          ✗ refused",
        "pc-i440fx-10.0  11.1       ✗ refused    ✓ works          ✓ works",
        "pc-i440fx-11.1  11.1       ✗ refused    ✗ refused        ✓ works",
    ]


def test_every_symbol_is_in_the_legend() -> None:
    told = lines(alias())
    legend = told[told.index("legend") + 1 : told.index("legend") + 4]
    assert legend == ["✓  works", "~  loss: works, with a loss", "✗  refused"]


def test_what_pairs_have_in_common_stands_once() -> None:
    told = "\n".join(lines(alias()))
    assert (
        "✗ refused\n"
        "says    VQ 0 vring.num 1024 exceeds allocated max 256\n"
        "device  0000:00:02.0/virtio-net\n"
        "pairs   QEMU 10.0.13 -> QEMU 11.1: pc-i440fx-7.2, pc-i440fx-10.0\n"
        "do      "
    ) in told
    assert "pairs    QEMU 7.2, 10.0.13, 11.1 -> QEMU 7.2: pc-i440fx-7.2\n" in told
    assert told.endswith("18 pairs: 6 refused, 3 loss, 9 works")
    assert sum(len(reason.cells) for reason in reasons(alias())) == 6 + 3


def test_several_profiles_have_a_table_each() -> None:
    profiles = {"a": machine(USER), "b": machine(f"{USER},ctrl_rx_extra=off")}
    told = lines(vnetmig.matrix(profiles, qemu=["10.0.2"]))
    assert told[:8] == [
        "to a",
        "from  machine type   from QEMU  to QEMU 10.0.2",
        "a     pc-i440fx-7.2  10.0.2     ✓ works",
        "b     pc-i440fx-7.2  10.0.2     ↺ fails back",
        "",
        "to b",
        "from  machine type   from QEMU  to QEMU 10.0.2",
        "a     pc-i440fx-7.2  10.0.2     ? unless",
    ]
    assert "only if  the guest negotiated VIRTIO_NET_F_CTRL_RX_EXTRA" in told


def test_a_terminal_gets_the_same_blocks() -> None:
    assert list(rich(matrix_blocks(alias())))


def test_json_has_every_pair() -> None:
    made = json.loads("".join(pieces(matrix_json(alias()))))
    assert made["loads"] is False and len(made["cells"]) == 18
    assert made["sources"][0] == {
        "name": "vm",
        "qemu": "7.2",
        "machine": "pc-i440fx-7.2",
        "stream": False,
        "assumed": [],
    }
    (finding,) = made["cells"][5]["findings"]
    assert (finding["rule"], finding["outcome"], finding["guests"]) == ("queue-too-large", "refused", None)
    lost = made["cells"][0]["findings"][0]
    assert (lost["rule"], lost["outcome"], lost["guests"]) == ("vlan-lost", "loses", "the guest filters VLANs")


def test_csv_has_a_line_for_each_pair() -> None:
    rows = list(csv.reader(io.StringIO(matrix_csv(alias()))))
    assert rows[0] == list(CSV_COLUMNS) and len(rows) == 1 + 18
    assert rows[2] == ["vm", "7.2", "pc-i440fx-7.2", "vm", "10.0.13", "works", "", ""]
    assert rows[6][:7] == [
        *("vm", "10.0.13", "pc-i440fx-7.2", "vm", "11.1", "refused"),
        "VQ 0 vring.num 1024 exceeds allocated max 256",
    ]


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@x"])
def test_a_spreadsheet_reads_no_formula(name: str) -> None:
    rows = list(csv.reader(io.StringIO(matrix_csv(vnetmig.matrix({name: machine(USER)}, qemu=["7.2"])))))
    assert rows[1][0] == f"'{name}"


def test_names_cannot_break_lines() -> None:
    found = vnetmig.matrix({"a\n\x1b[2J,b": machine(USER), "b": machine(USER)}, qemu=["7.2"])
    assert not any("\x1b" in line or "\n" in line for line in lines(found))
    assert "\x1b" not in matrix_csv(found) and len(matrix_csv(found).splitlines()) == 5


def test_a_reason_twice_in_one_pair_and_without_a_remedy() -> None:
    found = alias()
    cell = next(cell for cell in found if cell.found)
    one = replace(cell.found[0], finding=replace(cell.found[0].finding, hint=None))
    twice = replace(cell, found=(one, one))
    matrix: Any = [twice]
    (reason,) = reasons(matrix)
    assert reason.cells == [twice]
    reason.cells = [cell]
    assert "do" not in dict(_reason(found, reason).pairs)
