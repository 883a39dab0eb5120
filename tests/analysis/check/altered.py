"""Valid streams of real QEMUs with one thing altered, against the destination that loads them unaltered.

The streams are the bases of tests/refused; each carries its guest's rings. What an altered one is expected to be told
in these tests is what the real QEMU of that name printed when it was given the same.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cache

import refused_corpus as corpus
from refused_machines import MACHINES, QEMUS

import vnetmig
from vnetmig.analysis.finding import CheckResult, Severity
from vnetmig.analysis.profile.cmdline import profile_of_command
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.release import Release

NET = "0000:00:02.0/virtio-net"

SUBSECTIONS = (
    "virtio/64bit_features",
    "virtio/virtqueues",
    "virtio/extra_state",
    "virtio/started",
    "virtio-net-device/rss",
)


@dataclass(frozen=True)
class Valid:
    """A stream that its destination loads."""

    data: bytes
    profile: Profile
    places: dict[str, int]  #: path -> offset, of the device's fields, and of names and versions of its subsections
    headers: dict[str, int]  #: idstr -> offset of the section's type byte


@cache
def destination(machine: str, qemu: str) -> Profile:
    """The destination that loads the valid stream of ``machine`` and ``qemu``."""
    command = shlex.join(["qemu-system-x86_64", *MACHINES[machine].arguments(qemu)])
    release, _ = QEMUS[qemu]
    return profile_of_command(command.encode(), machine, Release.parse(release))


@cache
def valid(machine: str, qemu: str, idstr: str = NET) -> Valid:
    """``machine`` and ``qemu`` as tests/refused calls them: "1q" and "q72"."""
    data = corpus.base(machine, qemu)
    stream = vnetmig.load(data)
    section = stream.device(idstr).section
    begin, end = section.payload_span
    assert section.record is not None
    places = {spot.path: begin + spot.wire for spot in section.record.walk()}
    for name in SUBSECTIONS:
        encoded = bytes((0x05, len(name))) + name.encode()
        at = data.find(encoded, begin, end)
        if at >= 0:
            part = name.rpartition("/")[2]
            places |= {f"{part}.#name": at, f"{part}.#version": at + len(encoded)}
    headers = {one.idstr: one.offset for one in stream.sections if one.type != "part"}
    return Valid(data, destination(machine, qemu), places, headers)


def put(machine: str, qemu: str, path: str, value: bytes, idstr: str = NET) -> bytes:
    """The stream with the bytes of ``value`` over the field at ``path``."""
    found = valid(machine, qemu, idstr)
    at = found.places[path]
    return found.data[:at] + value + found.data[at + len(value) :]


def cut(machine: str, qemu: str, path: str, inside: int = 0, idstr: str = NET) -> bytes:
    """The stream up to ``inside`` bytes behind the begin of the field at ``path``."""
    found = valid(machine, qemu, idstr)
    return found.data[: found.places[path] + inside]


def judged(machine: str, qemu: str, data: bytes, engine: str | None = None) -> CheckResult:
    return vnetmig.check(data, destination(machine, qemu), engine=engine)


def refusals(machine: str, qemu: str, data: bytes, engine: str | None = None) -> list[tuple[str, str]]:
    """(rule, message) of what is worse than a warning and really happens; of a stream that is not altered, nothing."""
    return [
        (one.rule, one.message)
        for one in judged(machine, qemu, data, engine)
        if one.severity > Severity.WARNING and not one.follows
    ]
