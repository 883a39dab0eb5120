"""What a rule reports, and how a release of QEMU puts that into words: its first line, and the chain behind it.

Knows how errors travel outward through vmstate, virtio_load and savevm, before and since QEMU 10.2 (qemu:
migration/vmstate.c:vmstate_load_state, migration/savevm.c:qemu_loadvm_section_start_full). Knows no rule.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from vnetmig.analysis.catalogue.messages import message
from vnetmig.analysis.finding import Finding, Severity
from vnetmig.analysis.release import Release

ERROR_IN_DETAIL = "10.2"
"""Since this release errors are handed up as one text and printed once, behind "load of migration failed"."""


_STRUCTS = frozenset({"virtio_pci/modern_queue_state"})
"""Descriptions that are called like subsections and are none."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A field that was being loaded when an error passed through: its vmsd, its name there, its type's name."""

    vmsd: str
    field: str
    type: str = ""
    told: bool = False  #: since 10.2: its failing is printed as a line of its own

    @property
    def parent(self) -> str:
        """The description whose subsection this one is, "" when it is none."""
        return "" if self.vmsd in _STRUCTS else self.vmsd.rpartition("/")[0]


class Level(Enum):
    """Whose error it is: which lines are printed around it."""

    START = "start"  #: QEMU does not start, and so loads nothing
    STREAM = "stream"  #: savevm's own
    SECTION = "section"  #: of the section's description itself
    DEVICE = "device"  #: inside of the one field that a virtio section consists of


Said = tuple[str, Mapping[str, object]]
"""A message's id, and the values in it."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a rule found, before it is put into words. ``frames``: vmstate fields around it, innermost first."""

    rule: str
    values: Mapping[str, object] = field(default_factory=dict)
    field: str | None = None
    offset: int | None = None
    severity: Severity = Severity.REFUSED
    code: int = errno.EINVAL
    frames: tuple[Frame, ...] = ()
    says: Said | None = None  #: what is printed first, when that is another message than the rule's
    more: tuple[Said, ...] = ()  #: what is printed behind the first line
    words: str | None = None  #: what to say where QEMU says nothing
    hint: str | None = None
    level: Level = Level.DEVICE
    detail: Said | None = None  #: since 10.2: the detail of the last line, when that is not the rule's own message
    hook: str | None = None  #: since 10.2: the description whose post-load hook refused, as that is said around it
    inside: str | None = None  #: the description whose subsection it is: since 10.2 that is said around the message
    idstr: str | None = None  #: the device's, where no section of the stream could be made of it
    part: int | None = None  #: the number of the PART or END section that it is in: names that instead of the device
    stops: bool = False  #: what follows cannot be read: the loader is out of step


def finding(trouble: Trouble, release: Release, idstr: str | None, instance: int = 0) -> Finding:
    """``trouble`` in the words of ``release``."""
    idstr = trouble.idstr or idstr
    lines = _lines(trouble, release, idstr, instance)
    return Finding(
        rule=trouble.rule,
        severity=trouble.severity,
        message=lines[0],
        device=idstr,
        field=trouble.field,
        offset=trouble.offset,
        chain=tuple(lines[1:]),
        hint=trouble.hint or next(iter(message(trouble.rule).remedies), None),
    )


def _lines(trouble: Trouble, release: Release, idstr: str | None, instance: int) -> list[str]:
    own = _text(trouble.says or (trouble.rule, trouble.values), release)
    more = [text for one in trouble.more if (text := _text(one, release)) is not None]
    if trouble.severity != Severity.REFUSED:
        return [trouble.words or own or message(trouble.rule).means, *more]
    if trouble.level == Level.START:
        return [own or trouble.words or message(trouble.rule).means, *more]
    if release.since(ERROR_IN_DETAIL):
        return _since_detail(trouble, release, own, more, f"'{idstr}'", instance)
    reports = [*([own] if own else []), *more]
    failed = f"load of migration failed: {os.strerror(trouble.code)}"
    chain = [f"Failed to load {frame.vmsd}:{frame.field}" for frame in trouble.frames]
    if trouble.part is not None:
        return [*reports, *chain, f"error while loading state section id {trouble.part}({idstr})", failed]
    if trouble.level == Level.STREAM:
        return [*reports, *chain, failed]
    return [*reports, *chain, f"error while loading state for instance {instance:#x} of device '{idstr}'", failed]


def _since_detail(
    trouble: Trouble, release: Release, own: str | None, more: list[str], name: str, instance: int
) -> list[str]:
    """Errors become one text; what is printed by itself comes from code that does not take part in that."""
    if trouble.level == Level.STREAM:
        failed = f"load of migration failed: {os.strerror(trouble.code)}"
        detail = _text(trouble.detail, release) if trouble.detail else own
        if trouble.hook is not None:
            detail = f"post load hook failed for: {trouble.hook}: {detail}"
        printed = [*([own] if own and trouble.detail else []), *more]
        return [*printed, f"{failed}: {detail}" if detail else failed]
    failed = f"load of migration failed: {os.strerror(trouble.code if trouble.detail else errno.EINVAL)}"
    failed += f": error while loading state for instance {instance:#x} of device {name}: "
    if trouble.level == Level.SECTION and trouble.detail:
        return [*([own] if own else []), *more, failed + (_text(trouble.detail, release) or "")]
    if trouble.level == Level.SECTION:
        return [*more, failed + (own or "")]
    said = own
    if trouble.inside is not None:
        said = _wrapped(str(trouble.values["vmsd"]), trouble.inside, own, release)
    lines: list[str] = []
    if more:  # a hook's own words come first, and that it failed is what goes on
        lines, said, more = [*([said] if said else []), *more[:-1]], more[-1], []
    for frame in trouble.frames[:-1]:
        if frame.told:
            lines += [said] if said else []
            said = f"Failed to load element of type {frame.type} for {frame.field}"
        if frame.parent:
            said = _wrapped(frame.vmsd, frame.parent, said, release)
    lines += [said] if said else []
    return [*lines, f"{failed}Failed to load element of type virtio for virtio"]


def _wrapped(subsection: str, parent: str, reason: str | None, release: Release) -> str | None:
    return _text(("subsection-failed", {"subsection": subsection, "vmsd": parent, "reason": reason}), release)


def _text(said: Said, release: Release) -> str | None:
    """QEMU's line for a message, None when that release prints none."""
    rule, values = said
    return message(rule).say(release, **values)
