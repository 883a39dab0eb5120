"""What a destination would say to a stream, as text and as JSON; of many streams, a line each and a summary.

Knows findings and how people read them: the verdict first, QEMU's lines below each other as its log has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from vnetmig.analysis.finding import VERDICTS, CheckResult, Finding, Severity
from vnetmig.analysis.fleet import FileChecked
from vnetmig.report.blocks import Block, Facts, Note, Table, columns
from vnetmig.report.escape import safe
from vnetmig.report.json import Json

_FINDINGS = columns("severity", "device", "field", ">offset", "message")
_VERDICTS = columns(">streams", "verdict")
_REASONS = columns(">streams", "severity", "rule", "message (of the first one)")
_BELOW = ("", "", "", "")

REASONS_MAX = 10
"""Messages in a summary."""
UNREADABLE = "could not be read"


def check_blocks(path: str, results: Sequence[CheckResult]) -> Iterator[Block]:
    """Of one stream: a verdict for each result, its findings in load order, and what was assumed."""
    yield Facts(path, [(f"QEMU {result.qemu}", result.verdict) for result in results])
    for result in results:
        title = f"QEMU {result.qemu}, against {result.against}"
        if result:
            table = Table(title, _FINDINGS)
            for finding in result:
                table.rows += _rows(finding)
            yield table
        else:
            yield Facts(title, [("nothing", "found")])
    assumed = list(dict.fromkeys(word for result in results for word in result.assumed))
    if assumed:
        yield Note("")
        yield from (Note(f"assumed: {word}") for word in assumed)


def _rows(finding: Finding) -> Iterator[tuple[str, ...]]:
    offset = "" if finding.offset is None else f"{finding.offset:#x}"
    yield _severity(finding), finding.device or "", finding.field or "", offset, finding.message
    for line in finding.chain:
        yield (*_BELOW, line)
    if finding.hint:
        yield (*_BELOW, f"hint: {finding.hint}")
    if finding.follows:
        yield (*_BELOW, "QEMU stops before this one")


def _severity(finding: Finding) -> str:
    name = finding.severity.name.lower()
    return f"({name})" if finding.follows else name


def check_json(path: str, results: Sequence[CheckResult]) -> dict[str, Json]:
    """One object; of several results, a list of them under ``results``."""
    made = [_result_json(result) for result in results]
    return {"path": path, **made[0]} if len(made) == 1 else {"path": path, "results": list(made)}


def _result_json(result: CheckResult) -> dict[str, Json]:
    return {
        "qemu": result.qemu,
        "against": result.against,
        "verdict": result.verdict,
        "loads": result.loads,
        "findings": [finding_json(finding) for finding in result],
        "assumed": list(result.assumed),
    }


def finding_json(finding: Finding) -> dict[str, Json]:
    """One finding, part by part."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.name.lower(),
        "device": finding.device,
        "field": finding.field,
        "offset": finding.offset,
        "message": finding.message,
        "chain": list(finding.chain),
        "hint": finding.hint,
        "follows": finding.follows,
    }


# many streams


def file_json(found: FileChecked) -> dict[str, Json]:
    return {"path": found.path, "error": found.error} if found.error else check_json(found.path, found.results)


def file_line(found: FileChecked) -> str:
    """Path, verdict, and why; nothing of it can break the line."""
    if found.error is not None:
        return safe(f"{found.path}: {UNREADABLE}: {_one_line(found.error)}")
    verdicts = [result.verdict for result in found.results]
    if len(set(verdicts)) == 1:
        told = verdicts[0]
    else:
        told = ", ".join(f"{result.qemu} {result.verdict}" for result in found.results)
    reason = _reason(found)
    return safe(f"{found.path}: {told}" + (f": {reason.message}" if reason is not None else ""))


def _one_line(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines())


def _reason(found: FileChecked) -> Finding | None:
    """The finding that made the verdict."""
    worst = found.worst
    if worst is None or worst < Severity.WARNING:
        return None
    happens = (finding for result in found.results for finding in result if not finding.follows)
    return next((finding for finding in happens if finding.severity == worst), None)


class Summary:
    """What came out of many streams: counts, however many there were."""

    def __init__(self) -> None:
        self.verdicts: Counter[Severity | None] = Counter()
        """Streams by the worst that happens to them; None: could not be read."""
        self._reasons: Counter[str] = Counter()
        self._first: dict[str, Finding] = {}

    def add(self, found: FileChecked) -> None:
        self.verdicts[found.worst] += 1
        reason = _reason(found)
        if reason is not None:
            self._reasons[reason.rule] += 1
            self._first.setdefault(reason.rule, reason)

    @property
    def worst(self) -> Severity | None:
        """Of all that could be read; None when nothing could."""
        return max((severity for severity in self.verdicts if severity is not None), default=None)

    def blocks(self) -> Iterator[Block]:
        counts: Counter[str] = Counter()
        for severity in sorted(self.verdicts, key=lambda one: -1 if one is None else one, reverse=True):
            counts[UNREADABLE if severity is None else VERDICTS[severity]] += self.verdicts[severity]
        table = Table("", _VERDICTS, [(str(count), told) for told, count in counts.items()])
        table.rows.append((str(self.verdicts.total()), "in all"))
        yield table
        if self._reasons:
            ranked = sorted(self._first.values(), key=lambda one: (-one.severity, -self._reasons[one.rule], one.rule))
            reasons = Table("", _REASONS)
            for finding in ranked[:REASONS_MAX]:
                count = str(self._reasons[finding.rule])
                reasons.rows.append((count, finding.severity.name.lower(), finding.rule, finding.message))
            if len(ranked) > REASONS_MAX:
                reasons.notes.append(f"and {len(ranked) - REASONS_MAX} more rules")
            yield reasons
