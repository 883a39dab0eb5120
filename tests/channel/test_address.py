from __future__ import annotations

import pytest

from vnetmig.channel.address import (
    Address,
    FdAddress,
    FileAddress,
    TcpAddress,
    UnixAddress,
    parse_address,
)
from vnetmig.errors import ChannelError

GOOD: list[tuple[str, Address]] = [
    ("unix:/run/vm.sock", UnixAddress("/run/vm.sock")),
    ("unix:relative:with:colons", UnixAddress("relative:with:colons")),
    ("tcp:127.0.0.1:4444", TcpAddress("127.0.0.1", 4444)),
    ("tcp::4444", TcpAddress("", 4444)),
    ("tcp:host.example:0", TcpAddress("host.example", 0)),
    ("tcp:[::1]:65535", TcpAddress("::1", 65535)),
    ("fd:3", FdAddress(3)),
    ("file:/var/tmp/vm", FileAddress("/var/tmp/vm")),
    ("file:/var/tmp/vm,offset=4096", FileAddress("/var/tmp/vm", 4096)),
]


@pytest.mark.parametrize(("text", "address"), GOOD)
def test_read_and_written(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unix",
        "unix:",
        "tcp:",
        "tcp:host",
        "tcp:host:",
        "tcp:host:port",
        "tcp:host:65536",
        "tcp:host:-1",
        "tcp:::1:4444",
        "tcp:host:٤",
        "fd:",
        "fd:x",
        "fd:99999999999999999999",
        "file:",
        "file:,offset=1",
        "file:x,offset=y",
        "rdma:host:1",
        "/run/vm.sock",
    ],
)
def test_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ChannelError, match="expected") as caught:
        parse_address(text)
    assert text in str(caught.value)
