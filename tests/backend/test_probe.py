"""What the kernel can do is asked of it, and nothing of the asking is left."""

from __future__ import annotations

import errno
import struct
import subprocess
from pathlib import Path

import pytest
from fake_tun import NAMES, FakeLinux
from network_namespace import interfaces

from vnetmig.backend import probe
from vnetmig.backend.probe import Answers, ask, probe_tap, vhost_features
from vnetmig.backend.tun import IFF_MULTI_QUEUE, IFF_NO_PI, IFF_TAP, IFF_VNET_HDR, TAP_FLAGS, Linux
from vnetmig.backend.work import TUNNEL, USO, Offload


class Kernel(FakeLinux):
    """One that knows ``flags``."""

    flags = IFF_TAP | IFF_VNET_HDR | IFF_MULTI_QUEUE

    def ioctl(self, fd: int, request: int, argument: bytes | int) -> bytes | int:
        if NAMES[request] == "TUNGETFEATURES":
            return struct.pack("=i", self.flags)
        if NAMES[request] == "TUNSETIFF":
            assert isinstance(argument, bytes)
            name, flags = struct.unpack("=16sH22x", argument)
            assert not flags & ~(self.flags | IFF_NO_PI), "what this kernel does not know"
            argument = struct.pack("=16sH22x", name, TAP_FLAGS)
        return super().ioctl(fd, request, argument)


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (Offload.NONE, (True, True, True, True)),
        (TUNNEL, (True, True, False, False)),  # before Linux 6.17
        (USO | TUNNEL, (True, False, False, False)),  # before 6.2
        (Offload.UDP_TUNNEL_GSO_CSUM, (True, True, True, False)),
        (Offload.UFO, (False, True, True, True)),
    ],
)
def test_what_a_kernel_refuses(refused: Offload, expected: tuple[bool, ...]) -> None:
    kernel = Kernel()
    kernel.refused_offloads = refused.value
    answers = ask(kernel)
    assert (answers.ufo, answers.uso, answers.tunnel, answers.tunnel_csum) == expected
    assert answers.vnet_hdr and answers.multi_queue and not answers.words
    assert not kernel.interfaces


def test_a_kernel_without_header_or_queues() -> None:
    kernel = Kernel()
    kernel.flags = IFF_TAP
    answers = ask(kernel)
    assert answers.vnet_hdr is False and answers.multi_queue is False


def test_an_interface_that_may_not_be_made() -> None:
    """The flags are known even so; why the rest is not stands in one line."""

    class Guarded(Kernel):
        def ioctl(self, fd: int, request: int, argument: bytes | int) -> bytes | int:
            if NAMES[request] == "TUNSETIFF":
                raise PermissionError(errno.EPERM, "Operation not permitted")
            return super().ioctl(fd, request, argument)

    answers = ask(Guarded())
    assert answers.vnet_hdr and answers.ufo is None and answers.uso is None
    (word,) = answers.words
    assert "CAP_NET_ADMIN" in word and "\n" not in word


def test_no_tun_at_all() -> None:
    class Bare(Linux):
        def open(self) -> int:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    answers = ask(Bare())
    assert answers.vnet_hdr is None and "modprobe tun" in answers.words[0]


def test_the_process_that_asks_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe.sys, "executable", "/bin/false")
    answers = probe_tap()
    assert answers.vnet_hdr is None and answers.words[0].startswith("taps: ")


def test_the_process_that_asks_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("python", 20)

    monkeypatch.setattr(subprocess, "run", late)
    assert "timed out" in probe_tap().words[0]


def test_vhost_that_is_not_there(tmp_path: Path) -> None:
    features, why = vhost_features(str(tmp_path / "vhost-net"))
    assert features is None and why is not None and "modprobe vhost_net" in why
    (tmp_path / "vhost-net").touch()
    features, why = vhost_features(str(tmp_path / "vhost-net"))
    assert features is None and why is not None and "VHOST_GET_FEATURES failed" in why


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 0x8008AF00), ("ppc64le", 0x4008AF00)])
def test_the_request_s_number_is_the_architecture_s(
    machine: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def ioctl(fd: int, request: int, argument: bytes) -> bytes:
        asked.append(request)
        return struct.pack("=Q", 5)

    (tmp_path / "vhost-net").touch()
    monkeypatch.setattr(probe.platform, "machine", lambda: machine)
    monkeypatch.setattr(probe.fcntl, "ioctl", ioctl)
    assert vhost_features(str(tmp_path / "vhost-net")) == (5, None)
    assert asked == [number]


@pytest.mark.parametrize("refused", [False, True])
def test_who_may_not_have_a_network_namespace_takes_one_of_users_too(
    refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags: list[int] = []

    class Libc:
        def unshare(self, wanted: int) -> int:
            flags.append(wanted)
            return -1 if refused else 0

    monkeypatch.setattr(probe.ctypes, "CDLL", lambda name: Libc())
    probe._set_apart()
    assert flags == [0x40000000, 0x50000000][: 1 + refused]


@pytest.mark.usefixtures("namespace")
def test_the_real_kernel() -> None:
    """Every Linux that has multi-queue taps answers; no interface shows up here."""
    answers = probe_tap()
    assert answers.vnet_hdr and answers.multi_queue
    assert not answers.words
    assert None not in (answers.ufo, answers.uso, answers.tunnel, answers.tunnel_csum)
    assert not interfaces()


def test_the_answers_are_plain() -> None:
    assert Answers.__slots__ == ("vnet_hdr", "multi_queue", "ufo", "uso", "tunnel", "tunnel_csum", "words")
