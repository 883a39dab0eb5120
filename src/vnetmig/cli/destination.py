"""--against and --qemu: from what people write to the destinations of a check.

Knows how the two go together; what a spec means is the qemu layer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vnetmig.analysis.fleet import Destination


def destinations(spec: str | None, releases: Sequence[str]) -> tuple[tuple[Destination, ...], tuple[str, ...]]:
    """(destinations, releases to check each of them as). A profile is made for each release, a stream's own one only
    when there is a stream."""
    from vnetmig.analysis.profile.from_stream import OfStream
    from vnetmig.analysis.release import Release
    from vnetmig.qemu.specs import destination_from

    for release in releases:
        Release.parse(release)
    first = destination_from(spec or "self", *releases[:1])
    if isinstance(first, OfStream):
        return (first,), tuple(releases)
    return (first, *(destination_from(spec or "self", release) for release in releases[1:])), ()
