"""A device's payload as one destination reads it: by its own shape, whatever the stream meant.

Knows what virtio_load does with counts that cannot be and with a stream that ends (qemu: hw/virtio/virtio.c,
migration/qemu-file.c): fields that are read by hand get zeros, those of a description an error. Gives the values that
the destination would hold, and the fault that ends its reading.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from vnetmig.analysis.check.console_rules import MEMORY_ASKED
from vnetmig.analysis.check.core_rules import LENGTH_CHECKED
from vnetmig.analysis.check.subsections import Fault, SubsectionReader, parents, without_subsections
from vnetmig.analysis.check.subsections import ended as stream_ended
from vnetmig.analysis.check.trouble import ERROR_IN_DETAIL, Frame, Level, Trouble
from vnetmig.analysis.check.wire_names import frames_of
from vnetmig.analysis.finding import Severity
from vnetmig.analysis.release import Release
from vnetmig.errors import StreamError
from vnetmig.virtio.core import CONFIG_MAX
from vnetmig.virtio.net import MAC_TABLE_ENTRIES
from vnetmig.virtio.section import SECTIONS, program
from vnetmig.vmstate import Program, Record
from vnetmig.vmstate.program import Loaded

COUNT_UNSIGNED = "10.2"
"""Since then the number of MAC addresses that are dropped is unsigned; before, a negative one drops none."""

_DROPPED_MACS = Frame("virtio-net-device", "unused", "unused_buffer")
"""More MAC addresses than a device keeps are read into nothing."""

_ANY = Release.parse("7.2")

PORTS_OF_A_WORD = 32
"""A virtio-serial has 31 ports unless max_ports says other."""

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
    afterwards: Trouble | None = None  #: a fault that is noticed when the whole device has been loaded


def replay(
    kind: str, version: int, params: Mapping[str, int], data: bytes, release: Release, length: int, engine: str | None
) -> Replay:
    """Read ``data``, the payload and all that follows it, as a destination whose device has ``params``, and
    ``length`` bytes of virtio config."""
    data = data[:_MORE]
    body = _body(kind, version, tuple(sorted(params.items())))
    source, loaded, ended, claimed = _load(body, data, release, engine)
    if kind == "virtio-console":
        source, loaded = _with_ports(body, source, loaded, engine)
    error = loaded.error
    record, size = loaded.record, loaded.size
    if error is not None and error.code == "limit":
        return Replay(record, size, _limit(error, kind, release), error.offset, claimed)
    if (size if error is None else max(size, error.offset)) > ended:
        config_at = _skips_beyond(record, claimed, length, ended) if release.since(LENGTH_CHECKED) else None
        if config_at is not None:
            fault = Trouble("config-len", {}, "config", code=errno.EPERM, stops=True)
            return Replay(record, size, fault, config_at, claimed)
    if error is not None or size >= ended:
        path, at, is_whole = _first_beyond(record, ended, size)
        if path is None and error is not None and error.code == "truncated":
            path, at = error.field, error.offset
            if path is not None and path.startswith("mac_table.macs"):
                at = _place_of(record, "mac_table.in_use") or at  # nothing behind the list is where it seems
        if path is None and (map_at := _place_of(record, "serial.ports_map")) is not None and map_at + 4 > ended:
            # What did not come is no port, and a console has one.
            trouble = Trouble("device-state", {}, "serial.ports_map", stops=True)
            return Replay(record, size, trouble, map_at, claimed)
        if path is not None:
            frames = frames_of(path, release)[1 if is_whole else 0 :]
            macs = record.get("mac_table.in_use")
            if path.startswith("mac_table.macs") and isinstance(macs, int) and macs > MAC_TABLE_ENTRIES:
                frames = (_DROPPED_MACS,)
            return Replay(record, size, stream_ended(path, release, frames), at, claimed)
    if error is not None:
        return Replay(record, size, _refused(error), error.offset, claimed)
    reader = SubsectionReader(source, size, ended, params, release)
    refused: Fault | None = None
    try:
        for parent in parents(SECTIONS[kind][0]):
            reader.read(parent)
    except Fault as fault:
        refused = fault
    whole = program(kind, version, tuple(sorted(params.items())))
    record = whole.load(source[:size] + bytes(reader.kept) + b"\0", engine=engine).record
    if refused is not None:
        return Replay(record, reader.at, refused.trouble, refused.at, claimed)
    return Replay(record, reader.at, None, reader.at + 1, claimed, _outside(kind, release) if reader.over else None)


@lru_cache(maxsize=64)
def _body(kind: str, version: int, params: tuple[tuple[str, int], ...]) -> Program:
    """What stands in front of all subsections."""
    return Program(without_subsections(SECTIONS[kind][0]), dict(params), version)


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


def _with_ports(code: Program, source: bytes, loaded: Loaded, engine: str | None) -> tuple[bytes, Loaded]:
    """The map of ports has as many words as the destination's own ports take, whatever number came."""
    at = _place_of(loaded.record, "serial.max_nr_ports")
    if at is None or int.from_bytes(source[at : at + 4], "big") in range(1, PORTS_OF_A_WORD + 1):
        return source, loaded
    source = source[:at] + PORTS_OF_A_WORD.to_bytes(4, "big") + source[at + 4 :]
    return source, code.load(source, engine=engine)


