"""Runs the command line, in this process (quick) or in one of its own (as people do)."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

import vnetmig
from vnetmig.cli import main

STREAMS = Path(__file__).resolve().parent.parent / "streams"
SAMPLE = Path(vnetmig.__file__).parent / "document" / "captures" / "pc-i440fx-10.0-virtio-net-4q.qemu.xz"
RINGS = SAMPLE.with_name("pc-i440fx-10.0-virtio-net-4q.rings.json.xz")


def run(*args: str | Path, stdin: bytes | None = None) -> Result:
    """In this process. What is no expected error comes out as itself."""
    result = CliRunner().invoke(main, [str(arg) for arg in args], input=stdin, prog_name="vnetmig")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def run_json(*args: str | Path, code: int = 0, stdin: bytes | None = None) -> dict[str, Any]:
    result = run(*args, "--json", stdin=stdin)
    assert result.exit_code == code, result.stderr
    made = json.loads(result.stdout)
    assert isinstance(made, dict)
    return made


def spawn(*args: str | Path, env: dict[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    """`vnetmig ...` in a process of its own."""
    return subprocess.run(
        command(*args), capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=120, **options
    )


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "vnetmig", *map(str, args)]


@lru_cache(maxsize=4)
def stream_bytes(name: str = "microvm-mmio-q72") -> bytes:
    """One of tests/streams, unpacked."""
    return lzma.decompress((STREAMS / name / "stream.bin.xz").read_bytes())


@lru_cache(maxsize=1)
def sample_bytes() -> bytes:
    return lzma.decompress(vnetmig.sample())
