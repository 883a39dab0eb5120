"""When a log line was written: the forms of time that stand in front of QEMU's trace events.

Knows the text in front of an event; knows no event. Microseconds since the epoch, by the clock of that host.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

# qemu: scripts/tracetool/backend/log.py, with -msg timestamp=on; util/error-report.c for the second form, which the log
# backend has since 10.2. libvirt writes a space for the T, and no colon in the zone.
_UNIX: Final = re.compile(r"(?:^|\s)\d{1,10}@(\d{1,11})\.(\d{6}):\s*$", re.ASCII)
_ISO: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):?(\d\d))[:\s]", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1)


def written_at(front: str) -> int | None:
    """The time in ``front``, the line's text in front of the event; the one nearest to the event, None without one.

    >>> written_at("18509@1795421112.547985:")
    1795421112547985
    >>> written_at("2026-11-23T08:06:43.827573Z ") == written_at("2026-11-23 09:06:43.827573+0100: ")
    True
    """
    unix = _UNIX.search(front)
    if unix is not None:
        return int(unix[1]) * 1_000_000 + int(unix[2])
    found = None
    for found in _ISO.finditer(front):  # noqa: B007  # the last one
        pass
    return None if found is None else _from_iso(found)


def _from_iso(found: re.Match[str]) -> int | None:
    day, clock, fraction, sign, hours, minutes = found.groups()
    try:
        when = datetime.strptime(f"{day} {clock}", "%Y-%m-%d %H:%M:%S") - _EPOCH
    except ValueError:
        return None
    east = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    when += east if sign == "-" else -east
    return when // timedelta(seconds=1) * 1_000_000 + int((fraction or "0").ljust(6, "0")[:6])