def _place_of(record: Record, path: str) -> int | None:
    """Where ``path``, or the first element of it, stands in the payload."""
    return next((spot.wire for spot in record.walk() if spot.path in (path, f"{path}[0]")), None)


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


def _first_beyond(record: Record, ended: int, size: int) -> tuple[str | None, int, bool]:
    """The first field of a description that is not there to its end, and where it starts; ``size``: of all fields.
    True: it is there, and the stream ends right behind it, where the loader looks for subsections of its struct."""
    before: str | None = None
    at = 0
    for path, wire in (*((spot.path, spot.wire) for spot in record.walk()), ("", size)):
        around = frames_of(before, _ANY) if wire >= ended else ()
        if before is not None and around and (wire > ended or len(around) > 1):
            return before, at, wire == ended
        if wire >= ended and _is_checked(path):
            return path, wire, False
        before, at = path, wire
    return None, at, False


def _is_checked(path: str) -> bool:
    """Is it read by a description, which asks whether the stream has ended, or by hand?"""
    return bool(frames_of(path, _ANY))


def _outside(kind: str, release: Release) -> Trouble:
    """The stream ended, and only the field around the whole device notices."""
    values = {"vmsd": kind, "code": -errno.EIO}
    level = Level.SECTION if release.since(ERROR_IN_DETAIL) else Level.DEVICE
    return Trouble("stream-error", values, code=errno.EIO, level=level, stops=True)


def _limit(error: StreamError, kind: str, release: Release) -> Trouble:
    if error.field == "vq":
        return Trouble("num-queues", {"count": error.got}, "num_queues", code=errno.EPERM, stops=True)
    if error.field == "serial.ports" and isinstance(error.got, int) and error.got >= MEMORY_ASKED:
        words = f"the stream names {error.got} ports: QEMU asks for memory for all of them and dies of it"
        return Trouble("memory-asked", {}, "serial.nr_active_ports", severity=Severity.CRASH, words=words, stops=True)
    if error.field == "mac_table.macs":
        # more addresses than any stream has bytes for: they are dropped one by one until it ends
        return stream_ended(error.field, release, (_DROPPED_MACS,))
    return _outside(kind, release)


def _refused(error: StreamError) -> Trouble:
    """A value that the device itself does not take."""
    element = re.match(r"in-flight element: (in|out)_num", error.message)
    if element is not None:
        condition = f"ARRAY_SIZE(data.{element[1]}_addr) >= data.{element[1]}_num"
        return Trouble("element-too-large", {"condition": condition}, error.field, severity=Severity.CRASH, stops=True)
    return Trouble("device-state", {}, error.field, code=errno.EINVAL, words=error.message, stops=True)
