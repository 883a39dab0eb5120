"""What somebody with a migration that went wrong wants to see first, each with the node where it is.

Knows sections, errors and ring verdicts; the tree is made already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.engine.rings import Verdict
from vnetmig.errors import StreamError
from vnetmig.report.failure import error_lines
from vnetmig.report.html.tree import Node
from vnetmig.report.rings import WORDS
from vnetmig.stream.libvirt import LibvirtImage
from vnetmig.virtio.rings import RingState

Severity = Literal["error", "warning", "note"]

RING_SEVERITY: dict[Verdict, Severity] = {
    Verdict.OVERUSED: "error",
    Verdict.BAD_ADDRESS: "error",
    Verdict.INCONSISTENT: "warning",
}
"""The other verdicts find nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    severity: Severity
    text: str
    node: Node


def broken(error: StreamError, fault: Node) -> Finding:
    return Finding("error", "\n".join(error_lines(error)), fault)


def of_stream(stream: Stream, root: Node) -> Iterator[Finding]:
    for wrapper in stream.wrappers:
        if isinstance(wrapper, LibvirtImage) and not wrapper.complete:
            yield Finding("warning", "libvirt was still writing this image: it is incomplete", root)


def of_section(section: Section, node: Node) -> Iterator[Finding]:
    """How far its description can be relied on."""
    if section.finding is not None:
        yield Finding("warning", f"{node.name}: {' '.join(error_lines(section.finding))}", node)
    if section.assumed:
        yield Finding("note", f"{node.name}: nothing describes it; it ends where its footer was found to fit", node)
    state = section.state
    for tie in state.ties if state is not None else ():
        yield Finding("note", f"{node.name}: fits as well with {'; '.join(tie)}", node)


def of_rings(node: Node, states: Sequence[RingState]) -> Iterator[Finding]:
    for ring in states:
        severity = RING_SEVERITY.get(ring.verdict)
        if severity is not None:
            said = f": {ring.message}" if ring.message else ""
            text = f"{node.name}: queue {ring.index}: {WORDS[ring.verdict]}{said}"
            yield Finding(severity, text, queue_node(node, ring))


def queue_node(node: Node, ring: RingState) -> Node:
    """Where a virtio section says what the queue of ``ring`` is."""
    return node.below("vq", f"[{ring.index}]")
