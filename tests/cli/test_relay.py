"""`vnetmig relay` on the command line: what is wrong is said before anybody connects, and how it ends in exit codes."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from pathlib import Path

import pytest
from command_line import run
from relay_process import RelayProcess

import vnetmig


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set", "virtio-net"], "DEVICE:PATH=VALUE"),
        (["--strict"], "--check"),
        (["--qemu", "10.0"], "--check"),
        (["--check", "self"], "--qemu"),
        (["--check", "nothing:of-this"], "expected"),
        (["--record", "a", "--record-out", "./a"], "two files"),
        (["--record", __file__], "there is such a file already"),
        (["--record-out", __file__], "there is such a file already"),
    ],
)
def test_wrong_usage(tmp_path: Path, options: list[str], said: str) -> None:
    result = run("relay", "--listen", f"unix:{tmp_path}/a", "--connect", f"unix:{tmp_path}/b", *options)
    assert result.exit_code == 2 and said in result.stderr
    assert not list(tmp_path.iterdir())


def test_an_address_that_cannot_be() -> None:
    result = run("relay", "--listen", "file:/tmp/vm", "--connect", "unix:/tmp/b")
    assert result.exit_code == 1 and "cannot relay through 'file:/tmp/vm'" in result.stderr


def finished(tmp_path: Path, data: bytes, *options: str) -> tuple[int, dict[str, object], str]:
    """What the relay says when a source sends ``data`` and a destination takes whatever comes."""
    with (
        socket.socket(socket.AF_UNIX) as listener,
        RelayProcess(f"unix:{tmp_path}/relay", f"unix:{tmp_path}/destination", *options) as relay,
    ):
        listener.bind(f"{tmp_path}/destination")
        listener.listen()
        listener.settimeout(30)

        def take() -> None:
            # what is refused at its beginning never comes
            with contextlib.suppress(OSError), listener.accept()[0] as destination:
                while destination.recv(1 << 20):
                    pass

        taking = threading.Thread(target=take, daemon=True)
        taking.start()
        with socket.socket(socket.AF_UNIX) as source:
            source.connect(f"{tmp_path}/relay")
            source.sendall(data)
        code, told = relay.result()
        return code, told, relay.errors


def test_a_stream_that_goes_through(tmp_path: Path) -> None:
    data = vnetmig.load(vnetmig.sample()).encode()
    code, told, _ = finished(tmp_path, data)
    assert (code, told["verdict"], told["size"]) == (0, "completed", len(data))


def test_a_recording_is_replaced_when_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "vm").write_bytes(b"an older one")
    data = vnetmig.load(vnetmig.sample()).encode()
    assert finished(tmp_path, data, "--record", f"{tmp_path}/vm", "--force")[0] == 0
    assert (tmp_path / "vm").read_bytes() == data


def test_a_stream_that_ends_in_the_middle(tmp_path: Path) -> None:
    code, told, errors = finished(tmp_path, vnetmig.load(vnetmig.sample()).encode()[:1000])
    assert (code, told["verdict"], told["side"]) == (1, "failed", "source")
    assert "the source closed its connection after 1000 bytes" in errors


def test_what_cannot_be_read_is_unreadable_only_where_it_has_to_be_read(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    code, told, errors = finished(tmp_path / "1", b"\x16\x03\x01 is TLS", "--set", "virtio-net:status=1")
    assert (code, told["verdict"]) == (3, "refused") and "Not a migration stream" in errors
    (tmp_path / "2").mkdir()
    code, told, _ = finished(tmp_path / "2", b"\x16\x03\x01 is TLS")
    assert (code, told["verdict"]) == (0, "completed") and told["unreadable"]
    assert json.dumps(told)
