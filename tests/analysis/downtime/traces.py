"""The real trace logs of tests/traces, unpacked once, and those below $VNETMIG_STREAMS."""

from __future__ import annotations

import json
import os
import re
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

NO_CAPTURES = "VNETMIG_STREAMS is not set"

TRACES = Path(__file__).resolve().parents[2] / "traces"

_folder = tempfile.TemporaryDirectory(prefix="vnetmig-traces-")  # removed when the process ends


@cache
def unpacked(name: str) -> Path:
    """The folder of runs in tests/traces/NAME.tar.xz."""
    with tarfile.open(TRACES / f"{name}.tar.xz") as archive:
        archive.extractall(_folder.name, filter="data")
    return Path(_folder.name) / name


def shared(pattern: str) -> list[Path]:
    """Folders below $VNETMIG_STREAMS that hold such a file; none without it."""
    root = os.environ.get("VNETMIG_STREAMS")
    return sorted({path.parent for path in Path(root).glob(pattern)}) if root else []


def table(folder: Path) -> list[dict[str, Any]]:
    rows = json.loads((folder / "table.json").read_text())
    assert isinstance(rows, list)
    return rows


def published(text: str) -> dict[str, dict[str, list[str]]]:
    """Heading -> name of the quantity -> cells, of a page of tables like tests/traces/rfc-1q.md."""
    found: dict[str, dict[str, list[str]]] = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
        found[part.partition("\n")[0]] = {row[0]: row[1:] for row in rows[2:]}
    return found


def event(side: str, idstr: str, took: int, *, kind: str = "non-iterable", instance: int = 0, front: str = "") -> str:
    """One line of a log."""
    return f"{front}vmstate_downtime_{side} type={kind} idstr={idstr} instance_id={instance} downtime={took}\n"


def checkpoint(name: str, front: str = "") -> str:
    return f"{front}vmstate_downtime_checkpoint {name}\n"
