"""A state that was sent while the guest ran, on both sides, and the frames that make the final one out of it.

Source: what the destination holds by now, and the shortest frame from there to the state of this moment. Destination:
what it holds, and what a frame makes of it. A frame names the state that it starts from, so nothing is ever built on
something else, and the one it ends at, so a frame that was damaged is noticed. Knows states as bytes, and which of
their values always change; knows no order of events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from vnetmig.errors import StreamError
from vnetmig.migration.device import Device, encoded
from vnetmig.stream.tentative import DELTA, FRAME_MAX, FULL_STATE, NO_STATE, PACKED_STATE, RESYNC, WHOLE, Frame
from vnetmig.virtio.resync import Span, resync_spans, values_at, with_values, without
from vnetmig.virtio.used_queues import QueueArray, pack, queue_arrays, unpack
from vnetmig.vmstate.delta import FieldChange, apply_delta, changed_fields, identity, make_delta
from vnetmig.vmstate.program import Program
from vnetmig.vmstate.record import Record

WRONG_BASE: Final = "base"
"""The ``code`` of the StreamError that asks for a whole state."""


@dataclass(slots=True)
class Snapshot:
    """A state at one moment: values where they are known, and bytes."""

    state: Record | bytes
    data: bytes

    @classmethod
    def of(cls, state: Record | bytes, engine: str | None) -> Snapshot:
        return cls(state, encoded(state, engine))


@dataclass(slots=True)
class SentState:
    """The source's side: what the destination holds of ``device``, as far as the source knows.

    ``forced``: fields of the last frame that were more than ring indices.
    """

    device: Device
    engine: str | None = None
    used_queues: str | None = None
    base: Snapshot | None = None
    resends: int = 0
    _identity: bytes = b""
    _spans: tuple[Span, ...] = ()
    _rest: bytes = b""
    _arrays: tuple[QueueArray, ...] = ()
    _arrays_of: int = -1
    last: tuple[Snapshot | None, Snapshot, int] | None = field(default=None, repr=False)
    """(base, state, flag) of the last frame, for those who ask later what changed."""

    def running(self) -> Snapshot:
        """The device as it is while the guest runs."""
        return Snapshot.of(self.device.state_at_setup(), self.engine)

    def stopped(self) -> Snapshot:
        """The device with the guest stopped."""
        return Snapshot.of(self.device.final_state(), self.engine)

    def hold(self, snapshot: Snapshot, frame: Frame | None = None) -> None:
        """The destination has been sent this state, whole or by ``frame``."""
        self.base = snapshot
        self._identity = frame.identity if frame is not None and frame.identity else identity(snapshot.data)
        self._spans = resync_spans(snapshot.state) if isinstance(snapshot.state, Record) else ()
        self._rest = without(snapshot.data, self._spans)

    def forget(self) -> None:
        """The destination says that it holds nothing to build on: the next frame is whole."""
        self.base = None

    def differs(self, snapshot: Snapshot) -> bool:
        """Is there a difference that packets alone do not make?"""
        base = self.base
        if base is None or len(base.data) != len(snapshot.data):
            return True
        return without(snapshot.data, self._spans) != self._rest

    def whole(self, snapshot: Snapshot) -> Frame:
        """The state without a base."""
        self.last = self.base, snapshot, FULL_STATE
        if self.used_queues is None or not isinstance(snapshot.state, Record):
            return Frame(FULL_STATE, snapshot.data)
        if self._arrays_of != len(snapshot.data):
            self._arrays, self._arrays_of = queue_arrays(snapshot.state), len(snapshot.data)
        return Frame(PACKED_STATE, pack(snapshot.data, self._arrays, self.used_queues))

    def _on_base(self, flag: int, snapshot: Snapshot, data: bytes) -> Frame:
        self.last = self.base, snapshot, flag
        return Frame(flag, data, self._identity, following(self._identity, data))

    def delta(self, snapshot: Snapshot) -> Frame:
        """What changed since the base; the whole state where that is shorter."""
        if self.base is None:
            return self.whole(snapshot)
        if snapshot.data == self.base.data:
            made = b""
        else:
            made = make_delta(self.base.data, snapshot.data, engine=self.engine)
            if len(made) >= len(snapshot.data):
                return self.whole(snapshot)
        return self._on_base(DELTA, snapshot, made)

    def resync(self, snapshot: Snapshot) -> Frame:
        """The values that always change, if no other did; else the whole state."""
        if self.differs(snapshot):
            return self.whole(snapshot)
        return self._on_base(RESYNC, snapshot, values_at(snapshot.data, self._spans))

    def changes(self) -> tuple[FieldChange, ...]:
        """Every field that the last frame changed at the destination. Slow: not for the time that a guest stands
        still."""
        if self.last is None or self.last[0] is None:
            return ()
        before, after = self.last[0].state, self.last[1].state
        if not isinstance(before, Record) or not isinstance(after, Record):
            return ()
        return tuple(changed_fields(before, after))


@dataclass(slots=True)
class HeldState:
    """The destination's side: the last state that came of one device, None before the first."""

    data: bytes | None = None
    identity: bytes = b""
    spans: tuple[Span, ...] = ()
    program: Program | None = None
    """What the state was read by: the next one of this device most likely is, too."""
    refused: bool = False
    """A frame asked for a base that is not held: only a whole state mends that."""

    def take(self, frame: Frame, idstr: str, engine: str | None) -> bytes | None:
        """The state that ``frame`` makes; None when it brings none. StreamError leaves what is held as it was."""
        if frame.flag == NO_STATE:
            return None
        if frame.flag in WHOLE:
            return frame.data if frame.flag == FULL_STATE else unpack(frame.data)
        base = None if self.refused else self.data
        if base is None or self.identity != frame.base:
            held = self.identity.hex() if base is not None else "none"
            raise self._refuse(idstr, "from a state that this side does not hold", held, frame.base.hex())
        if following(frame.base, frame.data) != frame.identity:
            raise self._refuse(idstr, "that was damaged on its way", frame.identity.hex(), "another one")
        if frame.flag == RESYNC:
            made = with_values(base, self.spans, frame.data)
            if made is None:
                raise self._refuse(idstr, "of other values", f"those of {len(self.spans)} places", len(frame.data))
            return made
        return apply_delta(base, frame.data, engine=engine, limit=FRAME_MAX) if frame.data else base

    def hold(self, data: bytes, record: Record, frame: Frame | None = None) -> None:
        """Keep what was loaded while the guest ran, to build on. ``frame``: what it came in, if in one."""
        self.data = data
        self.identity = frame.identity if frame is not None and frame.identity else identity(data)
        self.spans = resync_spans(record)
        self.program = record.program
        self.refused = False

    def _refuse(self, idstr: str, what: str, expected: object, got: object) -> StreamError:
        self.refused = True
        return StreamError(
            f"'{idstr}': a delta {what}",
            section=idstr,
            expected=f"state {expected}",
            got=got,
            hint="the source sends the whole state again",
            code=WRONG_BASE,
        )


def following(base: bytes, data: bytes) -> bytes:
    """The identity of the state that ``data`` makes of the one called ``base``: both sides make the same of the
    same."""
    return identity(base + data)
