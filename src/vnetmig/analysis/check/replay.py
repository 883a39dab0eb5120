"""A device's payload as one destination reads it: by its own shape, whatever the stream meant.

Knows what virtio_load does with counts that cannot be and with a stream that ends (qemu: hw/virtio/virtio.c,
migration/qemu-file.c): fields that are read by hand get zeros, those of a description an error. Gives the values that
the destination would hold, and the fault that ends its reading.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass

from vnetmig.analysis.check.core_rules import LENGTH_CHECKED
from vnetmig.analysis.check.trouble import ERROR_IN_DETAIL, Frame, Level, Trouble
from vnetmig.analysis.check.wire_names import frames_of
from vnetmig.analysis.release import Release
from vnetmig.errors import StreamError
from vnetmig.virtio.core import CONFIG_MAX
from vnetmig.virtio.section import program
from vnetmig.vmstate import Program, Record
from vnetmig.vmstate.program import Loaded

COUNT_UNSIGNED = "10.2"
"""Since then the number of MAC addresses that are dropped is unsigned; before, a negative one drops none."""

_ANY = Release.parse("7.2")

SUBSECTION = 0x05  #: how a subsection begins (qemu: QEMU_VM_SUBSECTION)

_PADDING = bytes(1 << 17)
_MORE = 1 << 23  #: bytes behind the payload that a reader out of step may get at


@dataclass(frozen=True, slots=True)
class Replay:
    """``end`` is the payload-relative position where the destination looks for the footer."""

    record: Record
    end: int
    fault: Trouble | None
    fault_at: int  #: payload-relative; beyond the end when there is none
    claimed: Mapping[str, int]  #: counts that were put right, by path: as they came


def replay(
    kind: str, version: int, params: Mapping[str, int], data: bytes, release: Release, length: int, engine: str | None
) -> Replay:
    """Read ``data``, the payload and all that follows it, as a destination whose device has ``params``, and
    ``length`` bytes of virtio config."""
    code = program(kind, version, tuple(sorted(params.items())))
    data = data[:_MORE]
    source, loaded, ended, claimed = _load(code, data, release, engine)
    error = loaded.error
    record, size = loaded.record, loaded.size
    if error is not None and error.code == "limit":
        return Replay(record, size, _limit(error, kind, release), error.offset, claimed)
    if (size if error is None else max(size, error.offset)) > ended:
        path, at, whole = _first_beyond(record, ended)
        config_at = _skips_beyond(record, claimed, length, ended) if release.since(LENGTH_CHECKED) else None
        if config_at is not None:
            fault = Trouble("config-len", {}, "config", code=errno.EPERM, stops=True)
            return Replay(record, size, fault, config_at, claimed)
        if path is not None:
            frames = frames_of(path, release)[1 if whole else 0 :]
            return Replay(record, size, _ended(kind, path, release, frames), at, claimed)
    if error is not None and error.code == "truncated":
        return Replay(record, size, _ended(kind, error.field, release), error.offset, claimed)
    if error is not None:
        return Replay(record, size, _refused(error), error.offset, claimed)
    if size >= ended or (source[size] == SUBSECTION and size + 2 + source[size + 1] > ended):
        return Replay(record, size, _ended(kind, None, release), size, claimed)
    return Replay(record, size, None, size + 1, claimed)


def _load(
    code: Program, data: bytes, release: Release, engine: str | None
) -> tuple[bytes, Loaded, int, dict[str, int]]:
    """(what was read, what was loaded of it, where the stream ended in it, counts that were put right for it)."""
    source, ended = data + _PADDING, len(data)
    claimed: dict[str, int] = {}
    loaded = code.load(source, engine=engine)
    while (error := loaded.error) is not None and error.code == "limit":
        begin = error.offset
        count = int.from_bytes(source[begin - 4 : begin], "big")
        claimed[error.field or ""] = count
        if error.field == "config" and count > CONFIG_MAX:
            kept = source[begin : begin + CONFIG_MAX].ljust(CONFIG_MAX, b"\0")
            source = source[: begin - 4] + CONFIG_MAX.to_bytes(4, "big") + kept + source[begin + count :] + _PADDING
            ended = max(begin, ended - (count - CONFIG_MAX))
        elif error.field == "mac_table.macs" and count >> 31 and not release.since(COUNT_UNSIGNED):
            source = source[: begin - 4] + bytes(4) + source[begin:]
        else:
            break
        loaded = code.load(source, engine=engine)
    return source, loaded, ended, claimed


def _skips_beyond(record: Record, claimed: Mapping[str, int], length: int, ended: int) -> int | None:
    """Where config bytes begin of which there are more than the device takes, and than the stream has."""
    came = claimed.get("config", record.get("config_len"))
    if not isinstance(came, int) or came <= length:
        return None
    begin = None
    for spot in record.walk():
        if spot.path.startswith("config") and not spot.path.startswith("config_") and begin is None:
            begin = spot.wire
        if spot.path == "num_queues":
            return begin if spot.wire > ended else None
    return None


def _first_beyond(record: Record, ended: int) -> tuple[str | None, int, bool]:
    """The first field of a description that is not there to its end, and where it starts. True: it is there, and the
    stream ends right behind it, where the loader looks for a subsection of the struct that it is in."""
    before: str | None = None
    at = 0
    for spot in record.walk():
        if spot.wire >= ended and before is not None and _is_checked(before):
            if spot.wire > ended:
                return before, at, False
            if len(frames_of(before, _ANY)) > 1:
                return before, at, True
        if spot.wire >= ended and _is_checked(spot.path):
            return spot.path, spot.wire, False
        before, at = spot.path, spot.wire
    return (before, at, False) if before is not None and _is_checked(before) else (None, at, False)


def _is_checked(path: str) -> bool:
    """Is it read by a description, which asks whether the stream has ended, or by hand?"""
    return bool(frames_of(path, _ANY)) or path.endswith("#version")


def _ended(kind: str, path: str | None, release: Release, frames: tuple[Frame, ...] | None = None) -> Trouble:
    """The stream ends in ``path``; None: right behind the payload, where a subsection might have followed."""
    outer = path is None
    inside = frames_of(path, release) if frames is None else frames
    return Trouble(
        "stream-error",
        {"vmsd": inside[0].vmsd if inside else kind, "code": -errno.EIO},
        path,
        code=errno.EIO,
        frames=inside,
        level=Level.SECTION if outer and release.since(ERROR_IN_DETAIL) else Level.DEVICE,
        stops=True,
    )


def _limit(error: StreamError, kind: str, release: Release) -> Trouble:
    if error.field == "vq":
        return Trouble("num-queues", {"count": error.got}, "num_queues", code=errno.EPERM, stops=True)
    if error.field == "mac_table.macs":
        # more addresses than any stream has bytes for: they are dropped one by one until it ends
        return _ended(kind, error.field, release, (Frame("virtio-net-device", "unused", "unused_buffer"),))
    return _ended(kind, error.field, release)


def _refused(error: StreamError) -> Trouble:
    """A subsection that nobody knows, or in another version."""
    parent = (error.field or "").rpartition(".")[0]
    if error.code == "subsection":
        parent = error.message.rpartition(" in '")[2].partition("'")[0]
        values = {"subsection": error.got, "vmsd": parent}
        return Trouble("subsection-unknown", values, error.field, code=errno.ENOENT, stops=True)
    name = error.message.partition(":")[0]
    rule = "vmstate-too-new" if " too new " in error.message else "vmstate-too-old"
    values = {"vmsd": name, "version": error.got, "local": error.expected, "minimum": error.expected}
    return Trouble(rule, values, error.field, inside=name.rpartition("/")[0], stops=True)
