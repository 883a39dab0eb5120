"""Changing a stream: values set, entries and subsections put in and taken out; proof that nothing else moved.

Knows the order of things: a copy is changed, encoded, and loaded again with nothing assumed; what comes out must have
the values that were meant, and must differ from the input in the edited devices only. What a text means is
``edit_names``', what must hold is ``edit_rules``'.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vnetmig.analysis import edit_text
from vnetmig.analysis.diff import Difference, diff
from vnetmig.analysis.edit_names import entry_of, path_of, set_path, set_text, virtio_kind
from vnetmig.analysis.edit_rules import broken_rules, lost_by_dropping
from vnetmig.document.device import Device
from vnetmig.document.load import Source, load
from vnetmig.document.saving import write
from vnetmig.document.stream import Stream
from vnetmig.errors import EditError, EncodeError, FieldError
from vnetmig.vmstate import elements
from vnetmig.vmstate.changes import changed_fields

Settable = edit_text.Settable
Kind = Literal["set", "add", "drop", "insert", "remove"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One step. ``value`` is a text as people write it, or the value itself; None: zero.

    >>> Operation.parse("set", "0000:00:03.0/virtio-net:mac=52:54:00:aa:bb:cc")
    Operation(kind='set', device='0000:00:03.0/virtio-net', path='mac', value='52:54:00:aa:bb:cc')
    """

    kind: Kind
    device: str
    path: str
    value: Settable | None = None

    @classmethod
    def parse(cls, kind: Kind, text: str) -> Operation:
        """``DEVICE:PATH=VALUE`` to set, ``DEVICE:LIST[i]=VALUE`` to insert, ``DEVICE:PATH`` for the rest."""
        if kind == "set" or (kind == "insert" and "=" in text):
            return cls(kind, *edit_text.split_assignment(text))
        return cls(kind, *edit_text.split_target(text))


@dataclass(frozen=True, slots=True)
class Edited:
    """What came out. ``stream`` is loaded from ``data``, the stream's bytes.

    ``forced``: what is not valid in it and was forced. ``difference`` is None when a forced stream cannot be read, or
    it was not asked for.
    """

    data: bytes
    stream: Stream
    difference: Difference | None
    forced: tuple[str, ...] = ()

    def save(self, path: str | Path) -> int:
        """Write it as ``Stream.save`` does; returns the length."""
        return write(path, [self.data], self.stream.wrappers)


def edit(
    source: Stream | Source,
    operations: Iterable[Operation] = (),
    *,
    sets: Iterable[str] | Mapping[str, Settable] = (),
    adds: Iterable[str] = (),
    drops: Iterable[str] = (),
    inserts: Iterable[str] = (),
    removes: Iterable[str] = (),
    force: bool = False,
    compare: bool = True,
    engine: str | None = None,
) -> Edited:
    """An edited copy of a stream; ``source``, a Stream or anything that ``load`` takes, stays as it is.

    ``sets`` are texts ``DEVICE:PATH=VALUE``, or a mapping ``DEVICE:PATH`` -> value; ``adds`` and ``drops``
    ``DEVICE:SUBSECTION``, ``inserts`` ``DEVICE:LIST[i]=VALUE``, ``removes`` ``DEVICE:LIST[i]``. They are done in the
    order adds, removes, inserts, sets, drops, behind ``operations``, which are done as they come. A device is an idstr
    or the end of one, ``cpu#1`` for an instance. A path is one of the device's ``fields()`` or a name of its live view;
    a path wins. Subsections are added zeroed, in QEMU's order, in the oldest version that there is.

    FieldError: a name that is none, a value that does not fit. EditError: the stream would not be valid; ``force``
    makes it nevertheless, where that is possible. StreamError when ``source`` cannot be read. ``compare`` False: the
    result is read back, but not compared with the source, which takes tenths of a second; there is no ``difference``.

    >>> import vnetmig
    >>> found = edit(vnetmig.sample(), sets=["virtio-net:mac=52:54:00:aa:bb:cc", "virtio-net:vlans=+42"])
    >>> found.stream.device("virtio-net").mac
    '52:54:00:aa:bb:cc'
    >>> [field.path for field in found.difference["virtio-net"].fields]
    ['mac', 'vlans[1]']
    """
    before = source if isinstance(source, Stream) else load(source, engine=engine)
    if before.error is not None:
        raise before.error
    original = before.encode()
    if isinstance(source, Stream):
        before = _reloaded(source, original)
    work = _Work(_reloaded(before, original), force)
    for operation in (*operations, *_operations(sets, adds, drops, inserts, removes)):
        work.do(operation)
    return work.finish(before, compare=compare)


def _operations(
    sets: Iterable[str] | Mapping[str, Settable],
    adds: Iterable[str],
    drops: Iterable[str],
    inserts: Iterable[str],
    removes: Iterable[str],
) -> Iterator[Operation]:
    texts: tuple[tuple[Kind, Iterable[str]], ...] = (("add", adds), ("remove", removes), ("insert", inserts))
    for kind, given in texts:
        yield from (Operation.parse(kind, text) for text in given)
    if isinstance(sets, Mapping):
        yield from (Operation("set", *edit_text.split_target(target), value) for target, value in sets.items())
    else:
        yield from (Operation.parse("set", text) for text in sets)
    yield from (Operation.parse("drop", text) for text in drops)


