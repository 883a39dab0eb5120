"""Base streams of the refusal corpus: a guest is started, stopped, saved, and its RAM cut down to what a load looks at.

Of guest memory the pages of the virtqueues stay (by the addresses in the stream, and by the layout of virtio 0.9 that a
loader computes when it lost its way), and those of the option ROM that kvm-tpr-opt looks for. All other pages are left
out of the stream, which is legal: the destination's stay zero. So a stream of some 100 kB needs nothing beside it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from qemu.qmp.legacy import QEMUMonitorProtocol
from refused_load import isolated
from refused_machines import Machine

import vnetmig
from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.stream.events import SectionPayload
from vnetmig.stream.ram import RamWords
from vnetmig.stream.ram_words import EndOfSection, Page, Word, encode_words
from vnetmig.vmstate.fields import FieldMap

PAGE = 4096
READY = b"lab: READY"
"""What the guest says on its serial line when its devices are in use."""

ROM_SIGNATURE = b"kvm aPiC"
"""qemu: hw/i386/kvmvapic.c: how it knows its option ROM in guest memory."""

ROM_PAGES = 4
ADDRESS = {True: "lab.ip=10.99.0.2/24 lab.gw=10.99.0.1", False: "lab.ip=10.0.2.15/24 lab.gw=10.0.2.2"}


def capture(binary: str, machine: Machine, qemu: str, kernel: Path, initrd: Path) -> bytes:
    """Start ``machine`` with the guest of ``kernel`` and ``initrd``; when it has pinged for a second, save it."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        append = f"console=ttyS0 quiet panic=-1 {ADDRESS[machine.tap]} lab.load=ping {machine.guest}"
        command = [
            *(binary, *machine.arguments(qemu, f"file:{folder}/serial")),
            *("-kernel", str(kernel), "-initrd", str(initrd), "-append", append),
            *("-qmp", f"unix:{folder}/qmp,server=on,wait=off"),
        ]
        process = subprocess.Popen(isolated(command) if machine.tap else command, stdin=subprocess.DEVNULL)
        try:
            qmp = _connected(process, folder / "qmp")
            if machine.tap:
                inside = ("nsenter", "-t", str(process.pid), "-n", "ip")
                subprocess.run([*inside, "addr", "add", "10.99.0.1/24", "dev", "vt0"], check=True)
                subprocess.run([*inside, "link", "set", "vt0", "up"], check=True)
            _wait(process, lambda: (folder / "serial").exists() and READY in (folder / "serial").read_bytes())
            time.sleep(1)
            qmp.cmd("stop")
            qmp.cmd("migrate", uri=f"exec:cat > {folder}/stream")
            _wait(process, lambda: '"completed"' in json.dumps(qmp.cmd("query-migrate")))
            with contextlib.suppress(EOFError):  # it may be gone before it has answered
                qmp.cmd("quit")
            return thinned((folder / "stream").read_bytes())
        finally:
            process.kill()
            process.wait()


def _connected(process: subprocess.Popen[bytes], path: Path) -> QEMUMonitorProtocol:
    found: list[QEMUMonitorProtocol] = []

    def connect() -> bool:
        qmp = QEMUMonitorProtocol(str(path))
        try:
            qmp.connect()
        except Exception:  # not there yet, or nobody listens yet
            return False
        found.append(qmp)
        return True

    _wait(process, connect)
    return found[0]


def _wait(process: subprocess.Popen[bytes], done: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if process.poll() is not None:
            raise RuntimeError(f"QEMU ended: {process.args!r}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {seconds} s: {process.args!r}")
        time.sleep(0.02)


def thinned(data: bytes) -> bytes:
    """``data`` with no more guest memory than a load looks at; everything else unchanged.

    START keeps its block list, one PART gets the pages, END gets none.
    """
    stream = vnetmig.load(data)
    wanted = {*_ring_pages(stream), *_rom_pages(stream)}
    kept: list[Word] = []
    for page in _guest_pages(stream):
        if page.address in wanted:
            kept.append(Page(page.block, page.address, page.data, named=not kept))
    ram = {section.type: section for section in stream.sections if section.idstr == "ram"}
    before_end = max(s.span[1] for s in stream.sections if s.idstr == "ram" and s.type == "part")
    return b"".join(
        (
            data[: ram["start"].span[1]],
            _with_words(data, ram["part"], kept),
            data[before_end : ram["end"].span[0]],  # SWITCHOVER_START
            _with_words(data, ram["end"], []),
            data[ram["end"].span[1] :],
        )
    )


def _with_words(data: bytes, section: Section, words: list[Word]) -> bytes:
    """A RAM section with ``words`` and an end for its payload."""
    (begin, end), (payload, footer) = section.span, section.payload_span
    return data[begin:payload] + encode_words([*words, EndOfSection(0)]) + data[footer:end]


def _guest_pages(stream: Stream) -> Iterator[Page]:
    for event in stream.events:
        if isinstance(event, SectionPayload) and isinstance(event.payload, RamWords):
            yield from (word for word in event.payload.words() if isinstance(word, Page) and word.block == "pc.ram")


def _rom_pages(stream: Stream) -> Iterator[int]:
    for page in _guest_pages(stream):
        if 0xC0000 <= page.address < 0xE0000 and ROM_SIGNATURE in page.data:
            yield from (page.address + PAGE * n for n in range(-ROM_PAGES, ROM_PAGES))


def _ring_pages(stream: Stream) -> Iterator[int]:
    for section in stream.sections:
        if section.state is not None and "num_queues" in (fields := section.state.record.fields()):
            for n in range(_integer(fields, "num_queues")):
                yield from _touched(_ring_spans(fields, n))


def _ring_spans(fields: FieldMap, n: int) -> list[tuple[int, int]]:
    num, desc = (_integer(fields, f"vq[{n}].{name}") for name in ("num", "desc"))
    if not desc:
        return []
    avail = desc + 16 * num
    spans = [(desc, 16 * num), (avail, 6 + 2 * num), (-(-(avail + 4 + 2 * num) // PAGE) * PAGE, 6 + 8 * num)]
    if f"virtqueues.vq[{n}].avail" in fields:
        spans += [(_integer(fields, f"virtqueues.vq[{n}].{ring}"), 6 + 8 * num) for ring in ("avail", "used")]
    return spans


def _integer(fields: FieldMap, path: str) -> int:
    value = fields[path].value
    assert isinstance(value, int), path
    return value


def _touched(spans: Iterable[tuple[int, int]]) -> Iterator[int]:
    for begin, size in spans:
        yield from range(begin & -PAGE, begin + size, PAGE)
