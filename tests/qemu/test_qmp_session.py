"""A QMP connection that fails says where, and never waits for ever."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vnetmig.errors import QemuError
from vnetmig.qemu.qmp_session import QmpSession

GREETING: dict[str, object] = {
    "QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}, "capabilities": []}
}


@contextmanager
def server(path: Path | None, *lines: bytes | dict[str, object], hang_up: bool = False) -> Iterator[str]:
    """Sends a line, waits for one, sends the next ...; then is silent, or hangs up. Without a path, over TCP."""
    listener = socket.socket(socket.AF_INET if path is None else socket.AF_UNIX)
    listener.bind(("127.0.0.1", 0) if path is None else str(path))
    listener.listen(1)
    address = str(path) if path is not None else f"tcp:127.0.0.1:{listener.getsockname()[1]}"
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for number, line in enumerate(lines):
                asked = json.loads(connection.recv(1 << 16)) if number else {}  # no line ends: QMP needs none
                known = {key: asked[key] for key in ("id",) if key in asked}
                connection.sendall(line if isinstance(line, bytes) else json.dumps({**line, **known}).encode() + b"\n")
            if hang_up:
                connection.recv(1 << 16)
            else:
                over.wait(30)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield address
    finally:
        over.set()
        thread.join()
        listener.close()


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(QemuError, match=r"/nothing: No such file or directory"), QmpSession(str(tmp_path / "nothing")):
        pass


def test_nobody_greets(tmp_path: Path) -> None:
    """QEMU serves one client: a second one is let wait, with libvirt on the socket for ever."""
    with (
        server(tmp_path / "qmp") as path,
        pytest.raises(QemuError, match="is another client connected"),
        QmpSession(path, timeout=0.2),
    ):
        pass


def test_over_tcp_no_descriptor_can_be_given() -> None:
    with (
        server(None, GREETING, {"return": {}}, {"return": {"status": "running"}}) as address,
        QmpSession(address, timeout=5) as qmp,
    ):
        assert qmp.execute("query-status") == {"status": "running"}
        with pytest.raises(QemuError, match=f"qmp:{address}: "):
            qmp.give(0, "migration")


def test_no_answer(tmp_path: Path) -> None:
    with (
        server(tmp_path / "qmp", GREETING, {"return": {}}) as path,
        pytest.raises(QemuError, match="no answer to query-status"),
        QmpSession(path, timeout=2) as qmp,
    ):
        qmp.execute("query-status")


def test_it_hangs_up(tmp_path: Path) -> None:
    with (
        server(tmp_path / "qmp", GREETING, {"return": {}}, hang_up=True) as path,
        pytest.raises(QemuError, match="qmp:"),
        QmpSession(path, timeout=5) as qmp,
    ):
        qmp.execute("query-status")


def test_no_qmp(tmp_path: Path) -> None:
    with (
        server(tmp_path / "qmp", b"SSH-2.0-OpenSSH\r\n") as path,
        pytest.raises(QemuError, match="qmp:"),
        QmpSession(path, timeout=5),
    ):
        pass


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qemu.qmp", None)
    with pytest.raises(QemuError, match=r"package qemu\.qmp\n  pip install 'vnetmig\[live\]'"), QmpSession("/x"):
        pass
