"""Broken streams below ``$VNETMIG_STREAMS/bad``, what real QEMUs did with them, and what `check` foresees.

A folder is CASE-qVERSION: ``meta.json`` (result, exit), ``error.txt`` (stderr), ``cmdline.txt``, and either the stream
or ``edits.json`` that makes it from another folder's. ``rings-*.json.xz`` are guest pages.
"""

from __future__ import annotations

import json
import lzma
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import vnetmig
from vnetmig.analysis.finding import CheckResult, Severity
from vnetmig.analysis.profile.cmdline import profile_of_command
from vnetmig.analysis.release import Release

#   the folder's version   the QEMU that was asked
RELEASES = {"52": "5.2", "72": "7.2", "100": "10.0.13", "111": "11.1"}

#   how the process ended   verdict
EXITS = {None: "loads", 1: "refused", -6: "crashes", -11: "crashes", -9: "hangs"}
SEVERITIES = {Severity.REFUSED: "refused", Severity.CRASH: "crashes", Severity.HANG: "hangs"}

_PROGRAM = re.compile(r"^(/\S*/)?qemu-system-x86_64: ")
_PLACE = re.compile(r"^\S+?\.c:\d+: ")
_RING = re.compile(r"VQ \d+ size 0x[0-9a-f]+ (Guest index|< last_avail_idx)")


@dataclass(frozen=True)
class Bad:
    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def release(self) -> str:
        return RELEASES[self.name.rpartition("-q")[2]]

    @cached_property
    def meta(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.folder / "meta.json").read_text())
        return found

    def data(self) -> bytes:
        whole = self.folder / "stream.bin.xz"
        if whole.exists():
            return lzma.decompress(whole.read_bytes())
        edits = json.loads((self.folder / "edits.json").read_text())
        data = lzma.decompress((self.folder.parent / edits["base"] / "stream.bin.xz").read_bytes())
        for edit in reversed(edits["ops"]):
            at = edit["off"]
            data = data[:at] + bytes.fromhex(edit["insert"]) + data[at + edit["delete"] :]
        assert len(data) == edits["length"]
        return data

    def memory(self) -> Path:
        kind = "4q" if self.meta["mq"] else "1q"
        return self.folder.parent / f"rings-{kind}-q{self.name.rpartition('-q')[2]}.json.xz"

    @property
    def verdict(self) -> str:
        code = self.meta["exit"]
        assert code is None or isinstance(code, int)
        return EXITS[code]

    @property
    def first_line(self) -> str | None:
        """What QEMU said first, less its own name and its source's place."""
        lines = (self.folder / "error.txt").read_text(errors="replace").splitlines()
        return _PLACE.sub("", _PROGRAM.sub("", lines[0])) if lines else None

    @property
    def tells_of_memory(self) -> bool:
        """Does the first line hold numbers that QEMU read in guest memory?"""
        return self.first_line is not None and _RING.match(self.first_line) is not None

    def checked(self) -> CheckResult:
        release = Release.parse(self.release)
        profile = profile_of_command((self.folder / "cmdline.txt").read_bytes(), self.name, release)
        stream = vnetmig.load(self.data(), memory=self.memory(), partial=True)
        return vnetmig.check(stream, profile, qemu=self.release)


def verdict_of(result: CheckResult) -> str:
    return SEVERITIES.get(result.worst, "loads")


def bad_streams(root: Path) -> list[Bad]:
    return [Bad(meta.parent) for meta in sorted((root / "bad").glob("*/meta.json"))]
