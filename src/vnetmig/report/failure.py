"""An error in words, with nothing in it that could fool a terminal.

Knows errors; the parts come from the wire, so each is escaped by itself and none can add a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.errors import StreamError
from vnetmig.report.escape import safe


def error_lines(error: StreamError) -> Iterator[str]:
    """QEMU's words first, then the place, what was expected and what came, and the hint."""
    yield safe(error.message)
    where = f"at offset {error.offset:#x} ({error.offset})"
    if error.section:
        where += f" in section '{safe(error.section)}'"
    if error.field:
        where += f", field {safe(error.field)}"
    what = [f"{name} {safe(v)}" for name, v in (("expected", error.expected), ("got", error.got)) if v is not None]
    yield f"  {where}" + (f": {', '.join(what)}" if what else "")
    if error.hint:
        yield f"  hint: {safe(error.hint)}"
