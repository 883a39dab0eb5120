"""What the two sides say to each other behind the end of the stream, so that never both of them own the machine.

An extension of vnetmig (capability ``x-vnetmig-handover-1``, docs/protocol.md); without it nothing follows the stream
and a destination starts by itself, as QEMU's does. With it the destination loads everything, stays paused, and says
what it holds; the source compares, gives the machine away with one message, and is told that it runs. Knows messages,
their layout and limits; does not know who may say what when (source_states.py, destination_states.py).

Every message: magic (4), type (1), length (4, big-endian), payload. Those of the source come behind the stream, those
of the destination on the way back, where QEMU's own messages begin with a zero byte.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from vnetmig.errors import StreamError
from vnetmig.stream import framing
from vnetmig.stream.cursor import Cursor, Short, be, counted
from vnetmig.stream.receiver import NeedData, Receiver

MAGIC: Final = framing.HANDOVER_MAGIC
ACK_PING: Final = 0x41434B
"""The PING that a source sends behind everything that has to arrive before the guest stops: a destination that has it,
and is prepared, adds SWITCHOVER_ACK to its PONG."""

LENGTH_MAX: Final = (64 << 20) + 512
"""A whole device state and its name."""
SMALL_MAX: Final = 1 << 20
DEVICES_MAX: Final = 1 << 12
DIGEST_BYTES: Final = 32
_HEAD: Final = len(MAGIC) + 1 + 4


@dataclass(frozen=True, slots=True)
class Verify:
    """Source: the stream ends here; tell me what you hold. ``digest``: SHA-256 of every byte of it."""

    digest: bytes

    def encode(self) -> bytes:
        return _message(Verify, self.digest)


@dataclass(frozen=True, slots=True)
class Resend:
    """Source: the state of a device that you asked for; ``frame`` is one frame of stream/tentative.py."""

    idstr: str
    instance_id: int
    frame: bytes

    def encode(self) -> bytes:
        return _message(Resend, counted(self.idstr, "idstr") + be(self.instance_id, 4, "instance_id") + self.frame)


@dataclass(frozen=True, slots=True)
class Start:
    """Source: the machine is yours. From here on this side does not run it, whatever happens."""

    def encode(self) -> bytes:
        return _message(Start)


@dataclass(frozen=True, slots=True)
class Discard:
    """Source: forget what you hold; the machine goes on here."""

    def encode(self) -> bytes:
        return _message(Discard)


@dataclass(frozen=True, slots=True)
class NeedFull:
    """Destination: of these devices (idstr, instance_id) I do not hold the state that you build on.

    ``early``: said while the stream still comes. It may cross VERIFY on its way, whose answer it must not be taken for.
    """

    devices: tuple[tuple[str, int], ...]
    early: bool = False

    def encode(self) -> bytes:
        listed = b"".join(counted(idstr, "idstr") + be(instance, 4, "instance_id") for idstr, instance in self.devices)
        return _message(NeedFull, bytes((self.early,)) + be(len(self.devices), 4, "number of devices") + listed)


@dataclass(frozen=True, slots=True)
class Started:
    """Destination: the machine runs here. ``checkpoints`` (name, nanoseconds) and trace lines of the start."""

    checkpoints: tuple[tuple[str, int], ...] = ()
    trace: tuple[str, ...] = ()

    def encode(self) -> bytes:
        return _message(Started, json.dumps({"checkpoints": self.checkpoints, "trace": self.trace}).encode())


Order = Verify | Resend | Start | Discard
Answer = NeedFull | Started

#                         number  message
_NUMBERS: Final[dict[int, type[Order] | type[Answer]]] = {
    1: Verify,
    2: Resend,
    3: Start,
    4: Discard,
    17: NeedFull,
    18: Started,
}
_ORDERS: Final = (Verify, Resend, Start, Discard)


def _message(kind: type[Order] | type[Answer], payload: bytes = b"") -> bytes:
    number = next(number for number, known in _NUMBERS.items() if known is kind)
    return MAGIC + bytes((number,)) + be(len(payload), 4, "message length") + payload


def read_order(cursor: Cursor) -> Order:
    """The source's message at the cursor. ``Short`` when it is not all there, StreamError when it is none."""
    found = _read(cursor)
    if not isinstance(found, _ORDERS):
        raise _bad(cursor, "is not one of a source", type(found).__name__)
    return found


def read_answer(cursor: Cursor) -> Answer:
    """The destination's message at the cursor."""
    found = _read(cursor)
    if isinstance(found, _ORDERS):
        raise _bad(cursor, "is not one of a destination", type(found).__name__)
    return found


class OrderReader(Receiver[Order]):
    """``feed`` bytes that came behind the stream, and take the source's messages from ``next_order``."""

    def next_order(self) -> Order | NeedData | None:
        """The next message; NEED_DATA: feed more."""
        return self._next()

    def _done(self) -> bool:
        return False

    def _step(self, data: memoryview, final: bool) -> tuple[int, Order | None]:
        cursor = Cursor(data, self.offset)
        order = read_order(cursor)
        return cursor.position, order


def _read(cursor: Cursor) -> Order | Answer:
    if (magic := cursor.take(len(MAGIC), "a hand-over message")) != MAGIC:
        raise _bad(cursor, "does not begin as one", magic)
    number = cursor.number(1, "a hand-over message")
    kind = _NUMBERS.get(number)
    if kind is None:
        raise _bad(cursor, "is of no known type", number)
    length = cursor.number(4, "a hand-over message")
    if length > (LENGTH_MAX if kind is Resend else SMALL_MAX):
        raise _bad(cursor, "is too long", length)
    body = Cursor(cursor.take(length, "a hand-over message"), cursor.offset - length)
    try:
        found = _decode(kind, body)
    except Short:
        raise _bad(cursor, "ends inside a value", f"{length} bytes") from None
    if body.position != body.end:
        raise _bad(cursor, "has bytes behind its values", body.end - body.position)
    return found


def _decode(kind: type[Order] | type[Answer], body: Cursor) -> Order | Answer:
    if kind is Verify:
        return Verify(body.take(DIGEST_BYTES, "digest"))
    if kind is Resend:
        idstr, instance_id = body.cstr("idstr"), body.number(4, "instance_id")
        return Resend(idstr, instance_id, body.take(body.end - body.position, "frame"))
    if kind is NeedFull:
        early, count = body.number(1, "early"), body.number(4, "number of devices")
        if early > 1 or count > DEVICES_MAX:
            raise _bad(body, "names too many devices", f"{count}, early {early}")
        return NeedFull(tuple((body.cstr("idstr"), body.number(4, "instance_id")) for _ in range(count)), bool(early))
    if kind is Started:
        return _started(body)
    return Start() if kind is Start else Discard()


def _started(body: Cursor) -> Started:
    text = body.take(body.end, "JSON")
    try:
        root = json.loads(text)
        checkpoints = tuple((_text(name), _count(when)) for name, when in root["checkpoints"])
        return Started(checkpoints, tuple(_text(line) for line in root["trace"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _bad(body, "holds no usable JSON", error) from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise TypeError("a count of nanoseconds expected")
    return value


def _bad(cursor: Cursor, what: str, got: object) -> StreamError:
    return StreamError(f"A hand-over message {what}", offset=cursor.offset, got=str(got)[:80], code="handover")
