"""Sections as a source writes them: header, payload and footer, what each took, and what the destination holds after
it.

Knows entries, hooks and the trace of a save; knows no state and no order of events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vnetmig.errors import MigrationError
from vnetmig.migration import trace
from vnetmig.migration.capabilities import with_capabilities
from vnetmig.migration.final_frame import FinalFrame
from vnetmig.migration.handlers import SaveFile
from vnetmig.migration.machine import Machine
from vnetmig.migration.registry import SaveStateEntry
from vnetmig.migration.sent import SentSections
from vnetmig.stream import framing
from vnetmig.stream.commands import Ping
from vnetmig.stream.writer import StreamWriter

Hook = Callable[[SaveFile, Any], int]


class SectionWriter:
    """``sections`` keeps what was sent, ``trace`` QEMU's lines about it. Every method returns the bytes to send."""

    def __init__(self, machine: Machine, engine: str | None, clock: Callable[[], int]) -> None:
        self.sections = SentSections()
        self.trace: list[trace.TraceLine] = []
        self._machine = machine
        self._engine = engine
        self._clock = clock
        self._stream = StreamWriter(footers=machine.footers)

    @property
    def written(self) -> int:
        """Bytes of the stream so far."""
        return self._stream.written

    def opening(self, capabilities: tuple[str, ...], *, return_path: bool) -> bytes:
        """Header, configuration, and the commands in front of the first section."""
        machine, stream = self._machine, self._stream
        parts = [stream.header()]
        if machine.configuration is not None:
            body = with_capabilities(machine.configuration, on=capabilities)
            parts.append(stream.configuration(body.machine_type, body.subsections))
        elif capabilities:
            raise MigrationError(f"a machine without a configuration section cannot announce {', '.join(capabilities)}")
        opened = any(command.number == framing.OPEN_RETURN_PATH for command in machine.prelude)
        if return_path and not opened:
            parts.append(stream.command(framing.OPEN_RETURN_PATH))
        parts += [stream.command(command.number, command.payload) for command in machine.prelude]
        return b"".join(parts)

    def start(self, entry: SaveStateEntry) -> bytes:
        assert entry.handlers is not None
        payload, spent, _ = self._call(entry, entry.handlers.save_setup)
        header = self._stream.start(entry.section_id, entry.idstr, entry.instance_id, entry.version_id)
        written = self._section(header, payload)
        self.sections.note(entry, payload, len(written), spent, early=True)
        return written

    def part(self, entry: SaveStateEntry, room: int | None) -> tuple[bytes, int]:
        """(bytes, what the hook returned). ``room``: see SaveFile."""
        assert entry.handlers is not None
        payload, spent, returned = self._call(entry, entry.handlers.save_live_iterate, room)
        written = self._section(self._stream.part(entry.section_id), payload)
        self.sections.note_part(entry, len(written), spent)
        return written, returned

    def end(self, entry: SaveStateEntry) -> bytes:
        assert entry.handlers is not None
        payload, spent, _ = self._call(entry, entry.handlers.save_complete)
        written = self._section(self._stream.end(entry.section_id), payload)
        self.sections.note(entry, payload, len(written), spent)
        self.trace.append(trace.saved(trace.ITERABLE, entry.idstr, entry.instance_id, spent))
        return written

    def full(self, entry: SaveStateEntry) -> bytes:
        """Nothing for an entry with handlers: QEMU's loop visits them too, and traces that they write nothing."""
        vmsd = entry.vmsd
        if vmsd is None:
            self.trace.append(trace.saved(trace.NON_ITERABLE, entry.idstr, entry.instance_id, 0))
            return b""
        start = self._clock()
        if isinstance(vmsd, FinalFrame):
            payload, state = vmsd.save_frame()
        else:
            payload = state = vmsd.save(engine=self._engine)
        spent = self._clock() - start
        if not entry.early:
            self.trace.append(trace.saved(trace.NON_ITERABLE, entry.idstr, entry.instance_id, spent))
        header = self._stream.full(entry.section_id, entry.idstr, entry.instance_id, entry.version_id)
        written = self._section(header, payload)
        self.sections.note(entry, state, len(written), spent, early=entry.early)
        return written

    def ping(self, value: int) -> bytes:
        return self._stream.command(framing.PING, Ping(value))

    def switchover_start(self) -> bytes:
        """The command, where the machine's QEMU sends it."""
        return self._stream.command(framing.SWITCHOVER_START) if self._machine.switchover_start else b""

    def ending(self) -> bytes:
        """EOF and the vmdescription."""
        description = self._machine.description
        return self._stream.eof() + (self._stream.vmdescription(description) if description is not None else b"")

    def checkpoint(self, name: str) -> int:
        """Trace a checkpoint; when it was."""
        self.trace.append(trace.checkpoint(name))
        return self._clock()

    def _section(self, header: bytes, payload: bytes) -> bytes:
        return header + self._stream.payload(payload) + self._stream.footer()

    def _call(self, entry: SaveStateEntry, hook: Hook, room: int | None = None) -> tuple[bytes, int, int]:
        """(payload, nanoseconds, returned)."""
        file = SaveFile(room)
        start = self._clock()
        returned = hook(file, entry.opaque)
        spent = self._clock() - start
        if returned < 0:
            raise MigrationError(
                f"failed to save SaveStateEntry with id(name): {entry.section_id}({entry.idstr}): {returned}"
            )
        return file.contents(), spent, returned
