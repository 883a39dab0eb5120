"""What a line, a log, a rule's id or a feature's name means.

>>> told = explain("Features 0x1c0010130afffaf unsupported. Allowed features: 0x10179bfffef")
>>> [note.feature.name for note in told.found[0].features.missing]
['VIRTIO_NET_F_GUEST_USO4', 'VIRTIO_NET_F_GUEST_USO6', 'VIRTIO_NET_F_HOST_USO']

Knows how the parts go together; each part knows one thing. Pure: text in, values out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from vnetmig.analysis.catalogue.messages import MESSAGES
from vnetmig.analysis.catalogue.reading import Finder, Reading, Value
from vnetmig.analysis.catalogue.wording import MANAGEMENT, Message, Wording
from vnetmig.analysis.explain import device_path
from vnetmig.analysis.explain.error_numbers import worded
from vnetmig.analysis.explain.explanation import Explanation, Explanations, Unknown
from vnetmig.analysis.explain.failure import DEVICE, END, Failure, failures, readings
from vnetmig.analysis.explain.feature_fault import (
    UNKNOWN_DEVICE,
    FeatureFault,
    feature_fault,
    feature_kinds,
    feature_notes,
)
from vnetmig.analysis.explain.log import LogLine, lines
from vnetmig.analysis.explain.told import SILENT, SILENT_SINCE_10_2, Values, notes
from vnetmig.analysis.release import Release

MOST = 200
"""Explanations, and unknown lines, that are given for one text."""

READINGS_MOST = 20_000
"""Messages after which a text is not read on: it repeats itself, or somebody wants to keep us busy."""

_BY_ID = {message.id: message for message in MESSAGES}


def explain(text: str, *, qemu: str | None = None) -> Explanations:
    """What ``text`` means: a line, a log of QEMU, libvirt or virt-launcher, a rule's id, a feature's name or bits.

    ``qemu`` ("7.2") takes only the wordings of that release. Raises FieldError when that is no release.
    """
    release = None if qemu is None else Release.parse(qemu)
    asked = _asked(text.strip())
    if asked is not None:
        return asked
    log = list(lines(text))
    finder = Finder(MESSAGES, release)
    finder.narrow("\n".join(line.text for line in log))
    understood: list[tuple[Reading, LogLine]] = []
    rest: list[LogLine] = []
    for found, line in readings(finder, log):
        if len(understood) > READINGS_MOST:
            break
        understood.extend((reading, line) for reading in found)
        if not found:
            rest.append(line)
    explained = _once(_explained(failure) for failure in failures(understood))
    unknown, quiet = _not_understood(rest, alone=not explained) if rest else ([], [])
    return Explanations(
        found=tuple(explained[:MOST]),
        unknown=tuple(unknown[:MOST]),
        harmless=tuple(dict.fromkeys(quiet)),
        cut=len(explained) > MOST or len(unknown) > MOST or len(understood) > READINGS_MOST,
    )


def _asked(text: str) -> Explanations | None:
    """What a rule's id or a feature stands for; None when ``text`` is neither."""
    if len(text) > 80 or any(character.isspace() for character in text):
        return None
    if text in _BY_ID:
        return Explanations(found=(Explanation(_BY_ID[text]),))
    kinds = [UNKNOWN_DEVICE, *(kind for kind in feature_kinds() if kind != UNKNOWN_DEVICE)]
    for kind in kinds:
        found = feature_notes(kind, text)
        if found:
            return Explanations(features=found, device=kind)
    return None


def _explained(failure: Failure) -> Explanation:
    message, values = _cause(failure)
    device = failure.value(DEVICE, "idstr") or _own_device(values)
    error = failure.value(END, "strerror")
    kind = None if device is None else device_path.kind(device)
    told = list(notes(message.id, Values(values, device, error)))
    if failure.head.message.follows:
        told.extend(_silently(failure, kind, error))
    told.extend(_numbered(failure, error))
    return Explanation(
        message=message,
        text=failure.text,
        line=failure.line.number,
        values=values,
        device=device,
        error=error,
        chain=failure.chain,
        notes=tuple(dict.fromkeys(told)),
        features=_features(message, values, kind),
        releases=_releases(message, failure.head.wording),
    )


