"""The captures that come with the tests: whole, told where they are from, free of the machine they were made on."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from real_streams import COMMITTED, read, truth

FOLDERS = sorted(path for path in COMMITTED.iterdir() if path.is_dir())
LIMIT = 2_600_000
each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
HOME = re.compile(r"/(root|tmp|work|home|usr|dev/shm)/")


@each_folder
def test_a_capture_is_the_stream_that_was_recorded(folder: Path) -> None:
    told = truth(folder)["stream"]
    data = read(folder)
    assert len(data) == told["bytes"]
    assert hashlib.sha256(data).hexdigest() == told["sha256"]


@each_folder
def test_a_capture_says_which_qemu_wrote_it_and_how(folder: Path) -> None:
    version = truth(folder)["version"]["qemu"]
    readme = (COMMITTED / "README.md").read_text()
    assert f"| {folder.name} | {version['major']}.{version['minor']}.{version['micro']} (" in readme
    assert re.match(r"(q\d+|qrfc|qemu-system-\w+) -name ", (folder / "cmdline.txt").read_text())


@each_folder
def test_a_capture_names_no_path_of_the_machine_it_was_made_on(folder: Path) -> None:
    for path in folder.iterdir():
        assert path.name in ("stream.bin.xz", "truth.json", "rings.json.xz", "cmdline.txt")
        if path.suffix in (".json", ".txt"):
            assert not HOME.search(path.read_text()), path


def test_the_captures_stay_small() -> None:
    assert sum(path.stat().st_size for path in COMMITTED.rglob("*") if path.is_file()) < LIMIT
