"""Which backend a name gives, and what is said where the machine cannot have it."""

from __future__ import annotations

import errno
import os
import sys

import pytest

import vnetmig.backend.choose
from vnetmig.backend.choose import backend_named, tap_shortfall
from vnetmig.backend.tun import IFF_MULTI_QUEUE, TAP_FLAGS, Linux
from vnetmig.errors import FieldError, MigrationError


class Machine:
    """What a tap needs, one attribute each; all is there at first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open_error = 0
        self.features = TAP_FLAGS
        self.capabilities = 1 << 12
        self.descriptors = 0
        monkeypatch.setattr(Linux, "open", lambda _: self.open())
        monkeypatch.setattr(Linux, "close", lambda _, fd: self.close(fd))
        monkeypatch.setattr(Linux, "ioctl", lambda _, fd, request, argument: self.features.to_bytes(4, sys.byteorder))
        monkeypatch.setattr(vnetmig.backend.choose, "_effective", lambda: self.capabilities)
        monkeypatch.setattr(sys, "platform", "linux")

    def open(self) -> int:
        if self.open_error:
            raise OSError(self.open_error, os.strerror(self.open_error))
        self.descriptors += 1
        return 1000

    def close(self, fd: int) -> None:
        self.descriptors -= 1


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_null_needs_nothing(machine: Machine) -> None:
    machine.open_error = errno.ENOENT
    chosen = backend_named("null", strict=True)
    assert (chosen.backend.kind, chosen.shortfall) == ("null", None)


def test_tap_where_all_is_there(machine: Machine) -> None:
    chosen = backend_named("tap", name="mine%d")
    assert (chosen.backend.kind, chosen.shortfall) == ("tap", None)
    assert machine.descriptors == 0


@pytest.mark.parametrize(
    ("without", "says"),
    [
        ({"open_error": errno.ENOENT}, "no tap backend: /dev/net/tun: open failed: No such file.*\n.*modprobe tun"),
        ({"open_error": errno.EACCES}, "no tap backend: /dev/net/tun: open failed: Permission denied\n.*be root"),
        ({"features": TAP_FLAGS & ~IFF_MULTI_QUEUE}, "lacks IFF_ flags 0x100\n  it takes Linux 3.8"),
        ({"capabilities": ~(1 << 12)}, "CAP_NET_ADMIN is missing\n  be root.*unshare -rn.*ip tuntap add"),
    ],
)
def test_what_is_missing_is_said(machine: Machine, without: dict[str, int], says: str) -> None:
    for name, value in without.items():
        setattr(machine, name, value)
    with pytest.raises(MigrationError, match=says):
        backend_named("tap", strict=True)
    chosen = backend_named("tap")
    assert chosen.backend.kind == "null"
    assert chosen.shortfall == tap_shortfall() is not None
    assert machine.descriptors == 0


def test_another_system(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert tap_shortfall() == "no tap backend on darwin\n  it takes Linux"


def test_an_existing_interface_takes_no_capability(machine: Machine) -> None:
    machine.capabilities = 0
    assert backend_named("tap", name="mine", existing=True).backend.kind == "tap"


def test_an_unknown_name() -> None:
    with pytest.raises(FieldError, match="backend 'vhost': expected null or tap"):
        backend_named("vhost")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_capabilities_are_read() -> None:
    with open("/proc/self/status", encoding="ascii") as status:
        assert f"CapEff:\t{vnetmig.backend.choose._effective():016x}\n" in list(status)
