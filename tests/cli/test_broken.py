"""Broken input: everything up to the fault, then the error, exit 3; never a traceback, never a control character."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from command_line import STREAMS, run, run_json, sample_bytes, stream_bytes

CODES = {0, 3}


def cuts(size: int, count: int) -> list[int]:
    rng = random.Random(7)
    return sorted({0, 1, 3, 7, 8, size - 1, *(rng.randrange(size) for _ in range(count))})


@pytest.mark.parametrize("size", cuts(len(stream_bytes()), 60))
def test_cut_off_anywhere(size: int) -> None:
    data = stream_bytes()[:size]
    text = run("inspect", "-", stdin=data)
    made = run("inspect", "-", "--json", stdin=data)
    assert text.exit_code == made.exit_code
    assert text.exit_code in CODES
    parsed = json.loads(made.stdout)
    if text.exit_code:
        assert "at offset 0x" in text.stderr and "Traceback" not in text.stderr
        assert parsed["error"]["message"] and parsed["error"]["offset"] <= size
        assert text.stderr.splitlines()[0] == f"vnetmig: {parsed['error']['message']}"
    for section in parsed["sections"]:
        assert section["span"][0] < size
    recoded = run("recode", "-", stdin=data)
    assert recoded.exit_code == text.exit_code


def test_what_was_read_is_shown() -> None:
    data = sample_bytes()[:0x68040]  # inside of virtio-net's first queue
    result = run("inspect", "-", stdin=data)
    assert result.exit_code == 3
    assert "0000:00:03.0/virtio-console" in result.stdout
    assert "decoded of '0000:00:04.0/virtio-net' before the fault" in result.stdout
    assert "config.mac" in result.stdout and "vq[1].num" not in result.stdout
    assert "-- the stream could be read up to here" in result.stdout
    made = run_json("inspect", "-", code=3, stdin=data)
    assert made["partial"]["idstr"] == "0000:00:04.0/virtio-net"
    last = made["partial"]["fields"][-1]
    assert last["offset"] + last["size"] <= made["error"]["offset"]
    assert made["error"]["section"] == "0000:00:04.0/virtio-net"


@pytest.mark.parametrize("seed", range(60))
def test_flipped_bytes(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(stream_bytes("rfc-user-1q" if seed % 3 == 0 else "microvm-mmio-q72"))
    for _ in range(1 + seed % 4):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    text = run("inspect", "-", stdin=bytes(data))
    assert text.exit_code in CODES
    assert all(line.isprintable() for line in (text.stdout + text.stderr).splitlines())
    made = run("inspect", "-", "--json", stdin=bytes(data))
    assert made.exit_code == text.exit_code
    json.loads(made.stdout)
    recoded = run("recode", "-", stdin=bytes(data))
    assert recoded.exit_code == text.exit_code, recoded.stdout


def test_escape_sequences_do_not_reach_the_terminal() -> None:
    data = stream_bytes().replace(b"cpu_common", b"cpu\x1b[2J\x07\n!", 1)
    result = run("inspect", "-", stdin=data)
    assert "\x1b" not in result.output and "\x07" not in result.output
    assert "\\x1b[2J\\x07\\n" in result.output
    assert "\x1b" not in run("inspect", "-", "--json", stdin=data).output


def test_no_stream_at_all() -> None:
    result = run("inspect", "-", stdin=b"QEVX and more")
    assert result.exit_code == 3
    assert result.stderr.startswith("vnetmig: Not a migration stream\n") and not result.stdout


@pytest.mark.parametrize("verb", ["inspect", "recode", "migrate"])
def test_a_file_that_cannot_be_opened(verb: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing.qemu"
    result = run(verb, missing)
    assert result.exit_code == 3
    assert str(missing) in result.stderr and "Traceback" not in result.stderr
    assert "message" in run_json(verb, missing, code=3)["error"]
    assert run(verb, tmp_path).exit_code == 3


def test_memory_that_is_none(tmp_path: Path) -> None:
    memory = tmp_path / "pages.json"
    memory.write_text("[]")
    result = run("inspect", STREAMS / "microvm-mmio-q72" / "stream.bin.xz", "--memory", memory)
    assert result.exit_code == 3
    assert "Not guest memory" in result.stderr


def test_a_side_channel_is_no_main_channel(captures: list[Path]) -> None:
    folder = next(path for path in captures if path.name == "proxy-multifd-fw-q72")
    result = run("recode", folder / "channel1.bin.xz")
    assert result.exit_code == 3
    assert "this is a multifd channel, not a main channel" in result.stderr


def test_a_cut_side_channel(captures: list[Path]) -> None:
    import lzma

    folder = next(path for path in captures if path.name == "proxy-multifd-fw-q72")
    data = lzma.decompress((folder / "channel1.bin.xz").read_bytes())[:-100]
    result = run("inspect", "-", stdin=data)
    assert result.exit_code == 3
    assert "packets" in result.stdout and "channel ends inside a packet" in result.stderr
    assert run_json("inspect", "-", code=3, stdin=data)["error"]["section"] == "multifd"


def test_a_device_that_may_stand_behind_the_fault() -> None:
    result = run("inspect", "-", "virtio-net", stdin=sample_bytes()[:0x5000])
    assert result.exit_code == 3 and "at offset 0x" in result.stderr
