"""Console blocks of a page: each command is run in a shell, its output and its exit code compared."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"\s+# exit (\d+)$")
_SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


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


def shell(command: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run ``command`` in ``place``, with this Python's `vnetmig`."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    env = {**os.environ, "PATH": path, "COLUMNS": "120", "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=place,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def check(command: str, expected: str, code: int, place: Path) -> None:
    ran = shell(command, place)
    got = ran.stdout + ran.stderr
    assert doctest.OutputChecker().check_output(expected, got, _SAME), f"$ {command}\n{got}\nexpected:\n{expected}"
    assert ran.returncode == code, f"$ {command}: exit {ran.returncode}\n{got}"
