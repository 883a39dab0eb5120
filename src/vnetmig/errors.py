"""The errors that every layer raises.

Knows nothing of formats, files or devices: a leaf of the import graph.
"""

from __future__ import annotations

from typing import Any


class VnetmigError(Exception):
    """Base of every error that vnetmig raises on purpose."""


class StreamError(VnetmigError):
    """Bytes that are not what a QEMU migration stream holds at that place.

    ``message`` starts with QEMU's own text where QEMU has one, so that people can search for it.
    ``offset`` is absolute in the input, ``section`` the idstr of the section being read, ``field`` the
    path of the field inside it. ``expected`` and ``got`` are what the format asks for and what came.

    >>> print(StreamError("Not a migration stream", offset=0, expected="0x5145564d", got="0x51455658"))
    Not a migration stream
      at offset 0x0 (0): expected 0x5145564d, got 0x51455658
    """

    def __init__(
        self,
        message: str,
        *,
        offset: int = 0,
        section: str | None = None,
        field: str | None = None,
        expected: object = None,
        got: object = None,
        hint: str | None = None,
        code: str = "malformed",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.section = section
        self.field = field
        self.expected = expected
        self.got = got
        self.hint = hint
        self.code = code
        self.stream: Any = None
        """What was read before the fault (a ``vnetmig.document.Stream``), when a loader raised this."""
        self.record: Any = None
        """The device values that were read before the fault (a ``vnetmig.vmstate.Record``), if any."""

    def at(self, base: int, section: str | None = None) -> StreamError:
        """Shift the offset by ``base`` (payload-relative to absolute) and name the section; returns self."""
        self.offset += base
        if self.section is None:
            self.section = section
        return self

    def __str__(self) -> str:
        where = f"at offset {self.offset:#x} ({self.offset})"
        if self.section:
            where += f" in section '{self.section}'"
        if self.field:
            where += f", field {self.field}"
        what = []
        if self.expected is not None:
            what.append(f"expected {self.expected}")
        if self.got is not None:
            what.append(f"got {self.got}")
        text = f"{self.message}\n  {where}"
        if what:
            text += ": " + ", ".join(what)
        if self.hint:
            text += f"\n  hint: {self.hint}"
        return text

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (dict(self.__dict__, stream=None, record=None),))


def _rebuild(state: dict[str, Any]) -> StreamError:
    error = StreamError(state["message"])
    error.__dict__.update(state)
    return error


class EncodeError(VnetmigError):
    """Values that cannot be written as a stream: a count that contradicts its list, a number too large."""


class EditError(VnetmigError):
    """An edit that would make a stream that is not valid; ``reasons`` has each by itself. Nothing was changed."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons


class FieldError(VnetmigError, ValueError):
    """A value that a field cannot take, or a path that names no field of this device."""


class EngineError(VnetmigError, ImportError):
    """The engine that was asked for is not available."""


class ProgramError(VnetmigError):
    """A program that no engine runs: ``op`` (its index) breaks ``rule`` (a word of ``engine.code.Rule``).

    No description compiles to such a program, unless its numbers are larger than any device.
    """

    def __init__(self, op: int, rule: str, told: str) -> None:
        super().__init__(op, rule, told)
        self.op = op
        self.rule = rule
        self.told = told

    def __str__(self) -> str:
        return f"Program refused at op {self.op} ({self.rule}): {self.told}"


class MigrationError(VnetmigError):
    """A migration that did not complete.

    ``outcome`` (a ``vnetmig.migration.run.MigrationOutcome``) says who owns the machine, when there was a migration at
    all: ``vnetmig.migrate`` sets it. None: it never began.
    """

    outcome: Any = None


class ChannelError(VnetmigError):
    """A file or socket that cannot be opened, or that ended where it should not."""


class QemuError(VnetmigError):
    """A running QEMU that cannot be reached, refused a command or did not answer in time."""
