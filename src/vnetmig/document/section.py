"""One section occurrence of a loaded stream: its header, its bytes' place, and the device in it.

Knows events and records; knows no file. Which description a payload was read by is decided here.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import TYPE_CHECKING

from vnetmig.document.device import Device
from vnetmig.document.net import NetDevice
from vnetmig.errors import StreamError
from vnetmig.migration.decoders import stateful
from vnetmig.migration.described import VmdescPrograms, load_described
from vnetmig.migration.resolved import is_described, resolved
from vnetmig.stream import framing
from vnetmig.stream.device_state import DeviceState
from vnetmig.stream.events import SectionFooter, SectionPayload, SectionStart
from vnetmig.stream.iterative import IterativeData
from vnetmig.stream.payload import Payload, Raw, SectionHeader
from vnetmig.stream.tentative import FLAG_BYTES, FULL_STATE, LENGTH_BYTES, Frame
from vnetmig.stream.vmdescription import DeviceDescription
from vnetmig.vmstate import Record

if TYPE_CHECKING:
    from vnetmig.document.context import Context

TYPE_NAMES = {
    framing.SECTION_START: "start",
    framing.SECTION_PART: "part",
    framing.SECTION_END: "end",
    framing.SECTION_FULL: "full",
}


class Section:
    """A START, PART, END or FULL section as it stands in the stream.

    ``span`` is (offset of the type byte, offset behind the footer); ``payload_span`` that of the payload alone.
    """

    def __init__(self, context: Context, start: SectionStart, occurrence: int = 0) -> None:
        self._context = context
        self._start = start
        self._occurrence = occurrence
        self.payloads: list[SectionPayload] = []
        self.footer: SectionFooter | None = None
        self.finding: StreamError | None = None
        """Why the vmdescription could not explain this payload, if it could not."""
        self._described: Record | None = None
        self._state: DeviceState | None = None
        self._tried = False
        self._view: weakref.ref[Device] | None = None

    @property
    def offset(self) -> int:
        return self._start.offset

    @property
    def type(self) -> str:
        """start, part, end or full."""
        return TYPE_NAMES[self._start.type]

    @property
    def header(self) -> SectionHeader:
        return self._start.header

    @property
    def section_id(self) -> int:
        return self._start.section_id

    @property
    def idstr(self) -> str:
        return self._start.idstr

    @property
    def instance_id(self) -> int:
        return self._start.instance_id

    @property
    def version_id(self) -> int:
        return self._start.version_id

    @property
    def description(self) -> DeviceDescription | None:
        """What the stream's own description says about this FULL section."""
        if self._start.type != framing.SECTION_FULL:
            return None
        return self._context.described(self.idstr, self.instance_id, self._occurrence)

    @property
    def payload_span(self) -> tuple[int, int]:
        begin = self._start.offset + self._start.size
        return begin, begin + sum(event.size for event in self.payloads)

    @property
    def span(self) -> tuple[int, int]:
        end = self.payload_span[1]
        return self.offset, end + (self.footer.size if self.footer is not None else 0)

    @property
    def assumed(self) -> bool:
        """Nothing told where the payload ends but a footer that fits, and no vmdescription confirmed it."""
        return any(event.assumed for event in self.payloads) and self.record is None

    @property
    def payload(self) -> Payload | None:
        """The payload when it is one piece (all but RAM's)."""
        return self.payloads[0].payload if len(self.payloads) == 1 else None

    @property
    def state(self) -> DeviceState | None:
        """The virtio device state in this section, if it holds one."""
        payload = self.payload
        if isinstance(payload, IterativeData) and payload.states:
            return payload.states[-1]
        if isinstance(payload, Frame) and payload.flag == FULL_STATE:
            return self._framed(payload)
        return payload if isinstance(payload, DeviceState) else None

    def _framed(self, frame: Frame) -> DeviceState | None:
        """The state in a frame that needs no other; kept, so that views of it live."""
        if self._state is None and self.finding is None:
            idstr, version = stateful(self.idstr, self.version_id)
            if not is_described(idstr):
                return None
            with self._context.making:
                if self._state is None and self.finding is None:
                    try:
                        self._state = DeviceState(resolved(idstr, version, frame.data, self._context.engine))
                    except StreamError as error:
                        self.finding = error.at(self.record_offset, self.idstr)
        return self._state

    @property
    def record(self) -> Record | None:
        """Values of the payload: by description, or else by the stream's own; None when nothing describes it."""
        state = self.state
        if state is not None:
            return state.record
        if not self._tried:
            self._describe()
        return self._described

    def _describe(self) -> None:
        if not isinstance(self.payload, Raw) or self.description is None:
            return
        with self._context.making:
            if self._tried:
                return
            try:
                self._described = self._load(self.description, self.payload.data)
            except StreamError as error:
                self.finding = error.at(self.payload_span[0], self.idstr)
            self._tried = True  # last: who sees it finds what was made

    def _load(self, description: DeviceDescription, data: bytes) -> Record:
        assert self._context.description is not None  # a device is described in it
        programs = VmdescPrograms.of(self._context.description)
        return load_described(description, data, programs=programs, engine=self._context.engine)

    @property
    def looked_into(self) -> Record | None:
        """The record that the vmdescription made of the payload, if anybody has asked for it: it may be changed."""
        return self._described

    @property
    def record_offset(self) -> int:
        """Absolute offset of the first byte that ``record`` covers."""
        begin = self.payload_span[0]
        payload = self.payload
        if isinstance(payload, IterativeData) and payload.states:
            sizes = [len(state.encode()) for state in payload.states[:-1]]
            return begin + 8 * len(payload.states) + sum(sizes)
        if isinstance(payload, Frame) and payload.flag == FULL_STATE:
            return begin + FLAG_BYTES + LENGTH_BYTES
        return begin

    @property
    def device(self) -> Device | None:
        """A live view of the device in this section, None when nothing describes it; one object, as long as someone
        holds it."""
        record = self.record
        if record is None:
            return None
        view = self._view() if self._view is not None else None
        if view is None:
            with self._context.making:
                view = self._view() if self._view is not None else None
                if view is None:
                    kind = NetDevice if record.program.vmsd.name == "virtio-net" and self.state is not None else Device
                    view = kind(self._context, self)
                    self._view = weakref.ref(view)
        return view

    def current(self, payload: Raw) -> Raw:
        """``payload``, with what was changed in a record that the vmdescription made of it."""
        return payload if self._described is None else Raw(self._described.save(engine=self._context.engine))

    def encode_payload(self, payload: Payload) -> bytes:
        """The payload's bytes from values."""
        if isinstance(payload, Raw) and self.record is not None:
            return self.record.save(engine=self._context.engine)
        if isinstance(payload, DeviceState):
            return payload.record.save(engine=self._context.engine)
        if isinstance(payload, Frame) and self._state is not None:
            return replace(payload, data=self._state.record.save(engine=self._context.engine)).encode()
        return payload.encode()

    def __repr__(self) -> str:
        begin, end = self.span
        return f"<Section {self.type} '{self.idstr}' {self.instance_id} v{self.version_id} [{begin:#x}:{end:#x}]>"
