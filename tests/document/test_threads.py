"""Many threads and one document, or one process: each finds what it would find alone."""

from __future__ import annotations

import threading

import pytest
from many_threads import SECONDS, at_once
from real_streams import committed, read

import vnetmig
from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.vmstate import Record

NAMES = ("linux-tap-4q-packed-q111", "pseries-q111", "s390x-fw-q72", "linux-user-packed-q72")
THREADS = 4


def test_a_record_that_another_thread_is_making(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for: there is one, and it is the same for both."""
    stream = vnetmig.load(read(committed("pseries-q111")))
    section = next(one for one in stream.sections if one.state is None and one.description is not None)
    making, asked, may = threading.Event(), threading.Event(), threading.Event()
    load = Section._load

    def slowly(self: Section, *arguments: object) -> Record:
        making.set()
        assert may.wait(SECONDS)
        return load(self, *arguments)  # type: ignore[arg-type]

    def late() -> Record | None:
        assert making.wait(SECONDS)
        asked.set()
        return section.record

    def let_go() -> None:
        assert asked.wait(SECONDS)
        threading.Event().wait(0.05)  # the late one is inside by now, or finds nothing if it does not wait
        may.set()

    monkeypatch.setattr(Section, "_load", slowly)
    first, second, _ = at_once([lambda: section.record, late, let_go])
    assert first is not None
    assert second is first


def everything(stream: Stream) -> tuple[list[int], list[int], bytes]:
    """The identity of every record and view, and the bytes that they give."""
    views = [section.device for section in stream.sections]
    return [id(section.record) for section in stream.sections], [id(view) for view in views], stream.encode()


@pytest.mark.parametrize("name", NAMES)
def test_one_document(name: str, engine: str) -> None:
    data = read(committed(name))
    stream = vnetmig.load(data, engine=engine)
    kept: list[object] = []  # views live as long as someone holds them

    def look() -> tuple[list[int], list[int], bytes]:
        kept.append([section.device for section in stream.sections])
        return everything(stream)

    first, *others = at_once([look] * THREADS)
    assert first[2] == data
    assert all(other == first for other in others)


def test_one_process(engine: str) -> None:
    """Texts, programs and tables that were seen before are shared by all documents."""

    def all_of(name: str) -> object:
        stream = vnetmig.load(read(committed(name)), engine=engine)
        result = vnetmig.check(stream, qemu="11.1", engine=engine)
        return stream.encode() == read(committed(name)), result.verdict, [str(finding) for finding in result]

    wanted = {name: all_of(name) for name in NAMES}

    def works(first: int) -> dict[str, object]:
        turned = NAMES[first:] + NAMES[:first]
        return {name: all_of(name) for name in turned}

    assert at_once([lambda first=first: works(first) for first in range(THREADS)]) == [wanted] * THREADS
