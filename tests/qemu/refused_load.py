"""Loading one stream into a real QEMU, and what became of that.

QMP is on the process's own stdin and stdout: a load is over when an event says so or when the process is gone, so
nothing is polled. Knows nothing of what is in the stream.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 20.0
"""Seconds until a load counts as hanging: a good one takes less than one."""

#  Not of the load: what other installations and old machine types make a QEMU say.
NOISE = ("failed to initialize module", "is deprecated", "libbpf", "Failed to open module", "has no peer", "eBPF RSS")


@dataclass(frozen=True, slots=True)
class Outcome:
    """``result``: "completed", "hang", "exit 1", "signal 6"; ``stderr`` without ``NOISE``."""

    result: str
    stderr: str
    seconds: float


def isolated(command: Sequence[str]) -> list[str]:
    """``command`` in a network namespace of its own: a tap of that process alone."""
    return ["unshare", "--net" if os.geteuid() == 0 else "-rn", *command]


def load(command: Sequence[str], stream: Path, patience: float = PATIENCE) -> Outcome:
    """Start ``command`` (binary and machine), load ``stream``, end the process.

    Raises RuntimeError when there is no machine to load into: QEMU does not like its command line.
    """
    start = time.monotonic()
    process = subprocess.Popen(
        [*command, "-S", "-incoming", "defer", "-qmp", "stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        result = _follow(process, stream, start + patience)
    finally:
        process.kill()
        _, stderr = process.communicate()
    if result is None:
        result = f"exit {process.returncode}" if process.returncode >= 0 else f"signal {-process.returncode}"
    lines = stderr.decode(errors="replace").splitlines(keepends=True)
    kept = "".join(line for line in lines if not any(noise in line for noise in NOISE))
    return Outcome(result, kept, round(time.monotonic() - start, 3))


def _follow(process: subprocess.Popen[bytes], stream: Path, deadline: float) -> str | None:
    """What became of the load ("completed" or "hang"), or None when the process ended by itself."""
    assert process.stdin is not None and process.stdout is not None
    commands = (
        {"execute": "qmp_capabilities"},
        {
            "execute": "migrate-set-capabilities",
            "arguments": {"capabilities": [{"capability": "events", "state": True}]},
        },
        {"execute": "migrate-incoming", "arguments": {"uri": f"exec:cat {stream}"}},
    )
    with contextlib.suppress(BrokenPipeError):  # gone already, which the loop will see
        process.stdin.write("".join(json.dumps(command) for command in commands).encode())
        process.stdin.flush()
    greeted = False
    unread = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            more = os.read(process.stdout.fileno(), 65536)
            if not more:
                process.wait(PATIENCE)
                if not greeted:
                    raise RuntimeError(f"{process.args!r}: QEMU did not start")
                return None
            greeted = True
            *lines, unread = (unread + more).split(b"\n")
            for line in filter(None, lines):
                answer = json.loads(line)
                if "error" in answer:
                    raise RuntimeError(f"{process.args!r}: {answer['error']['desc']}")
                if answer.get("event") == "MIGRATION" and answer["data"]["status"] == "completed":
                    return "completed"
    return "hang"
