"""No false alarm: what real QEMUs wrote and loaded checks clean, for its own QEMU and for later ones that loaded it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import vnetmig
from vnetmig.analysis.finding import Severity
from vnetmig.analysis.profile.cmdline import profile_of_command
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.release import Release

#   QEMU that wrote it   those that loaded it, machine type of the source (real migrations, guest went on)
LOADED_BY = {
    "52": ("5.2", "7.2", "10.0.13", "11.1"),
    "72": ("7.2", "10.0.2", "10.0.13", "11.1"),
    "100": ("10.0.13", "10.0.2"),
    "111": ("11.1",),
}
REFUSED_BY = {"100": "11.1"}
"""The one real refusal: every queue that 10.0.13 makes has 1,024 entries."""

VERSIONED = re.compile(r"pc-(i440fx|q35)-\d")
"""Others (microvm) bring firmware that belongs to one QEMU."""

FALSE_IN_ANY_CASE = Severity.WARNING


def _qemu(capture: Path) -> str:
    version = str(json.loads((capture / "truth.json").read_text())["capture"]["qemu"])
    return "100" if version.startswith("10.0.13") else version


def _load(capture: Path) -> vnetmig.Stream:
    path = next(path for path in (capture / "stream.bin.xz", capture / "stream.bin") if path.exists())
    rings = capture / "rings.json.xz"
    return vnetmig.load(path, memory=rings if rings.exists() else None)


def _profile(capture: Path, qemu: str) -> Profile:
    return profile_of_command((capture / "cmdline.txt").read_bytes(), capture.name, Release.parse(qemu))


def _alarms(stream: vnetmig.Stream, profile: Profile | None, qemu: str) -> list[str]:
    """All but what is known to be lost: 5.2 and 7.2 clear the VLAN filter on load."""
    result = vnetmig.check(stream, profile, qemu=qemu)
    return [
        f"{one.rule}: {one.message}"
        for one in result
        if one.severity >= FALSE_IN_ANY_CASE and not (one.rule == "vlan-lost" and qemu in ("5.2", "7.2"))
    ]


def test_a_real_stream_checks_clean(capture: Path) -> None:
    stream = _load(capture)
    own, *later = LOADED_BY[_qemu(capture)]
    profile = _profile(capture, own)
    for qemu in (own, *(later if VERSIONED.match(stream.machine or "") else ())):
        assert _alarms(stream, profile, qemu) == []
        assert _alarms(stream, None, qemu) == []


def test_the_one_real_refusal_is_foreseen(captures: list[Path]) -> None:
    refused = 0
    for capture in captures:
        qemu = REFUSED_BY.get(_qemu(capture))
        if qemu is None:
            continue
        stream = _load(capture)
        if not VERSIONED.match(stream.machine or "") or "virtio-iterative" in stream.capabilities:
            continue
        result = vnetmig.check(stream, _profile(capture, qemu), qemu=qemu)
        assert not result.loads, capture.name
        said = [one.message for one in result]
        assert any(re.fullmatch(r"VQ \d+ vring.num 1024 exceeds allocated max \d+", one) for one in said), capture.name
        refused += 1
    assert refused, "no capture of a QEMU whose streams a later one refuses"
