"""Addresses as QEMU's ``migrate`` takes them: unix:PATH, tcp:HOST:PORT, fd:N, file:PATH.

Knows the syntax (qemu: migration/migration.c:migrate_uri_parse); opens nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from vnetmig.errors import ChannelError

SYNTAX = "unix:PATH, tcp:HOST:PORT, fd:N or file:PATH"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """``host`` empty: every interface to listen on, this machine to connect to."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp:[{self.host}]:{self.port}" if ":" in self.host else f"tcp:{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class FdAddress:
    number: int

    def __str__(self) -> str:
        return f"fd:{self.number}"


@dataclass(frozen=True, slots=True)
class FileAddress:
    path: str
    offset: int = 0

    def __str__(self) -> str:
        return f"file:{self.path}" + (f",offset={self.offset}" if self.offset else "")


Address = UnixAddress | TcpAddress | FdAddress | FileAddress


def parse_address(text: str) -> Address:
    """
    >>> parse_address("tcp:[::1]:4444")
    TcpAddress(host='::1', port=4444)
    >>> parse_address("unix:/run/vm.sock")
    UnixAddress(path='/run/vm.sock')
    """
    scheme, colon, rest = text.partition(":")
    parser = _PARSERS.get(scheme)
    if not colon or parser is None:
        raise ChannelError(f"unknown migration protocol: {text}\n  expected {SYNTAX}")
    return parser(rest, text)


def _unix(rest: str, text: str) -> Address:
    if not rest:
        raise _wrong(text, "a path")
    return UnixAddress(rest)


def _tcp(rest: str, text: str) -> Address:
    host, colon, port = rest.rpartition(":")
    if not colon:
        raise _wrong(text, "a host and a port")
    bracketed = host.startswith("[") and host.endswith("]")
    if ":" in host and not bracketed:
        raise _wrong(text, "an IPv6 host in brackets")
    return TcpAddress(host[1:-1] if bracketed else host, _number(port, text, "a port", 65535))


def _fd(rest: str, text: str) -> Address:
    return FdAddress(_number(rest, text, "the number of an open file", (1 << 31) - 1))


def _file(rest: str, text: str) -> Address:
    path, comma, offset = rest.rpartition(",offset=")
    if not comma:
        path, offset = rest, "0"
    if not path:
        raise _wrong(text, "a path")
    return FileAddress(path, _number(offset, text, "an offset", (1 << 63) - 1))


def _number(digits: str, text: str, what: str, limit: int) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and int(digits) <= limit):
        raise _wrong(text, f"{what} up to {limit}")
    return int(digits)


def _wrong(text: str, expected: str) -> ChannelError:
    return ChannelError(f"error parsing address '{text}'\n  expected {expected}")


_PARSERS = {"unix": _unix, "tcp": _tcp, "fd": _fd, "file": _file}
