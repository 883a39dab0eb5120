"""`vnetmig migrate`: two real processes, every mode; nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import SAMPLE, STREAMS, command, run, run_json, spawn

from vnetmig.migration.trace import parse


def destinations() -> list[str]:
    """Command lines of destination processes on this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--incoming" in words and any(b"vnetmig-" in word for word in words):
            found.append(b" ".join(words).decode())
    return found


def test_the_sample_in_both_modes() -> None:
    made = run_json("migrate", "--runs", "2")
    assert made["complete"]
    assert set(made["modes"]) == {"stock", "iterative"}
    for mode in made["modes"].values():
        assert mode["load"]["TOTAL"]["n"] == mode["save"]["TOTAL"]["n"] == 2
        assert mode["load"]["0000:00:04.0/virtio-net"]["sigma"] >= 0
        assert all(run["state"] == "done" and not run["differences"] for run in mode["runs"])
        assert mode["rings"] == ["consistent in all 6 devices that have some"]
    assert made["modes"]["iterative"]["early_load"]["0000:00:04.0/virtio-net-iterative"]["n"] == 2
    assert made["modes"]["stock"]["early_load"] == {}
    assert made["note"] == "times of vnetmig's own source and destination, not of QEMU"


def test_text_and_trace(tmp_path: Path) -> None:
    trace = tmp_path / "trace.log"
    result = run("migrate", "--runs", "1", "--channel", "tcp", "--trace", trace)
    assert result.exit_code == 0, result.output
    assert "destination holds every device as the source sent it: 1 of 1 runs" in result.stdout
    assert "not of QEMU" in result.stdout and "\nengine: " in result.stdout
    assert "all devices" in result.stdout and "before the stop" in result.stdout
    text = trace.read_text()
    lines = list(parse(text))
    assert {line.event for line in lines} == {
        "vmstate_downtime_checkpoint",
        "vmstate_downtime_save",
        "vmstate_downtime_load",
    }
    assert any(line.event == "vmstate_downtime_load" and "virtio-net" in str(line) for line in lines)
    assert "# run 1, iterative, destination" in text


def test_one_mode_of_a_stream_without_memory() -> None:
    made = run_json("migrate", STREAMS / "linux-user-legacy-q72" / "stream.bin.xz", "--mode", "stock", "--runs", "1")
    assert made["complete"] and list(made["modes"]) == ["stock"]


def test_the_engine_is_named() -> None:
    made = run_json("migrate", "--runs", "1", "--mode", "stock", "--engine", "python")
    assert made["engine"] == "python"
    assert made["modes"]["stock"]["runs"][0]["engine"] == "python"
    result = spawn("migrate", "--runs", "1", "--mode", "stock", env={"VNETMIG_ENGINE": "python"})
    assert "\nengine: python (" in result.stdout and "VNETMIG_ENGINE" in result.stdout


def test_an_engine_that_is_not_there_is_wrong_usage() -> None:
    result = run("migrate", "--engine", "fortran", "--runs", "1")
    assert result.exit_code == 2 and "fortran" in result.stderr


def test_rings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """The device's index of queue 0 is made impossible: QEMU would refuse, and so does the destination."""
    import vnetmig
    from vnetmig.document.sample import sample_memory

    stream = vnetmig.load(vnetmig.sample())
    net = stream.device("virtio-net")
    net["vq[0].last_avail_idx"] = 340  # used_idx is 351: 65525 entries in flight in a ring of 1024
    broken = tmp_path / "broken.qemu"
    stream.save(broken)
    result = run("migrate", broken, "--memory", sample_memory(), "--runs", "1", "--mode", "stock")
    assert result.exit_code == 1
    assert "VQ 0 size 0x400" in result.stdout
    assert "the machine now belongs to: source" in result.stdout


def test_incoming_takes_no_stream() -> None:
    assert run("migrate", SAMPLE, "--incoming", "unix:/tmp/x").exit_code == 2
    assert run("migrate", "--incoming", "carrier-pigeon:7").exit_code == 2


def test_a_source_that_sends_rubbish(tmp_path: Path) -> None:
    socket = tmp_path / "d"
    process = subprocess.Popen(
        command("migrate", "--incoming", f"unix:{socket}", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None and process.stderr.readline().startswith(b"listening on unix:")
    import socket as sockets

    with sockets.socket(sockets.AF_UNIX) as source:
        source.connect(str(socket))
        source.sendall(b"no stream")
        source.shutdown(sockets.SHUT_WR)
        while source.recv(4096):
            pass
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert json.loads(out)["error"]["message"] == "Not a migration stream"
    assert not socket.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_interrupted_leaves_no_process(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("migrate", "--runs", "500"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    until = time.monotonic() + 30
    while not list(tmp_path.glob("vnetmig-*/destination")) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err and "interrupted" in err
    assert not list(tmp_path.iterdir())
    assert not [line for line in destinations() if str(tmp_path) in line]
