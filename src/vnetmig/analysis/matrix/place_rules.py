"""What no stream can show of a destination: that it does not start, or lacks a device that sends no section here.

Knows what ``check`` cannot, as it is given a destination that runs and a stream that is complete.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.analysis.check.trouble import Level, Trouble, finding
from vnetmig.analysis.finding import Finding
from vnetmig.analysis.matrix.place import not_started
from vnetmig.analysis.profile.known_types import lacks
from vnetmig.analysis.profile.profile import Profile
from vnetmig.virtio.section import SECTIONS


def does_not_start(there: Profile) -> Iterator[Finding]:
    """Why the destination's QEMU does not even start."""
    release = there.qemu
    why = lacks(release, there.machine)
    if why is not None:
        trouble = Trouble(
            "machine-type-unsupported",
            {"type": there.machine},
            level=Level.STREAM,
            hint=f"{why}: use a machine type that both releases have",
        )
        yield finding(trouble, release, None)
    for words in not_started(there):
        yield finding(Trouble("property-unknown", level=Level.STREAM, words=words), release, None)


def missing_devices(source: Profile, there: Profile) -> Iterator[Finding]:
    """Devices of the source that send a section of which nothing is imagined, and that the destination lacks."""
    if not there.complete:
        return
    known = {*there.others, *(device.idstr for device in there.devices)}
    sent = (*source.others, *(device.idstr for device in source.devices if device.kind not in SECTIONS))
    for idstr in sent:
        if idstr not in known:
            values = {"idstr": idstr, "instance": 0}
            yield finding(Trouble("unknown-section", values, level=Level.STREAM), there.qemu, idstr)
