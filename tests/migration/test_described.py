"""Sections that only a vmdescription explains, when both do not belong together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from between import STREAMS, stream_of
from splice import END, joined, pieces

from vnetmig.errors import StreamError
from vnetmig.migration.described import load_described
from vnetmig.migration.machine import Machine
from vnetmig.migration.resolved import resolved
from vnetmig.stream.vmdescription import Description, DeviceDescription

SUB = {"vmsd_name": "acme/sub", "version": 1, "fields": [{"name": "b", "type": "uint8", "size": 1}]}
NAMED = b"\x05\x08acme/sub\0\0\0\1"


def described(**what: Any) -> DeviceDescription:
    device = {"name": "acme", "instance_id": 0, "vmsd_name": "acme", "version": 1, **what}
    text = json.dumps({"configuration": {}, "page_size": 4096, "devices": [device]})
    (found,) = Description(text.encode()).devices
    return found


def test_a_subsection_of_another_name() -> None:
    device = described(fields=[{"name": "a", "type": "uint8", "size": 1}], subsections=[SUB])
    assert load_described(device, b"\1" + NAMED + b"\2")["sub.b"] == 2
    for wrong in (b"\5\x08acme/sob\0\0\0\1", b"\6\x08acme/sub\0\0\0\1", b"\5\x08acme/sub\0\0\0\2"):
        with pytest.raises(StreamError):
            load_described(device, b"\1" + wrong + b"\2")


def test_a_device_that_nothing_describes() -> None:
    with pytest.raises(StreamError, match="nothing describes 'acme'"):
        resolved("acme", 1, b"", None)


def test_a_recorded_ram_without_an_end_is_given_one() -> None:
    """A background snapshot has none; a migration of it needs one."""
    whole = stream_of(STREAMS / "linux-user-1q-ping-q52")
    cut = Machine.from_bytes(joined(piece for piece in pieces(whole) if piece.kind != END))
    assert [r.end for r in cut.recordings] == [r.end for r in Machine.from_bytes(whole).recordings] != []