def _reloaded(stream: Stream, data: bytes) -> Stream:
    made = load(data, engine=stream.engine)
    made.wrappers = stream.wrappers
    return made


class _Work:
    """The copy that is changed, and what was found out on the way."""

    def __init__(self, stream: Stream, force: bool) -> None:
        self._stream = stream
        self._force = force
        self._reasons: list[str] = []
        self._touched: dict[int, tuple[Device, list[str]]] = {}
        """Device views by id, each with the rules that were broken before anything was changed."""
        self._counts: list[tuple[Device, str, int]] = []
        """Counts that contradict their lists: no encoder writes them, so they are put into the bytes at the end."""

    def do(self, operation: Operation) -> None:
        device = self._stream.named(operation.device)
        if id(device) not in self._touched:
            kind = virtio_kind(device)
            self._touched[id(device)] = device, broken_rules(kind, device.record) if kind else []
        getattr(self, f"_{operation.kind}")(device, operation.path, operation.value)

    # operations

    def _set(self, device: Device, path: str, value: Settable | None) -> None:
        record = device.record
        kept = bytes(record.data)
        if value is not None:
            set_text(device, path, edit_text.written(value))
        try:
            record.save(engine=self._stream.engine)
        except EncodeError as error:
            reason = f"{device.idstr}: {error}; entries are put in and taken out by --insert and --remove"
            count = record[path_of(device, path)]
            record.data = bytearray(kept)
            record.bound = None
            self._refuse(reason)
            if isinstance(count, int):
                self._counts.append((device, path_of(device, path), count))

    def _add(self, device: Device, name: str, value: Settable | None) -> None:
        path, node = elements.subsection(device.record, name)
        device.record.add(path, node.vmsd.minimum_version or node.vmsd.version)

    def _drop(self, device: Device, name: str, value: Settable | None) -> None:
        path, _ = elements.subsection(device.record, name)
        kind = virtio_kind(device)
        if device.section.state is None and "." in path:
            raise FieldError(f"'{device.idstr}': of a device that only the vmdescription describes, own subsections go")
        lost = None
        if kind and f"{path}.#version" in device.record:
            lost = lost_by_dropping(kind, device.record, path)
        if lost is not None:
            self._refuse(f"{device.idstr}: {lost}")
        device.record.drop(path)

    def _insert(self, device: Device, name: str, value: Settable | None) -> None:
        path, index = entry_of(device, name)
        elements.insert(device.record, path, index)
        if value is not None:
            set_path(device.record, f"{path}[{index}]", edit_text.written(value))

    def _remove(self, device: Device, name: str, value: Settable | None) -> None:
        elements.remove(device.record, *entry_of(device, name))

    # the result

    def _refuse(self, reason: str) -> None:
        self._reasons.append(reason)
        if not self._force:
            raise EditError((reason,))

    def finish(self, before: Stream, *, compare: bool) -> Edited:
        for device, broken in self._touched.values():
            kind = virtio_kind(device)
            found = broken_rules(kind, device.record) if kind else []
            self._reasons += [f"{device.idstr}: {reason}" for reason in found if reason not in broken]
        if self._reasons and not self._force:
            raise EditError(tuple(self._reasons))
        try:
            data = self._stream.encode()
        except EncodeError as error:
            raise EditError((str(error),)) from None
        if self._counts:
            data = self._with_counts(data)
        after = load(data, engine=self._stream.engine, partial=True)
        after.wrappers = self._stream.wrappers
        self._reasons += self._misread(after)
        difference = None if after.error is not None or not compare else diff(before, after)
        if difference is not None:
            self._reasons += self._moved(difference)
        if self._reasons and not self._force:
            raise EditError(tuple(self._reasons))
        return Edited(data, after, difference, tuple(self._reasons))

    def _with_counts(self, data: bytes) -> bytes:
        made = bytearray(data)
        stream = load(data, engine=self._stream.engine)
        for device, path, count in self._counts:
            field = stream.device(device.idstr, device.instance_id).fields()[path]
            made[field.offset : field.offset + field.size] = count.to_bytes(field.size, "big")
        return bytes(made)

    def _misread(self, after: Stream) -> Iterator[str]:
        """Read back with nothing assumed, the devices must hold what was meant."""
        if after.error is not None:
            yield f"the edited stream cannot be read: {after.error.message} at offset {after.error.offset:#x}"
            return
        for device, _ in self._touched.values():
            try:
                other = after.device(device.idstr, device.instance_id)
            except FieldError as error:
                yield f"{device.idstr}: read back, {error}"
                continue
            changes = changed_fields(device.record, other.record)
            if changes:
                paths = ", ".join(change.path for change in changes[:8])
                yield f"{device.idstr}: read back, other values come out than were set: {paths}"

    def _moved(self, difference: Difference) -> Iterator[str]:
        """Nothing but the edited devices may differ."""
        edited = {(device.idstr, device.instance_id) for device, _ in self._touched.values()}
        others = [s.idstr for s in difference.sections if (s.idstr, s.instance_id) not in edited]
        others += [name for name, _, _ in (*difference.only_a, *difference.only_b)]
        others += [item.name for item in difference.items]
        if others:
            yield f"the edit reached what was not to be edited: {', '.join(others[:8])}"
