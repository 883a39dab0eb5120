"""The values of a virtio-net that change with every packet, and those that only a driver or host changes.

The second RFC ("virtio-net: early VMStateDescription live migration support") sends a device early and compares at
stop-and-copy: if nothing but the first kind changed, only they are sent again. Its first version names them: ring
indices (always), the interrupt status, pending transmissions. Knows their names; knows no stream.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from vnetmig.vmstate import Record
from vnetmig.vmstate.wire_layout import rows

Span = tuple[int, int]
"""(wire offset, bytes)."""

#            value or array           of each queue
ALWAYS_CHANGE: Final[dict[str, tuple[str, ...]]] = {
    "isr": (),
    "vq": ("last_avail_idx",),
    "tx_waiting": (),
    "tx_waiting_of_pair": (),
    "packed_virtqueues.vq": (
        "last_avail_idx",
        "last_avail_wrap_counter",
        "used_idx",
        "used_wrap_counter",
        "inuse",
    ),
}


def resync_spans(record: Record) -> tuple[Span, ...]:
    """Where the values that always change stand in the payload of ``record``, in wire order."""
    queues = record["num_queues"]
    assert isinstance(queues, int)
    spans: list[Span] = []
    for row in rows(record):
        columns = ALWAYS_CHANGE.get(row.path)
        if columns is None:
            continue
        if not columns:
            spans.append((row.offset, row.size))
            continue
        for index in range(min(queues, row.count)):
            base = row.offset + index * row.stride
            spans += ((base + at, size) for name, at, size in row.columns if name in columns)
    return tuple(span for span in spans if span[1])


_INDEX = re.compile(r"\[[0-9]+\]", re.ASCII)


def always_changes(path: str) -> bool:
    """Is the field of this path one of those values?

    >>> always_changes("vq[3].last_avail_idx"), always_changes("vq[3].num"), always_changes("isr")
    (True, False, True)
    """
    bare = _INDEX.sub("", path)
    array, _, column = bare.rpartition(".")
    return bare in ALWAYS_CHANGE or column in ALWAYS_CHANGE.get(array, ())


def without(state: bytes, spans: Sequence[Span]) -> bytes:
    """``state`` with these values zeroed: what is left must be equal for a resync."""
    masked = bytearray(state)
    for at, size in spans:
        masked[at : at + size] = bytes(size)
    return bytes(masked)


def values_at(state: bytes, spans: Sequence[Span]) -> bytes:
    """The values themselves, one behind the other."""
    return b"".join(state[at : at + size] for at, size in spans)


def with_values(state: bytes, spans: Sequence[Span], values: bytes) -> bytes | None:
    """``state`` with other values in these places; None when ``values`` has not the size of all of them."""
    if len(values) != sum(size for _, size in spans):
        return None
    changed = bytearray(state)
    taken = 0
    for at, size in spans:
        changed[at : at + size] = values[taken : taken + size]
        taken += size
    return bytes(changed)
