"""Lets every allocation of an operation fail in turn: failing_memory.py ENGINE FOLDER OPERATION...

Prints for each operation how the attempts ended. An assertion that fails, another exception than MemoryError and
VnetmigError, or a crash ends the process.
"""

from __future__ import annotations

import _testcapi  # of CPython's own tests
import json
import lzma
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import vnetmig
from vnetmig.backend.null import NullBackend
from vnetmig.backend.work import NetWork
from vnetmig.document.receive import MacTable
from vnetmig.errors import VnetmigError
from vnetmig.migration.destination import Destination
from vnetmig.migration.machine import Machine
from vnetmig.migration.machine_control import AnyIncoming
from vnetmig.migration.source import Source
from vnetmig.vmstate import Record
from vnetmig.vmstate.delta import apply_delta, make_delta

STREAMS = Path(__file__).resolve().parent.parent / "streams"
CLOSE = 120
"""Every allocation up to this one fails in turn, then ever fewer of them."""
QUIET = 6
"""So many attempts without a failure: the operation has no more allocations."""
PYTHONS_OWN = (
    "can't allocate lock",
    "can't allocate read lock",
    "can't start new thread",
    "error return without exception set",
    "expected str, bytes or os.PathLike object, not PosixPath",
)
"""What CPython itself makes of a MemoryError in some places: other errors than that one."""

ENGINE, FOLDER = sys.argv[1], Path(sys.argv[2])
DATA = lzma.decompress((STREAMS / "rfc-user-1q-legacy" / "stream.bin.xz").read_bytes())
STREAM = vnetmig.load(DATA, engine=ENGINE)
NET = STREAM.device("virtio-net")
RECORD = NET.record
STATE = bytes(RECORD.data)
SAVED = RECORD.save(engine=ENGINE)


def attempts() -> Iterator[int]:
    at = 1
    while True:
        yield at
        at += 1 if at < CLOSE else at // 12


def every(prepare: Callable[[], Any], work: Callable[[Any], object], look: Callable[[Any, str, object], None]) -> Any:
    """``work`` of what ``prepare`` makes, with the n-th allocation failing, for n = 1, 2, ...; ``look`` at it behind
    each. Once more at the end, with nothing failing."""
    ended: Counter[str] = Counter()
    quiet = 0
    for n in attempts():
        given, answer, odd = prepare(), None, ""
        _testcapi.set_nomemory(n, n + 1)
        try:
            answer = work(given)
            how = "done"
        except MemoryError:
            how = "memory"
        except VnetmigError:
            how = "refused"
        except (RuntimeError, SystemError, TypeError) as error:
            how = "python"
            odd = str(error)
        finally:
            _testcapi.remove_mem_hooks()
        assert how != "python" or odd.startswith(PYTHONS_OWN), odd
        ended[how] += 1
        look(given, how, answer)
        quiet = quiet + 1 if how == "done" else 0
        if quiet == QUIET:
            break
    given = prepare()
    look(given, "done", work(given))
    return ended


def same(given: object, how: str, answer: object) -> None:
    """Nothing that was there before has changed."""
    assert RECORD.data == STATE, how


def load() -> Any:
    def look(given: object, how: str, answer: object) -> None:
        same(given, how, answer)
        if how == "done":
            assert isinstance(answer, vnetmig.Stream) and answer.encode() == DATA

    return every(lambda: None, lambda _: vnetmig.load(DATA, engine=ENGINE), look)


def save() -> Any:
    def look(given: object, how: str, answer: object) -> None:
        same(given, how, answer)
        assert how != "done" or answer == SAVED

    return every(lambda: None, lambda _: RECORD.save(engine=ENGINE), look)


EDITS: list[Callable[[Record], object]] = [
    lambda record: record.__setitem__("mac", "52:54:00:01:02:03"),
    lambda record: record.__setitem__("vlans", tuple(range(128))),
    lambda record: record.resize("mac_table.macs", 5),
    lambda record: record.resize("mac_table.macs", 1),
    lambda record: record.drop("broken") if "broken" in record.subsections() else record.add("broken"),
    lambda record: setattr(MacTable(record), "macs", ["52:54:00:00:00:01", "33:33:00:00:00:01", "33:33:00:00:00:02"]),
]


def edit() -> Any:
    ended: Counter[str] = Counter()
    for change in EDITS:
        changed = RECORD.copy()
        change(changed)
        after = bytes(changed.data)
        assert after != STATE

        def look(given: Record, how: str, answer: object, after: bytes = after) -> None:
            assert given.data == (after if how == "done" else STATE), f"half an edit, {how}"
            given.save(engine=ENGINE)

        ended += every(RECORD.copy, change, look)
    return ended


def file() -> Any:
    target = FOLDER / "vm.qemu"

    def prepare() -> None:
        target.write_bytes(b"as before")

    def look(given: object, how: str, answer: object) -> None:
        same(given, how, answer)
        assert [path.name for path in FOLDER.iterdir()] == ["vm.qemu"], how
        there = target.read_bytes()
        assert there == DATA if how == "done" else there in (b"as before", DATA), how

    return every(prepare, lambda _: STREAM.save(target), look)


def check() -> Any:
    first = vnetmig.check(STREAM, qemu="7.2", engine=ENGINE)

    def look(given: object, how: str, answer: object) -> None:
        same(given, how, answer)
        assert how != "done" or list(answer) == list(first)  # type: ignore[call-overload]

    return every(lambda: None, lambda _: vnetmig.check(STREAM, qemu="7.2", engine=ENGINE), look)


def delta() -> Any:
    other = RECORD.copy()
    other["vlans"] = tuple(range(128))
    target = other.save(engine=ENGINE)

    def work(_: object) -> bytes:
        return apply_delta(SAVED, make_delta(SAVED, target, engine=ENGINE), engine=ENGINE)

    def look(given: object, how: str, answer: object) -> None:
        assert how != "done" or answer == target

    return every(lambda: None, work, look)


class Backed(AnyIncoming):
    """A machine with a network backend, which is set up early."""

    def __init__(self) -> None:
        self.backend = NullBackend()
        self.started = self.aborted = False

    def prepare(self, idstr: str, instance_id: int, state: Record) -> None:
        if idstr.endswith("virtio-net"):
            self.backend.prepare(NetWork(queue_pairs=1))

    def start(self) -> None:
        self.started = True

    def abort(self) -> None:
        self.aborted = True
        self.backend.abort()


def destination() -> Any:
    source = Source(Machine.from_bytes(DATA), "stock")
    sent = b"".join(iter(source.next_bytes, None))

    def prepare() -> tuple[Backed, Destination]:
        machine = Backed()
        return machine, Destination(engine=ENGINE, machine=machine, page_size=source.machine.page_size)

    def work(given: tuple[Backed, Destination]) -> None:
        for at in range(0, len(sent), 1 << 16):
            given[1].feed(sent[at : at + (1 << 16)])
        given[1].close()
        if given[1].error is not None:
            raise given[1].error

    def look(given: tuple[Backed, Destination], how: str, answer: object) -> None:
        machine, there = given
        if there.owner == "destination":
            assert there.error is None and machine.started and not machine.aborted, how
        else:
            assert not machine.started, how
            assert there.error is None or machine.aborted, how
        if how == "done":
            assert there.owner == "destination"
            assert any(device.idstr == NET.idstr for device in there.devices)

    return every(prepare, work, look)


OPERATIONS = {one.__name__: one for one in (load, save, edit, file, check, delta, destination)}

if __name__ == "__main__":
    for name in sys.argv[3:]:
        print(name, json.dumps(OPERATIONS[name]()), flush=True)
