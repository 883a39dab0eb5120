"""`vnetmig recode`: identical for every real stream; the first difference is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import SAMPLE, run, run_json, sample_bytes
from real_streams import every_capture

import vnetmig
from vnetmig.report.recode import recode


@every_capture
def test_every_capture_is_identical(folder: Path) -> None:
    result = run("recode", next(folder.glob("stream.bin*")))
    assert result.exit_code == 0, result.stdout + result.stderr
    assert result.stdout.startswith("identical, ")


def test_json_and_output(tmp_path: Path) -> None:
    target = tmp_path / "again.qemu"
    made = run_json("recode", SAMPLE, "-o", target)
    assert made["identical"] and made["difference"] is None
    assert made["fields"] > 70_000 and made["kept_bytes"] == 0
    assert made["written"] == made["bytes"] == len(sample_bytes())
    assert target.read_bytes() == sample_bytes()


def test_output_over_the_input(tmp_path: Path) -> None:
    both = tmp_path / "vm.qemu"
    both.write_bytes(sample_bytes())
    assert run("recode", both, "-o", both).exit_code == 0
    assert both.read_bytes() == sample_bytes()


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    result = run("recode", SAMPLE, "-o", tmp_path / "no" / "such" / "folder")
    assert result.exit_code == 2
    assert "cannot write" in result.stderr


@pytest.mark.parametrize(
    ("path", "value"), [("mac", "52:54:00:aa:bb:cc"), ("status", 7), ("vq[3].num", 256), ("virtqueues.vq[5].used", 1)]
)
def test_the_first_difference_is_named(path: str, value: int | str) -> None:
    stream = vnetmig.load(sample_bytes())
    net = stream.device("virtio-net")
    offset = net.fields()[path].offset
    net[path] = value
    result = recode(stream, [sample_bytes()])
    found = result.difference
    assert found is not None and not result.identical
    assert found.section == "0000:00:04.0/virtio-net"
    assert found.field == path
    assert offset <= found.offset < offset + 8


def test_an_input_that_goes_on_or_ends() -> None:
    stream = vnetmig.load(sample_bytes())
    longer = recode(stream, [sample_bytes(), b"more"]).difference
    assert longer is not None and (longer.input, longer.encoded) == (b"more", b"")
    shorter = recode(stream, [sample_bytes()[:-2]]).difference
    assert shorter is not None and shorter.field == "vmdescription" and shorter.input == b""


def test_pieces_of_any_size_compare_alike() -> None:
    data = sample_bytes()
    stream = vnetmig.load(data)
    assert recode(stream, (data[at : at + 4099] for at in range(0, len(data), 4099))).identical
