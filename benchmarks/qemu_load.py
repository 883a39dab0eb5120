"""How long a real QEMU takes to load a section, told by its own trace events, and how long we take for the same bytes.

The section is a virtio-net's of 46,174 bytes, in a capture of a Linux guest (tests/streams). QEMU's time is what its
event `vmstate_downtime_load` says (8.2 and later), or else the time from the event that begins the section to the one
that begins the next; there is one line of log in front of the section and one behind it. It is not all the same work:
QEMU reads from a pipe, maps the memory of the rings and looks at their indices, prints its line, and does it once in
its life. Nothing else is traced: with every event of vmstate it takes ten times as long. Ours is ``Program.load`` of
the payload, again and again. Both by the wall clock, in turns.
"""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from real_qemu import BINARY, NIC, STREAMS, replay

from vnetmig.document.load import load
from vnetmig.migration.trace import parse

CAPTURE, MACHINE = "linux-user-1q-ping-q52", "pc-i440fx-5.2"
IDSTR = "0000:00:02.0/virtio-net"
OURS_AGAIN = 200
_EVENTS = ("qemu_loadvm_state_section", "qemu_loadvm_state_section_startfull", "vmstate_downtime_load")
_NEXT = re.compile(
    r"@(?P<begin>[\d.]+):qemu_loadvm_state_section_startfull \d+\(" + re.escape(IDSTR) + r"\).*\n"
    r"\d+@(?P<end>[\d.]+):qemu_loadvm_state_section \d"
)


def binary() -> str | None:
    return shutil.which(BINARY)


def version() -> str:
    """Of the QEMU on PATH."""
    said = subprocess.run([BINARY, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"version ([\d.]+)", said)
    assert found is not None, said
    return found[1]


def section_seconds(log: str) -> float:
    """What a trace log says of the load of the section."""
    for line in parse(log):
        if line.event == "vmstate_downtime_load" and line["idstr"] == IDSTR:
            return int(line["downtime"]) / 1e6
    found = _NEXT.search(log)
    assert found is not None, log
    return float(found["end"]) - float(found["begin"])


def qemu_seconds(stream: bytes) -> float:
    """One load of ``stream`` by a new QEMU."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        file, log = folder / "stream", folder / "log"
        file.write_bytes(stream)
        traced = [word for event in _EVENTS for word in ("-trace", event)]
        with replay(
            folder,
            file,
            BINARY,
            *("-D", str(log), "-msg", "timestamp=on", *traced),
            capture=CAPTURE,
            nic=NIC,
            machine=MACHINE,
        ):
            pass
        return section_seconds(log.read_text())


def against_qemu(loads: int) -> list[float]:
    """QEMU's time in multiples of ours, for each of ``loads`` loads."""
    stream = lzma.decompress((STREAMS / CAPTURE / "stream.bin.xz").read_bytes())
    found = next(section for section in load(stream).sections if section.idstr == IDSTR)
    assert found.record is not None
    payload, program = found.record.save(), found.record.program
    assert program.load(payload).record.data == found.record.data
    ratios = []
    for _ in range(loads):
        times = []
        for _ in range(OURS_AGAIN):
            start = perf_counter()
            program.load(payload)
            times.append(perf_counter() - start)
        ratios.append(qemu_seconds(stream) / median(times))
    return ratios
