"""`vnetmig inspect --html`: the page that a stream is explored on, as a file.

Knows files; the page is the report layer's.
"""

from __future__ import annotations

import os

from vnetmig.cli.output import note, write_file, write_json
from vnetmig.cli.source import Input, whole
from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.errors import FieldError


def write_explorer(stream: Stream, source: Input, path: str, device: str | None, *, rings: bool, as_json: bool) -> int:
    """Write the page to ``path``; what stopped reading is raised behind that."""
    from vnetmig.report.html.explorer import explorer_page
    from vnetmig.report.json import error_json

    name = os.path.basename(source) if isinstance(source, str) else "stdin"
    page = explorer_page(stream, memoryview(whole(source)), name=name, device=_section(stream, device), rings=rings)
    data = page.encode()
    write_file(path, data, *([source] if isinstance(source, str) else []))
    if as_json:
        fault = None if stream.error is None else error_json(stream.error)
        write_json({"written": path, "size": len(data), "error": fault})
    else:
        note(f"{path}: {len(data)} bytes written")
    if stream.error is not None:
        raise stream.error
    return 0


def _section(stream: Stream, device: str | None) -> Section | None:
    """The section of the device that the page opens at."""
    if device is None:
        return None
    try:
        return stream.named(device).section
    except FieldError:
        if stream.error is None:
            raise
        return None  # it may have stood behind the fault
