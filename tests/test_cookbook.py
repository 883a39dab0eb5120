"""docs/cookbook.md is run: each command of it in a shell, its output and its exit code compared."""

from __future__ import annotations

import lzma
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from console_blocks import check, commands

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "cookbook.md"
STREAMS = ROOT / "tests" / "streams"

#   file of the page   capture it is
FILES = {
    "web1.qemu": "linux-tap-4q-rss-q100",
    "db1.qemu": "linux-tap-4q-load-q72",
    "old1.qemu": "linux-user-1q-ping-q52",
}

_FILE = re.compile(r"^```sh\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def incidents() -> Iterator[tuple[str, str]]:
    for part in PAGE.read_text().split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        yield title, text


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, capture in FILES.items():
        folder = STREAMS / capture
        (tmp_path / name).write_bytes(lzma.decompress((folder / "stream.bin.xz").read_bytes()))
        shutil.copy(folder / "cmdline.txt", tmp_path / name.replace(".qemu", ".sh"))
        if (folder / "rings.json.xz").exists():
            shutil.copy(folder / "rings.json.xz", tmp_path / name.replace(".qemu", ".rings.json.xz"))
    return tmp_path


def test_there_are_six_incidents() -> None:
    assert len(list(incidents())) >= 6
    assert all(list(commands(text)) for _, text in incidents())


@pytest.mark.parametrize(("title", "text"), [pytest.param(t, x, id=t) for t, x in incidents()])
def test_incident(title: str, text: str, place: Path) -> None:
    for name, content in _FILE.findall(text):
        (place / name).write_text(content)
    for command, expected, code in commands(text):
        check(command, expected, code, place)
