"""QEMUs that say again what they said when they were recorded (tests/analysis/profile/recorded/README.md)."""

from __future__ import annotations

import json
import lzma
from functools import lru_cache
from pathlib import Path
from typing import Any

from vnetmig.errors import QemuError


@lru_cache(maxsize=1)
def transcripts() -> list[dict[str, Any]]:
    path = Path(__file__).resolve().parent / "transcripts.json.xz"
    found: list[dict[str, Any]] = json.loads(lzma.decompress(path.read_bytes()))
    return found


class Replayed:
    """Answers what was answered, whatever the order; ``asked``: the commands so far. ``changed`` answers go first."""

    def __init__(self, transcript: dict[str, Any], changed: dict[str, Any] | None = None) -> None:
        self.said = {self.key(command, arguments): answer for command, arguments, answer in transcript["said"]}
        self.changed = changed or {}
        self.asked: list[str] = []

    @staticmethod
    def key(command: str, arguments: dict[str, Any]) -> str:
        return json.dumps([command, arguments], sort_keys=True)

    def execute(self, command: str, **arguments: Any) -> Any:
        self.asked.append(command)
        if command in self.changed:
            return self.changed[command]
        try:
            return self.said[self.key(command, arguments)]
        except KeyError:
            raise QemuError(f"{command} {arguments}: this was not asked when it was recorded") from None
