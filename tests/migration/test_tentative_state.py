"""What a destination holds of a device, and what a frame may make of it."""

from __future__ import annotations

import pytest

from vnetmig.errors import StreamError
from vnetmig.migration.device import Device
from vnetmig.migration.tentative_state import HeldState, SentState, following
from vnetmig.stream.tentative import DELTA, FRAME_MAX, Frame
from vnetmig.vmstate.delta import identity, make_delta

BASE = b"state"


def held() -> HeldState:
    return HeldState(BASE, identity(BASE))


def delta(data: bytes) -> Frame:
    base = identity(BASE)
    return Frame(DELTA, data, base, following(base, data))


def test_a_delta_makes_a_state(engine: str) -> None:
    assert held().take(delta(make_delta(BASE, b"stage", engine=engine)), "net", engine) == b"stage"


def test_a_small_delta_cannot_ask_for_more_than_a_frame_may_hold(engine: str) -> None:
    huge = FRAME_MAX + 1
    length = bytes((huge >> 7 * i & 0x7F) | (0x80 if huge >> 7 * (i + 1) else 0) for i in range(4))
    with pytest.raises(StreamError, match="Failed to apply a delta") as caught:
        held().take(delta(b"\xd1" + length + b"\0\0"), "net", engine)
    assert (caught.value.code, caught.value.expected) == ("limit", f"at most {FRAME_MAX:#x}")


def test_a_state_of_bytes_has_no_fields_to_name() -> None:
    device = Device("acme", 0, 1, 5, bytes(64))
    sent = SentState(device)
    sent.hold(sent.stopped(), sent.whole(sent.stopped()))
    device.state = bytes(63) + b"\1"
    assert sent.delta(sent.stopped()).base
    assert sent.changes() == ()
