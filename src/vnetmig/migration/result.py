"""What a destination tells the source at the end, as one message on the way back.

Knows the message: a magic, a version, the lengths, a checksum, a small JSON header, then the payloads that the
destination saved again. It stands beside the return path's messages (stream/return_path.py), whose first byte is
always zero. Everything is checked against a limit before it sizes anything. Does not know who compares what.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from vnetmig.errors import EncodeError, StreamError
from vnetmig.migration import handover
from vnetmig.migration.handover import Answer
from vnetmig.stream.cursor import Cursor, Short, be
from vnetmig.stream.receiver import NEED_DATA, NeedData, Receiver
from vnetmig.stream.return_path import Message, read_message

MAGIC: Final = b"VNMR"
VERSION: Final = 1
_SUM: Final = 32
_HEAD: Final = 4 + 4 + 4 + 8 + _SUM

HEADER_MAX: Final = 16 << 20
"""Bytes of the JSON header: some 200 for each section."""
DATA_MAX: Final = 1 << 30
"""Bytes of all payloads; RAM is not among them."""
SECTIONS_MAX: Final = 1 << 16
TEXT_MAX: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class SectionResult:
    """One section as the destination understood it: ``data`` is what it saves from its values.

    ``rings``: what the ring checks said, None when they did not run (no memory, no rings, an early state).
    """

    idstr: str
    instance_id: int
    section_id: int
    version_id: int
    described_by: str
    load_ns: int
    save_ns: int
    early: bool = False
    rings: tuple[str, ...] | None = None
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Result:
    """How a migration ended at the destination. ``digest``: SHA-256 of every byte that was received."""

    engine: str = ""
    stream_bytes: int = 0
    digest: str = ""
    error: str | None = None
    sections: tuple[SectionResult, ...] = ()
    checkpoints: tuple[tuple[str, int], ...] = ()
    trace: tuple[str, ...] = ()

    def encode(self) -> bytes:
        sections = []
        for section in self.sections:
            entry = asdict(replace(section, data=b""))
            entry["data"] = len(section.data)
            sections.append(entry)
        header = json.dumps({**asdict(replace(self, sections=())), "sections": sections}).encode()
        size = sum(len(section.data) for section in self.sections)
        longest = max(len(self.sections), len(self.trace), len(self.checkpoints))
        if len(header) > HEADER_MAX or size > DATA_MAX or longest > SECTIONS_MAX:
            raise EncodeError(f"a result of {len(header)} + {size} bytes is more than a source accepts")
        head = MAGIC + be(VERSION, 4, "version") + be(len(header), 4, "header length") + be(size, 8, "data length")
        data = b"".join(section.data for section in self.sections)
        return head + hashlib.sha256(header + data).digest() + header + data


def _bad(what: str, got: object = None) -> StreamError:
    return StreamError(f"The destination's result {what}", got=None if got is None else repr(got)[:80], code="result")


#       key               type          limit
_TYPES: Final[dict[str, tuple[type, int]]] = {
    "engine": (str, TEXT_MAX),
    "digest": (str, TEXT_MAX),
    "stream_bytes": (int, 1 << 62),
    "idstr": (str, 255),
    "instance_id": (int, 0xFFFFFFFF),
    "section_id": (int, 0xFFFFFFFF),
    "version_id": (int, 0xFFFFFFFF),
    "described_by": (str, 64),
    "load_ns": (int, 1 << 62),
    "save_ns": (int, 1 << 62),
    "early": (bool, 1),
    "data": (int, DATA_MAX),
    "checkpoint": (str, 255),
    "when": (int, 1 << 62),
    "line": (str, TEXT_MAX),
    "error": (str, TEXT_MAX),
}


def _checked(key: str, value: Any) -> Any:
    kind, limit = _TYPES[key]
    size = len(value) if isinstance(value, str) else value
    if type(value) is not kind or not 0 <= size <= limit:
        raise _bad(f"has no usable '{key}'", value)
    return value


def _list(node: Any, key: str) -> list[Any]:
    value = node.get(key) if isinstance(node, dict) else None
    if not isinstance(value, list) or len(value) > SECTIONS_MAX:
        raise _bad(f"has no usable '{key}'", value)
    return value


_PLAIN = ("idstr", "instance_id", "section_id", "version_id", "described_by", "load_ns", "save_ns", "early")


def _section(node: Any, data: bytes, at: int) -> tuple[SectionResult, int]:
    if not isinstance(node, dict):
        raise _bad("has a section that is none", node)
    end = at + _checked("data", node.get("data"))
    if end > len(data):
        raise _bad("has less data than its sections")
    plain = {key: _checked(key, node.get(key)) for key in _PLAIN}
    rings = None if node.get("rings") is None else tuple(_checked("line", r) for r in _list(node, "rings"))
    return SectionResult(**plain, rings=rings, data=data[at:end]), end


def _checkpoint(node: Any) -> tuple[str, int]:
    if not isinstance(node, list) or len(node) != 2:
        raise _bad("has a checkpoint that is none", node)
    return _checked("checkpoint", node[0]), _checked("when", node[1])


def _decode(header: bytes, data: bytes) -> Result:
    try:
        root = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise _bad("is not JSON", str(error)) from None
    if not isinstance(root, dict):
        raise _bad("is no JSON object", root)
    sections, at = [], 0
    for node in _list(root, "sections"):
        section, at = _section(node, data, at)
        sections.append(section)
    if at != len(data):
        raise _bad("has more data than its sections")
    return Result(
        _checked("engine", root.get("engine")),
        _checked("stream_bytes", root.get("stream_bytes")),
        _checked("digest", root.get("digest")),
        None if root.get("error") is None else _checked("error", root["error"]),
        tuple(sections),
        tuple(_checkpoint(node) for node in _list(root, "checkpoints")),
        tuple(_checked("line", line) for line in _list(root, "trace")),
    )


Reply = Message | Result | Answer


class AnswerReader(Receiver[Reply]):
    """Reads what comes back: messages of the return path, the result, and those of the hand-over."""

    def __init__(self) -> None:
        super().__init__()
        self._ended = False

    def next_answer(self) -> Reply | NeedData | None:
        """The next one; NEED_DATA: feed more, or close; None: all is read."""
        return self._next()

    def _done(self) -> bool:
        return self._ended

    def _step(self, data: memoryview, final: bool) -> tuple[int, Reply | None]:
        if final and not data:
            self._ended = True
            return 0, None
        cursor = Cursor(data, self.offset)
        if cursor.peek("an answer") != MAGIC[0]:
            message = read_message(cursor)
            return message.size, message
        if len(data) < len(handover.MAGIC):
            raise Short(len(handover.MAGIC), "an answer")
        if bytes(data[: len(handover.MAGIC)]) == handover.MAGIC:
            return self._handover(cursor)
        if len(data) < _HEAD:
            raise Short(_HEAD, "the result")
        if (magic := cursor.take(4, "the result")) != MAGIC:
            raise _bad("does not begin as one", magic)
        if (version := cursor.number(4, "the result")) != VERSION:
            raise _bad(f"has version {version}, this side knows {VERSION}")
        header, size = cursor.number(4, "the result"), cursor.number(8, "the result")
        if header > HEADER_MAX or size > DATA_MAX:
            raise _bad("is too long", header + size)
        checksum = cursor.take(_SUM, "the result")
        body = cursor.take(header + size, "the result")
        if hashlib.sha256(body).digest() != checksum:
            raise _bad("was damaged on its way")
        return cursor.position, _decode(body[:header], body[header:])

    def _handover(self, cursor: Cursor) -> tuple[int, Answer]:
        answer = handover.read_answer(cursor)
        return cursor.position, answer


__all__ = ["NEED_DATA", "AnswerReader", "Reply", "Result", "SectionResult"]
