"""What no stream can show of a destination: that it does not start, or lacks a device that sends no section here.

Knows what ``check`` cannot, as it is given a destination that runs and a stream that is complete.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.analysis.catalogue.messages import message
from vnetmig.analysis.check.trouble import Level, Trouble, finding
from vnetmig.analysis.finding import Finding, Severity
from vnetmig.analysis.matrix.place import not_started
from vnetmig.analysis.profile.known_types import lacks
from vnetmig.analysis.profile.profile import Profile
from vnetmig.virtio.section import SECTIONS


def does_not_start(there: Profile) -> Iterator[Finding]:
    """Why the destination's QEMU does not even start. Nothing is loaded, so nothing is said around it."""
    release = there.qemu
    why = lacks(release, there.machine)
    if why is not None:
        said = message("machine-type-unsupported").say(release, type=there.machine) or why
        yield _refused("machine-type-unsupported", said, f"{why}: use a machine type that both releases have")
    for words in not_started(there):
        yield _refused("property-unknown", words, message("property-unknown").remedies[0])


def _refused(rule: str, said: str, hint: str) -> Finding:
    return Finding(rule, Severity.REFUSED, said, hint=hint)


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
