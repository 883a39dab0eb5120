"""Explanations as text and as JSON.

Knows how they are laid out; what they say comes from the analysis layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from vnetmig.report.blocks import Block, Facts, Note, Table, columns, listed

if TYPE_CHECKING:
    from vnetmig.analysis.catalogue.wording import Message
    from vnetmig.analysis.explain.explanation import Explanation, Explanations, Unknown
    from vnetmig.analysis.explain.feature_fault import FeatureFault, FeatureNote
    from vnetmig.report.json import Json

WIDTH = 104
"""Characters of a sentence before it goes on in the next line."""


def explanation_blocks(told: Explanations) -> Iterator[Block]:
    """Every failure with its reason, values, causes and remedies; then what was not understood."""
    for number, entry in enumerate(told):
        if number:
            yield Facts("")
        yield from _explained(entry)
    if told.features:
        yield _feature_table(f"features of {told.device}", told.features)
    for unknown in told.unknown:
        yield _unknown(unknown)
    if told.harmless and not told.found:
        yield Facts("nothing that fails a migration", [("harmless", what) for what in told.harmless])
    if not (told.known or told.unknown):
        yield Note("nothing here looks like an error of a migration")
    if told.cut:
        yield Note("there is more of this in the input")


def _explained(entry: Explanation) -> Iterator[Block]:
    pairs: list[tuple[str, str]] = []
    where = f"line {entry.line}" + (f", {entry.times} times" if entry.times > 1 else "") if entry.line > 1 else ""
    says = f"the {entry.message.side}" if entry.message.side != "either side" else entry.message.side
    pairs.append(("rule", ", ".join(filter(None, [entry.id, where]))))
    if entry.text:
        pairs.append(("says", says + (f", QEMU {entry.releases}" if entry.releases else "")))
    else:
        pairs.extend(_wrapped("wordings", _wordings(entry.message)))
    if entry.device:
        pairs.append(("device", entry.device))
    pairs.extend(_wrapped("means", [entry.means]))
    pairs.extend(_wrapped("here", entry.notes))
    yield Facts(entry.text or entry.id, pairs)
    if entry.features is not None:
        yield from _fault(entry.features)
    rest = [*_wrapped("causes", entry.causes)]
    rest.extend(_wrapped("do", [*(entry.features.fixes if entry.features else ()), *entry.remedies]))
    rest.extend(_wrapped("follows", entry.chain))
    rest.extend(_wrapped("see", entry.message.see))
    yield Facts("", rest)


def _wordings(message: Message) -> Iterator[str]:
    for wording in message.wordings:
        bounds = [f"{name} {at}" for name, at in (("since", wording.since), ("before", wording.until)) if at]
        yield wording.text + (f"  ({', '.join(bounds)})" if bounds else "")
    if not message.wordings:
        yield "none: QEMU does not report it"


def _fault(fault: FeatureFault) -> Iterator[Block]:
    if fault.missing:
        yield _feature_table("", fault.missing)
    hints = list(fault.hints)
    if fault.assumed:
        hints.append(f"no line names the device; these are the features of {fault.device}")
    pairs = list(_wrapped("hint", hints))
    taken = dict.fromkeys(who for entry in fault.missing for who in entry.origin.taken_by)
    pairs.extend(_wrapped("taken by", taken))
    if fault.spare:
        pairs.extend(_wrapped("not taken", [f"{listed(fault.spare, 8)}: offered, not used by the guest; no fault"]))
    yield Facts("", pairs)


def _feature_table(title: str, entries: Iterable[FeatureNote]) -> Table:
    return Table(
        title,
        columns(">bit", "feature", "offer it with", "or withhold it with", "QEMU", "meaning"),
        [
            (
                str(entry.feature.bit),
                entry.feature.name,
                entry.at_destination,
                entry.at_source,
                entry.feature.since or "",
                entry.feature.meaning,
            )
            for entry in entries
        ],
    )


def _unknown(unknown: Unknown) -> Facts:
    pairs = [("rule", f"none known, line {unknown.line}")]
    pairs.extend((("nearest" if not n else ""), _first_words(m)) for n, m in enumerate(unknown.nearest))
    return Facts(unknown.text[:300], pairs)


def _first_words(message: Message) -> str:
    return f"{message.id}: {message.wordings[0].text if message.wordings else '(says nothing)'}"


def _wrapped(name: str, sentences: Iterable[str]) -> Iterator[tuple[str, str]]:
    """One sentence after the other, each wrapped; the name stands before the first."""
    for sentence in sentences:
        for line in _lines(sentence):
            yield name, line
            name = ""


def _lines(sentence: str) -> Iterator[str]:
    line = ""
    for word in sentence.split(" "):
        if line and len(line) + 1 + len(word) > WIDTH:
            yield line
            line = "  " + word
        else:
            line = f"{line} {word}" if line else word
    yield line


def list_blocks(messages: Iterable[Message]) -> Iterator[Block]:
    """All ids, with what QEMU says first."""
    rows: list[tuple[str, ...]] = [
        (message.id, message.wordings[0].text if message.wordings else f"(no message) {message.means}")
        for message in messages
    ]
    yield Table("", columns("rule", "wording"), rows)


def explanations_json(told: Explanations) -> dict[str, Json]:
    return {
        "explanations": [_explanation_json(entry) for entry in told],
        "features": [_feature_json(entry) for entry in told.features],
        "unknown": [
            {"line": unknown.line, "text": unknown.text, "nearest": [message.id for message in unknown.nearest]}
            for unknown in told.unknown
        ],
        "harmless": list(told.harmless),
        "cut": told.cut,
    }


def _explanation_json(entry: Explanation) -> dict[str, Json]:
    return {
        "rule": entry.id,
        "text": entry.text,
        "line": entry.line or None,
        "times": entry.times,
        "side": entry.message.side,
        "source": entry.message.source,
        "releases": entry.releases,
        "device": entry.device,
        "error": entry.error,
        "values": dict(entry.values),
        "means": entry.means,
        "notes": list(entry.notes),
        "features": None if entry.features is None else _fault_json(entry.features),
        "causes": list(entry.causes),
        "remedies": list(entry.remedies),
        "chain": list(entry.chain),
        "see": list(entry.message.see),
    }


def _fault_json(fault: FeatureFault) -> dict[str, Json]:
    return {
        "device": fault.device,
        "device_assumed": fault.assumed,
        "guest": f"{fault.guest:#x}",
        "host": f"{fault.host:#x}",
        "missing": [_feature_json(entry) for entry in fault.missing],
        "spare": list(fault.spare),
        "hints": list(fault.hints),
        "fixes": list(fault.fixes),
    }


def _feature_json(entry: FeatureNote) -> dict[str, Json]:
    feature = entry.feature
    return {
        "bit": feature.bit,
        "name": feature.name,
        "property": feature.property,
        "since": feature.since,
        "meaning": feature.meaning,
        "offer": entry.at_destination,
        "withhold": entry.at_source,
        "needs": entry.origin.needs,
        "kernel": entry.origin.kernel,
        "off_up_to_machine_type": entry.origin.without,
        "taken_by": list(entry.origin.taken_by),
    }


def list_json(messages: Iterable[Message]) -> dict[str, Json]:
    return {
        "rules": [
            {
                "rule": message.id,
                "source": message.source,
                "side": message.side,
                "means": message.means,
                "wordings": [
                    {"text": wording.text, "since": wording.since, "until": wording.until}
                    for wording in message.wordings
                ],
            }
            for message in messages
        ]
    }
