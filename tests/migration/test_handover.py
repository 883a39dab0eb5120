"""The messages behind the stream: every layout as bytes, every truncation, hostile lengths, any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.errors import StreamError
from vnetmig.migration import handover
from vnetmig.migration.handover import (
    DEVICES_MAX,
    LENGTH_MAX,
    SMALL_MAX,
    Discard,
    NeedFull,
    OrderReader,
    Resend,
    Start,
    Started,
    Verify,
)
from vnetmig.migration.result import AnswerReader
from vnetmig.stream.receiver import NEED_DATA

#           message                          bytes
ORDERS = {
    "VERIFY": (
        Verify(bytes(range(32))),
        """
        56 4e 4d 48     magic
        01              type
        00 00 00 20     length
        00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f
        10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f     digest
        """,
    ),
    "RESEND": (
        Resend("ab/net", 7, b"frame"),
        """
        56 4e 4d 48 02  magic, type
        00 00 00 10     length
        06 61 62 2f 6e 65 74     idstr
        00 00 00 07     instance_id
        66 72 61 6d 65  frame
        """,
    ),
    "START": (Start(), "56 4e 4d 48 03 00 00 00 00"),
    "DISCARD": (Discard(), "56 4e 4d 48 04 00 00 00 00"),
}
ANSWERS = {
    "NEED_FULL": (
        NeedFull((("a", 1), ("bc", 2)), early=True),
        """
        56 4e 4d 48 11  magic, type
        00 00 00 12     length
        01              early
        00 00 00 02     devices
        01 61 00 00 00 01
        02 62 63 00 00 00 02
        """,
    ),
    "STARTED": (
        Started((("up", 5),), ("line",)),
        """
        56 4e 4d 48 12  magic, type
        00 00 00 2f     length
        7b 22 63 68 65 63 6b 70 6f 69 6e 74 73 22 3a 20     {"checkpoints":
        5b 5b 22 75 70 22 2c 20 35 5d 5d 2c 20     [["up", 5]],
        22 74 72 61 63 65 22 3a 20 5b 22 6c 69 6e 65 22 5d 7d     "trace": ["line"]}
        """,
    ),
}


def annotated(text: str) -> bytes:
    """The hex at the start of each line."""
    found = []
    for line in text.splitlines() or [text]:
        for word in line.split():
            if len(word) != 2 or not all(c in "0123456789abcdef" for c in word):
                break
            found.append(int(word, 16))
    return bytes(found)


def orders(data: bytes, step: int | None = None) -> list[object]:
    reader = OrderReader()
    found: list[object] = []
    for at in range(0, len(data), step or max(1, len(data))):
        reader.feed(data[at : at + step] if step else data)
        while (order := reader.next_order()) is not NEED_DATA:
            found.append(order)
    return found


def answers(data: bytes, step: int | None = None) -> list[object]:
    reader = AnswerReader()
    found: list[object] = []
    for at in range(0, len(data), step or max(1, len(data))):
        reader.feed(data[at : at + step] if step else data)
        while (answer := reader.next_answer()) is not NEED_DATA:
            found.append(answer)
    return found


@pytest.mark.parametrize("name", ORDERS)
def test_orders_are_these_bytes(name: str) -> None:
    order, text = ORDERS[name]
    assert order.encode() == annotated(text)
    for step in (None, 1, 2, 7):
        assert orders(annotated(text) * 2, step) == [order, order]


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_are_these_bytes(name: str) -> None:
    answer, text = ANSWERS[name]
    assert answer.encode() == annotated(text)
    for step in (None, 1, 2, 7):
        assert answers(annotated(text) * 2, step) == [answer, answer]


@pytest.mark.parametrize("name", ORDERS)
def test_a_truncated_order_is_waited_for(name: str) -> None:
    data = ORDERS[name][0].encode()
    for cut in range(len(data)):
        assert orders(data[:cut]) == []


@pytest.mark.parametrize("name", ANSWERS)
def test_a_truncated_answer_is_waited_for(name: str) -> None:
    data = ANSWERS[name][0].encode()
    for cut in range(len(data)):
        assert answers(data[:cut]) == []


def head(number: int, length: int) -> bytes:
    return handover.MAGIC + bytes((number,)) + length.to_bytes(4, "big")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"VNMX" + bytes(5), "does not begin as one"),
        (head(0, 0), "is of no known type"),
        (head(5, 0), "is of no known type"),
        (head(255, 0), "is of no known type"),
        (head(17, 5) + bytes(5), "is not one of a source"),
        (head(1, SMALL_MAX + 1), "is too long"),
        (head(3, 0xFFFFFFFF), "is too long"),
        (head(2, LENGTH_MAX + 1), "is too long"),
        (head(1, 31) + bytes(31), "ends inside a value"),
        (head(1, 33) + bytes(33), "has bytes behind its values"),
        (head(2, 3) + b"\x05ab", "ends inside a value"),
        (head(2, 0), "ends inside a value"),
        (head(3, 1) + b"\0", "has bytes behind its values"),
        (head(4, 1) + b"\0", "has bytes behind its values"),
    ],
)
def test_what_is_no_order(data: bytes, words: str) -> None:
    with pytest.raises(StreamError, match=f"A hand-over message {words}") as caught:
        orders(data)
    assert caught.value.code == "handover"


def json_of(text: bytes) -> bytes:
    return head(18, len(text)) + text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (head(1, 32) + bytes(32), "is not one of a destination"),
        (head(17, SMALL_MAX + 1), "is too long"),
        (head(17, 5) + b"\0" + (DEVICES_MAX + 1).to_bytes(4, "big"), "names too many devices"),
        (head(17, 5) + b"\2" + bytes(4), "names too many devices"),
        (head(17, 5) + b"\0" + (1).to_bytes(4, "big"), "ends inside a value"),
        (head(17, 4) + bytes(4), "ends inside a value"),
        (head(17, 6) + bytes(6), "has bytes behind its values"),
        (json_of(b""), "holds no usable JSON"),
        (json_of(b"[]"), "holds no usable JSON"),
        (json_of(b'{"checkpoints": 1, "trace": []}'), "holds no usable JSON"),
        (json_of(b'{"checkpoints": [["a", -1]], "trace": []}'), "holds no usable JSON"),
        (json_of(b'{"checkpoints": [["a", true]], "trace": []}'), "holds no usable JSON"),
        (json_of(b'{"checkpoints": [], "trace": [1]}'), "holds no usable JSON"),
        (json_of(b"[" * 100_000), "holds no usable JSON"),
        (json_of(b"\xff"), "holds no usable JSON"),
    ],
)
def test_what_is_no_answer(data: bytes, words: str) -> None:
    with pytest.raises(StreamError, match=f"A hand-over message {words}"):
        answers(data)


def test_the_limits_bound_what_is_waited_for() -> None:
    """A length alone never sizes an allocation: nothing is kept but what came."""
    reader = OrderReader()
    reader.feed(head(2, LENGTH_MAX))
    assert reader.next_order() is NEED_DATA


@given(st.binary(max_size=60))
def test_any_bytes_are_orders_or_an_error(data: bytes) -> None:
    for prefix in (b"", handover.MAGIC, head(2, len(data)), head(18, len(data)), head(17, len(data))):
        for read in (orders, answers):
            try:
                read(prefix + data)
            except StreamError as error:
                assert error.message  # noqa: PT017


NAMES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255)


@given(NAMES, st.integers(0, 2**32 - 1), st.binary())
def test_names_and_frames_come_back(idstr: str, instance: int, frame: bytes) -> None:
    resend, need = Resend(idstr, instance, frame), NeedFull(((idstr, instance),))
    assert orders(resend.encode()) == [resend]
    assert answers(need.encode()) == [need]
