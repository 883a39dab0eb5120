"""Real streams with the guest pages of their rings, and what QEMU said about each queue over QMP."""

from __future__ import annotations

import base64
import json
import lzma
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vnetmig.migration.decoders import Decoders
from vnetmig.stream.device_state import DeviceState
from vnetmig.stream.events import SectionPayload, SectionStart
from vnetmig.stream.reader import StreamReader
from vnetmig.virtio.section import device_of
from vnetmig.vmstate import Record

PAGE = 4096
DEVICES = {"virtio-serial": "virtio-console"}  # QMP's name of a device -> the one in its idstr


@dataclass(frozen=True)
class Pages:
    """Guest memory that knows the pages it was given, and nothing of the others."""

    pages: dict[int, bytes]

    def read(self, gpa: int, length: int) -> bytes | None:
        start = gpa % PAGE
        page = self.pages.get(gpa - start)
        assert start + length <= PAGE, "rings are asked for page by page"
        return page and page[start : start + length]

    @classmethod
    def of(cls, path: Path) -> Pages:
        kept = json.loads(lzma.decompress(path.read_bytes()))
        return cls({int(gpa, 0): base64.b64decode(page) for gpa, page in kept.items()})


def records(stream: bytes) -> dict[str, Record]:
    """Virtio devices of a stream by idstr."""
    decoders = Decoders()
    reader = StreamReader(decoders)
    reader.feed(stream)
    reader.close()
    found: dict[str, Record] = {}
    idstr = ""
    while (event := reader.next_event()) is not None:
        decoders.observe(event)
        if isinstance(event, SectionStart):
            idstr = event.header.idstr
        elif isinstance(event, SectionPayload) and isinstance(event.payload, DeviceState) and device_of(idstr):
            found[idstr] = event.payload.record
    return found


def stream_of(folder: Path) -> bytes:
    return lzma.decompress((folder / "stream.bin.xz").read_bytes())


def truth_of(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "truth.json").read_text())
    return told


def pages_of(folder: Path) -> Pages | None:
    path = folder / "rings.json.xz"
    return Pages.of(path) if path.exists() else None


def told(folder: Path, found: dict[str, Record]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(idstr, x-query-virtio-queue-status of its queues) of every device QMP was asked about."""
    truth = truth_of(folder)
    for path, answers in (truth.get("virtio_queues") or {}).items():
        device = DEVICES.get(answers[0]["name"], answers[0]["name"])
        fitting = [idstr for idstr in found if device_of(idstr) == device]
        if len(fitting) > 1:
            name = path.split("/")[3]
            block = re.search(rf'id "{name}"\s.*?addr = ([0-9a-f.]+)', truth["hmp_info_qtree"], re.DOTALL)
            assert block is not None, f"{name} is not in info qtree"
            fitting = [idstr for idstr in fitting if idstr.endswith(f":{block[1]}/{device}")]
        assert len(fitting) == 1, f"{path} is one of {fitting}"
        yield fitting[0], [answer for answer in answers if "error" not in answer]


def corrupted(folder: Path) -> bytes:
    """The stream of a case that was made by editing another one."""
    edits = json.loads((folder / "edits.json").read_text())
    stream = bytearray(stream_of(folder.parent / edits["base"]))
    shift = 0
    for op in edits["ops"]:
        at, inserted = op["off"] + shift, bytes.fromhex(op["insert"])
        stream[at : at + op["delete"]] = inserted
        shift += len(inserted) - op["delete"]
    return bytes(stream)
