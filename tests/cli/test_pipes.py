"""Output that goes into pipes, comes from pipes, or to a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import threading
from pathlib import Path

import pytest
from command_line import SAMPLE, command, sample_bytes, spawn


@pytest.mark.parametrize("extra", [[], ["--json"], ["virtio-net", "--all"]])
def test_a_reader_that_leaves_is_no_error(extra: list[str]) -> None:
    with subprocess.Popen(
        command("inspect", SAMPLE, *extra), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        code = process.wait(60)
    assert code in (0, 141)  # 0: all of it fitted the pipe


def test_a_stream_from_a_fifo(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(sample_bytes()))
    writer.start()
    result = spawn("recode", fifo)
    writer.join()
    assert result.returncode == 0 and result.stdout.startswith("identical, ")


def test_a_terminal_that_is_not_utf8() -> None:
    env = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    result = spawn("inspect", "/no/such/\u00e9", env=env)
    assert result.returncode == 3 and "Traceback" not in result.stderr


def test_tables_on_a_terminal() -> None:
    main, child = pty.openpty()
    env = {**os.environ, "COLUMNS": "160", "TERM": "xterm"}
    with subprocess.Popen(
        command("inspect", SAMPLE, "virtio-net"), stdout=child, stderr=subprocess.DEVNULL, env=env
    ) as process:
        os.close(child)
        shown = b""
        while True:
            try:
                piece = os.read(main, 1 << 16)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        assert process.wait(60) == 0
    os.close(main)
    text = shown.decode()
    assert "─" in text and "52:54:00:12:34:56" in text


def test_piped_output_is_stable() -> None:
    first, second = spawn("inspect", SAMPLE), spawn("inspect", SAMPLE)
    assert first.stdout == second.stdout and "\x1b" not in first.stdout
