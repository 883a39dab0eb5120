"""What is packed comes out again, at places where a typed array may begin."""

from __future__ import annotations

import sys
import zlib
from array import array

import pytest

from vnetmig.report.html.columns import pack, unpack


@pytest.mark.parametrize("text", ["", "x", "seven..", "</script><img src=x onerror=alert(1)>", "\udc80 ü"])
def test_round_trip(text: str) -> None:
    columns = {
        "small": array("B", [1, 2, 3]),
        "large": array("d", [2.0**40, 0.0]),
        "bytes": b"QEVM",
        "none": array("I"),
    }
    head, found = unpack(pack({"text": text}, columns))
    assert head == {"text": text}
    assert found == {**columns, "bytes": array("B", b"QEVM")}


@pytest.mark.parametrize("length", range(9))
def test_columns_are_aligned(length: int) -> None:
    whole = zlib.decompress(pack({"pad": "x" * length}, {"a": b"x" * length, "b": array("d", [1.0])}))
    assert len(whole) % 8 == 0
    assert whole.endswith(array("d", [1.0]).tobytes())


def test_of_a_machine_with_the_other_byte_order(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack({}, {"a": array("I", [1, 0x01020304])})
    monkeypatch.setattr(sys, "byteorder", "big" if sys.byteorder == "little" else "little")
    swapped = pack({}, {"a": array("I", [1, 0x01020304])})
    assert zlib.decompress(swapped).endswith(bytes((0, 0, 0, 1, 1, 2, 3, 4)))
    assert unpack(packed)[1]["a"] == array("I", [0x01000000, 0x04030201])
