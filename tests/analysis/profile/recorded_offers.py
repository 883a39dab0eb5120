"""What real QEMUs said (recorded/README.md), and command lines and words out of it."""

from __future__ import annotations

import json
import lzma
import shlex
from functools import lru_cache
from pathlib import Path
from typing import Any

from vnetmig.analysis.profile.cmdline import profile_of_command
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.release import Release
from vnetmig.virtio.features import bits_of

RECORDED = Path(__file__).resolve().parent / "recorded"

LEGACY_ONLY = bits_of("virtio-net", ["bit 6", "bit 24", "bit 27", "bit 30"])
"""Bits that the interface of virtio 1 does not show."""


@lru_cache(maxsize=1)
def offers() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(lzma.decompress((RECORDED / "offers.json.xz").read_bytes()))
    return found


@lru_cache(maxsize=1)
def addresses() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((RECORDED / "addresses.json").read_text())
    return found


def profile_of_start(start: dict[str, Any]) -> Profile:
    """The profile of a recorded start's command line."""
    command = shlex.join(["qemu-system-x86_64", *start["argv"]])
    return profile_of_command(command.encode(), "recorded", Release.parse(start["qemu"]))


def host_features_of(status: dict[str, Any]) -> int:
    """The host features in an answer to x-query-virtio-status, with those it has no name for."""
    told = status["host-features"]
    kind = status["name"].replace("virtio-serial", "virtio-console")
    known = bits_of(kind, [*told["transports"], *told.get("dev-features", [])])
    return known | int(told.get("unknown-dev-features", 0))