def _cause(failure: Failure) -> tuple[Message, dict[str, Value]]:
    """The message that explains the failure: the head's, unless the chain says more exactly which field it was."""
    head = failure.head
    if head.message.id == "not-equal":
        device = failure.value(DEVICE, "idstr")
        named = any(reading.message.id == "max-queue-pairs" for reading in failure.readings)
        fields = any(reading.message.id == "field-failed" for reading in failure.readings)
        # Since 10.2 no line names the field; virtio-net has only this one that must be equal.
        net = device is not None and device_path.kind(device) == "virtio-net"
        if named or (net and not _names_another(failure)):
            return _BY_ID["max-queue-pairs"], head.values
        del fields
    return head.message, head.values


def _names_another(failure: Failure) -> bool:
    own = ("virtio-net", "virtio-net-device")
    return any(r.message.id == "field-failed" and r.values.get("vmsd") not in own for r in failure.readings)


def _own_device(values: dict[str, Value]) -> str | None:
    idstr = values.get("idstr")
    return idstr if isinstance(idstr, str) else None


def _silently(failure: Failure, kind: str | None, error: str | None) -> Iterator[str]:
    """What a device refuses without saying why."""
    inner = failure.head
    if inner.message.id == "field-failed" and error == "Input/output error":
        yield f"the stream ended while {inner.values['vmsd']}'s field {inner.values['field']} was read"
    elif kind is not None and kind.startswith(device_path.VIRTIO):
        reason = SILENT.get(error or "") if not failure.since_10_2 else SILENT_SINCE_10_2
        if reason is not None:
            yield f"no line says why; a virtio device refuses without a word: {reason}"


def _numbered(failure: Failure, error: str | None) -> Iterator[str]:
    """What the error number adds: nothing when it is EINVAL, the usual one, and since 10.2 a device's only one."""
    if error is None or failure.head.message.id == END:
        return
    if failure.head.message.follows or error != "Invalid argument":
        words = worded(error)
        if words is not None and not failure.since_10_2:
            yield words


def _features(message: Message, values: dict[str, Value], kind: str | None) -> FeatureFault | None:
    guest, host = values.get("guest"), values.get("host")
    if message.id != "features-unsupported" or not isinstance(guest, int) or not isinstance(host, int):
        return None
    return feature_fault(guest, host, kind)


def _releases(message: Message, wording: Wording) -> str | None:
    """Which QEMUs say it in these words; None when all do, or when the words came and went."""
    if sum(other.text == wording.text for other in message.wordings) > 1:
        return None
    if wording.since is not None and wording.until is not None:
        return f"{wording.since} to before {wording.until}"
    if wording.since is not None:
        return f"{wording.since} and later"
    return None if wording.until is None else f"before {wording.until}"


def _once(explained: Iterable[Explanation]) -> list[Explanation]:
    """The same failure told twice (by QEMU, and by libvirt behind it) is one; what only announced it goes."""
    kept: dict[tuple[str, tuple[tuple[str, Value], ...]], Explanation] = {}
    for entry in explained:
        key = (entry.id, tuple(sorted(entry.values.items())))
        known = kept.get(key)
        if known is None:
            kept[key] = entry
        else:
            kept[key] = replace(known if known.device or not entry.device else entry, times=known.times + 1)
    if all(entry.message.follows for entry in kept.values()):
        return list(kept.values())
    return [entry for entry in kept.values() if not (entry.message.follows and entry.message.side == MANAGEMENT)]


def _not_understood(rest: list[LogLine], *, alone: bool) -> tuple[list[Unknown], list[str]]:
    from vnetmig.analysis.explain.not_understood import not_understood  # a line that is understood needs none of it

    return not_understood(rest, alone=alone, most=MOST)
