"""`vnetmig inspect` on good streams: every byte of a virtio section by name, as text and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import RINGS, SAMPLE, STREAMS, run, run_json, sample_bytes, stream_bytes
from real_streams import every_capture


def stream_of(folder: Path) -> Path:
    return next(folder.glob("stream.bin*"))


def gaps(section: dict[str, Any]) -> list[int]:
    """Offsets at which the fields of a section do not follow each other, up to its payload's end."""
    begin, end = section["payload"]
    found = []
    for field in section["fields"]:
        if field["offset"] != begin:
            found.append(field["offset"])
        begin = field["offset"] + field["size"]
    return found if begin == end else [*found, begin]


@every_capture
def test_every_byte_of_a_virtio_section_has_a_name(folder: Path) -> None:
    rings = folder / "rings.json.xz"
    made = run_json("inspect", stream_of(folder), *(["--memory", rings] if rings.exists() else []))
    assert made["error"] is None
    virtio = [section for section in made["sections"] if section["described"] == "virtio"]
    for section in virtio:
        assert section["coverage"]["named"] == section["coverage"]["total"] > 0, section["idstr"]
        assert gaps(section) == [], section["idstr"]
        assert len({field["path"] for field in section["fields"]}) == len(section["fields"])
    named = sum(section["coverage"]["named"] for section in virtio)
    assert made["coverage"]["virtio"]["named"] == named
    # Against the memory of the same instant every ring is consistent.
    verdicts = {ring["verdict"] for s in virtio if s["type"] == "full" for ring in s.get("rings", ())}
    assert verdicts <= {"ok", "no_rings"} and bool(verdicts) == bool(rings.exists() and virtio)


@every_capture
def test_text_of_every_capture(folder: Path) -> None:
    result = run("inspect", stream_of(folder))
    assert result.exit_code == 0 and not result.stderr
    assert "QEMU migration stream, version 3" in result.stdout
    assert all(line.isprintable() for line in result.stdout.splitlines())


def test_values_and_bit_names() -> None:
    made = run_json("inspect", SAMPLE, "virtio-net", "--memory", RINGS)
    fields = {field["path"]: field for field in made["fields"]}
    assert fields["mac"]["value"] == "52:54:00:12:34:56"
    assert fields["status"]["names"] == ["ACKNOWLEDGE", "DRIVER", "DRIVER_OK", "FEATURES_OK"]
    assert "VIRTIO_F_VERSION_1" in fields["64bit_features.guest_features"]["names"]
    assert fields["vq[8].vector"]["names"] == ["NO_VECTOR"]
    offset = fields["mac"]["offset"]
    assert sample_bytes()[offset : offset + 6] == bytes.fromhex("525400123456")
    assert made["resolver"]["assumed"] == ["more than one backend queue pair"]
    assert [ring["verdict"] for ring in made["rings"]] == ["ok"] * 9
    assert made["rings"][0]["avail_idx"] == 1341


def test_whole_stream() -> None:
    made = run_json("inspect", SAMPLE)
    assert made["machine"] == "pc-i440fx-10.0"
    assert made["capabilities"] == ["x-ignore-shared"]
    assert made["wrappers"] == [{"kind": "compressed", "format": "xz"}]
    assert [command["name"] for command in made["commands"]] == ["SWITCHOVER_START"]
    assert made["ram"]["words"] == {"MEM_SIZE": 1, "EOS": 3, "PAGE": 78, "ZERO": 4164}
    assert made["ram"]["blocks"][0] == {"name": "ram0", "used_length": 167772160, "gpa": 0}
    assert made["coverage"]["virtio"]["percent"] == 100
    assert made["eof"] == made["vmdescription"]["offset"] - 1


def test_text_of_a_device() -> None:
    text = run("inspect", SAMPLE, "virtio-net", "--memory", RINGS).stdout
    assert "assumed       more than one backend queue pair" in text
    assert "every" not in text.splitlines()[0]
    assert "0x68025      1  uint8          status" in text
    assert "ACKNOWLEDGE DRIVER DRIVER_OK FEATURES_OK" in text
    assert "virtqueues.vq[9..1023]" in text and "1015 elements, 2030 fields, all zero" in text
    assert "guest memory:" in text and "ok" in text


def test_all_shows_every_element() -> None:
    text = run("inspect", SAMPLE, "virtio-net", "--all").stdout
    assert "virtqueues.vq[1023].used" in text and "all zero\n" in text
    assert "elements" not in text
    assert "not given (--memory FILE)" in text or "the stream's own RAM" in text


def test_iterative_flags_by_name() -> None:
    stream = STREAMS / "rfc-user-1q" / "stream.bin.xz"
    text = run("inspect", stream).stdout
    assert "virtio-net-iterative  (INIT_STATE state END_DATA)" in text
    assert "virtio-net-iterative  (NO_DATA)" in text
    made = run_json("inspect", stream)
    start = next(s for s in made["sections"] if s["idstr"].endswith("-iterative") and s["type"] == "start")
    assert start["flags"] == ["INIT_STATE", "state", "END_DATA"]
    flags = [(f["path"], f["value"]) for f in start["fields"] if f["type"] == "flag"]
    assert flags == [("#flag[0]", "INIT_STATE"), ("#flag[1]", "END_DATA")]


def test_an_instance_by_number() -> None:
    made = run_json("inspect", SAMPLE, "cpu#2")
    assert (made["idstr"], made["instance_id"]) == ("cpu", 2)


def test_a_device_that_is_not_there_is_wrong_usage() -> None:
    result = run("inspect", SAMPLE, "virtio-gpu")
    assert result.exit_code == 2
    assert "there is: timer" in result.stderr
    assert "no device 'virtio-gpu'" in run_json("inspect", SAMPLE, "virtio-gpu", code=2)["error"]["message"]


def test_an_ambiguous_device_is_wrong_usage() -> None:
    result = run("inspect", SAMPLE, "cpu")
    assert result.exit_code == 2
    assert "cpu#3" in result.stderr


def test_mapped_ram() -> None:
    text = run("inspect", STREAMS / "mapped-ram-fw-q111" / "stream.bin.xz").stdout
    assert "6 mapped block, 111 mapped page, 3 EOS" in text
    assert "0x100000  pc.ram" in text


def test_stdin() -> None:
    made = run_json("inspect", "-", stdin=stream_bytes())
    assert made["coverage"]["virtio"]["percent"] == 100


@pytest.mark.parametrize("name", ["channel1.bin.xz", "channel2.bin.xz"])
def test_multifd_side_channels(captures: list[Path], name: str) -> None:
    folder = next(path for path in captures if path.name == "proxy-multifd-fw-q72")
    text = run("inspect", folder / name).stdout
    assert "multifd side channel" in text and "SYNC" in text
    made = run_json("inspect", folder / name)
    kinds = [packet["kind"] for packet in made["packets"]]
    assert kinds[0] == "init" and set(kinds[1:]) == {"pages"}
    assert made["error"] is None
