"""Memory that runs out, at every allocation in turn: an error that says so, and everything is as before."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import command, stream_bytes
from real_streams import sample

from vnetmig.engine import engines
from vnetmig.errors import VnetmigError

CHILD = Path(__file__).with_name("failing_memory.py")
OPERATIONS = ("load", "save", "edit", "file", "check", "delta", "destination")


def test_every_allocation_fails_once(engine: str, tmp_path: Path) -> None:
    pytest.importorskip("_testcapi", reason="this Python comes without CPython's test modules")
    run = subprocess.run(
        [sys.executable, CHILD, engine, tmp_path, *OPERATIONS], capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr[-3000:]}"
    ended = {name: json.loads(rest) for name, _, rest in (line.partition(" ") for line in run.stdout.splitlines())}
    assert tuple(ended) == OPERATIONS
    for name, how in ended.items():
        assert how.get("memory", 0) + how.get("refused", 0) > 2, name
        assert how["done"] >= 6, name


class Scarce:
    """cffi's memory, which there is none of for the n-th call."""

    def __init__(self, whole: Any, fails: int) -> None:
        self.whole, self.left = whole, fails

    def __call__(self, *args: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise MemoryError
        return self.whole(*args)


@pytest.mark.skipif("c" not in engines(), reason="the C engine is not built")
@pytest.mark.parametrize("fails", [1, 2, 3])
def test_no_memory_for_the_output(fails: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from vnetmig.engine import native

    found = sample("linux-tap-4q-rss-q100", "virtio-net")
    record = found.program.load(found.payload, engine="c").record
    before = bytes(record.data)
    monkeypatch.setattr(native, "_new_memory", Scarce(native._new_memory, fails))
    monkeypatch.setattr(native, "_spare", [])
    record.program.flat.prepared.clear()
    outcomes = []
    for _ in range(4):
        try:
            outcomes.append(record.save(engine="c") == found.payload)
        except (MemoryError, VnetmigError):
            outcomes.append(None)
        assert record.data == before
    assert outcomes[-1] is True
    assert False not in outcomes


def test_a_verb_says_that_there_is_not_enough(tmp_path: Path) -> None:
    path = tmp_path / "vm.qemu"
    path.write_bytes(stream_bytes() + bytes(1 << 20) * 6 + b"x" * (1 << 20))

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (130 << 20, 130 << 20))

    seen = set()
    page = tmp_path / "page.html"
    for verb in (("inspect", path, "--html", page), ("recode", path, "-o", tmp_path / "again.qemu")):
        run = subprocess.run(command(*verb), capture_output=True, text=True, timeout=120, preexec_fn=little)
        seen.add(run.returncode)
        assert run.returncode in (0, 3), run.stderr[-2000:]
        assert "Traceback" not in run.stderr
        left = {one.name for one in tmp_path.iterdir()} - {"vm.qemu"}
        assert left == (set() if run.returncode else left & {"page.html", "again.qemu"})
        for name in left:
            (tmp_path / name).unlink()
    assert seen
