"""Profiles of running QEMUs: those of their command lines, and nothing was asked that may hurt."""

from __future__ import annotations

import json
import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from qmp_transcripts import Replayed, transcripts
from real_qemu import Qemu

import vnetmig
from vnetmig.analysis.profile.cmdline import profile_of_command
from vnetmig.analysis.profile.from_stream import profile_of
from vnetmig.analysis.profile.profile import DeviceProfile, Profile
from vnetmig.analysis.release import Release
from vnetmig.errors import QemuError
from vnetmig.qemu.running import profile_of_running
from vnetmig.qemu.specs import profile_from

every_transcript = pytest.mark.parametrize(
    "transcript", transcripts(), ids=[f"{said['qemu']}-{said['argv'][3]}" for said in transcripts()]
)


def of_command(argv: list[str], release: Release) -> Profile:
    return profile_of_command(shlex.join(["qemu-system-x86_64", *argv]).encode(), "argv", release)


def comparable(device: DeviceProfile, other: DeviceProfile) -> dict[str, Any]:
    """All but what only one side can know: effective properties, the generated MAC, what is assumed of a kernel."""
    skipped = {"properties", "mac", "assumed"} | ({"assumed_features"} if not other.assumed_features else set())
    return {field.name: getattr(device, field.name) for field in fields(device) if field.name not in skipped}


@every_transcript
def test_it_is_as_its_command_line_says(transcript: dict[str, Any]) -> None:
    made = profile_of_running(Replayed(transcript), "qmp:x")
    told = of_command(transcript["argv"], made.qemu)
    assert str(made.qemu) == transcript["qemu"] and made.machine == told.machine
    assert sorted(made.others) == sorted(told.others) and made.complete and made.uuid == told.uuid
    assert {device.idstr for device in made.devices} == {device.idstr for device in told.devices}
    for device in made.devices:
        other = told.device(device.idstr)
        assert other is not None
        assert comparable(device, device) == comparable(other, device)
    for block, size in told.ram.items():
        assert made.ram[block] == size
    assert made.capabilities == frozenset()


@every_transcript
def test_only_questions_are_asked(transcript: dict[str, Any]) -> None:
    replayed = Replayed(transcript)
    release = profile_of_running(replayed, "qmp:x").qemu
    harmless = {"qom-list", "qom-get", "human-monitor-command", "x-query-virtio", "x-query-virtio-status"}
    assert {command for command in replayed.asked if not command.startswith("query-")} <= harmless
    lines = {a["command-line"] for c, a, _ in transcript["said"] if c == "human-monitor-command"}
    assert lines == {"info network", "info ramblock"}
    assert ("x-query-virtio-status" in replayed.asked) == (release.major in (7, 10))


def test_features_that_the_device_itself_says_go_first() -> None:
    """A property has no effect when the backend cannot: the status tells, and nothing is assumed."""
    transcript = next(t for t in transcripts() if t["qemu"] == "7.2.22" and "vhost=off" in str(t["argv"]))
    changed = json.loads(json.dumps(transcript))
    for command, _, answer in changed["said"]:
        if command == "x-query-virtio-status" and answer["name"] == "virtio-net":
            told = answer["host-features"]
            told["dev-features"] = [text for text in told["dev-features"] if "UFO" not in text]
    for device in profile_of_running(Replayed(changed), "qmp:x").devices:
        if device.kind == "virtio-net":
            assert not device.has_ufo and not device.assumed and not device.assumed_features


def test_a_device_that_no_table_has() -> None:
    transcript = json.loads(json.dumps(transcripts()[0]))
    for command, _, answer in transcript["said"]:
        if command == "qom-list":
            for entry in answer:
                entry["type"] = entry["type"].replace("PIIX4_PM", "frobnicator")
    made = profile_of_running(Replayed(transcript), "qmp:x")
    assert not made.complete and "frobnicator" in made.assumed[0]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("query-version", {}),
        ("query-version", []),
        ("query-version", {"qemu": {"major": "x", "minor": 1, "micro": 1}}),
        ("query-block", None),
        ("query-uuid", {}),
        ("query-migrate-capabilities", [{}]),
        ("qom-list", [{"name": "x"}]),
        ("qom-list", None),
    ],
)
def test_answers_that_are_none(command: str, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    replayed = Replayed(transcripts()[0], {command: answer})

    class Session:
        def __init__(self, address: str) -> None: ...
        def __enter__(self) -> Replayed:
            return replayed

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr("vnetmig.qemu.qmp_session.QmpSession", Session)
    with pytest.raises(QemuError):
        profile_from("qmp:/x")


def test_a_tree_without_end() -> None:
    """A bus that has itself behind it, as no QEMU has."""
    answers = {
        "qom-list": [
            {"name": "child[0]", "type": "link<pcie-root-port>"},
            {"name": "pcie.0", "type": "child<PCIE>"},
            {"name": "q35", "type": "child<q35-pcihost>"},
        ],
        "qom-get": 8,
        "query-version": {"qemu": {"major": 7, "minor": 2, "micro": 0}},
    }
    replayed = Replayed(transcripts()[0], {**answers, "qom-get": "02.0"})
    with pytest.raises(QemuError, match="PCI buses behind each other"):
        profile_of_running(replayed, "qmp:x")


@pytest.mark.qemu
def test_a_real_qemu(tmp_path: Path) -> None:
    """Asked, saved and read from its command line: one destination. The socket takes one client at a time."""
    nic = "virtio-net-pci,netdev=n0,mac=52:54:00:12:34:56,romfile=,packed=on"
    with Qemu(tmp_path, "-device", "virtio-rng-pci", nic=nic) as qemu:
        before = qemu.do("query-status")
        qemu.qmp.close()
        made = profile_from(f"qmp:{qemu.socket}")
        qemu.qmp = type(qemu.qmp)(qemu.socket)
        qemu.qmp.connect()
        assert qemu.do("query-status") == before
        qemu.save(tmp_path / "vm.qemu")
    stream = vnetmig.load(tmp_path / "vm.qemu")
    told = of_command(qemu.argv[1:], made.qemu)
    saved = profile_of(stream, made.qemu)
    assert [device.idstr for device in made.devices] == [device.idstr for device in told.devices]
    for device in made.devices:
        other, proved = told.device(device.idstr), saved.device(device.idstr)
        assert other is not None and proved is not None
        assert replace(other, properties={}, assumed=()) == replace(device, properties={}, mac=other.mac)
        assert proved.host_features == device.host_features and proved.queue_sizes == device.queue_sizes
    assert set(made.others) == set(saved.others) == set(told.others)
    assert made.machine == stream.machine
