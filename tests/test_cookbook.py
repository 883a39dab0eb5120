"""docs/cookbook.md is run: each command of it in a shell, its output and its exit code compared."""

from __future__ import annotations

import doctest
import lzma
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "cookbook.md"
STREAMS = ROOT / "tests" / "streams"

#   file of the page   capture it is
FILES = {
    "web1.qemu": "linux-tap-4q-rss-q100",
    "db1.qemu": "linux-tap-4q-load-q72",
    "old1.qemu": "linux-user-1q-ping-q52",
}

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^```sh\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"\s+# exit (\d+)$")
_SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def incidents() -> Iterator[tuple[str, str]]:
    for part in PAGE.read_text().split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        yield title, text


def commands(text: str) -> Iterator[tuple[str, str, int]]:
    """(command, what it prints, exit code) of each command of a console block."""
    for block in _BLOCK.findall(text):
        for chunk in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = chunk.partition("\n")
            while command.endswith("\\"):
                more, _, output = output.partition("\n")
                command = command[:-1] + more.removeprefix("> ")
            code = _EXIT.search(command)
            yield _EXIT.sub("", command), output, int(code[1]) if code else 0


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
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    env = {**os.environ, "PATH": path, "COLUMNS": "120", "LC_ALL": "C.UTF-8"}
    for command, expected, code in commands(text):
        ran = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=place,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        got = ran.stdout + ran.stderr
        assert doctest.OutputChecker().check_output(expected, got, _SAME), f"$ {command}\n{got}\nexpected:\n{expected}"
        assert ran.returncode == code, f"$ {command}: exit {ran.returncode}\n{got}"
