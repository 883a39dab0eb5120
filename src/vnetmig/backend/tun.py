"""/dev/net/tun by its ioctls: the constants in one table each, and one open queue.

Knows <linux/if_tun.h> and errno; knows no work list.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from vnetmig.errors import FieldError, MigrationError

PATH: Final = "/dev/net/tun"

IFF_TAP: Final = 0x0002
IFF_MULTI_QUEUE: Final = 0x0100
IFF_ATTACH_QUEUE: Final = 0x0200
IFF_DETACH_QUEUE: Final = 0x0400
IFF_NO_PI: Final = 0x1000
IFF_VNET_HDR: Final = 0x4000
IFF_TUN_EXCL: Final = 0x8000
TAP_FLAGS: Final = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE

TAP_QUEUES_MAX: Final = 256
"""linux: drivers/net/tun.c:MAX_TAP_QUEUES"""
NAME_MAX: Final = 15
"""Bytes of an interface name; IFNAMSIZ counts the NUL as well."""
FRAME_MAX: Final = 1 << 17
"""More than any frame with its header: TSO and USO end at 64 KiB of IP."""

WRITE, READ = "write", "read"
NUMBERS: Final = {
    "TUNSETIFF": (WRITE, 202),
    "TUNGETFEATURES": (READ, 207),
    "TUNSETOFFLOAD": (WRITE, 208),
    "TUNGETIFF": (READ, 210),
    "TUNGETVNETHDRSZ": (READ, 215),
    "TUNSETVNETHDRSZ": (WRITE, 216),
    "TUNSETQUEUE": (WRITE, 217),
    "TUNSETVNETLE": (WRITE, 220),
    "TUNGETVNETLE": (READ, 221),
    "TUNSETVNETBE": (WRITE, 222),
}
"""Direction, and number of type 'T'; the size is that of an int for all of them, whatever they take."""


def request(name: str, machine: str) -> int:
    """The number of ioctl ``name`` on ``machine`` (uname -m); linux: asm-generic/ioctl.h and its exceptions."""
    direction, number = NUMBERS[name]
    if machine.startswith(("alpha", "mips", "ppc", "sparc")):
        bits = {READ: 2, WRITE: 4}[direction] << 29
    else:
        bits = {READ: 2, WRITE: 1}[direction] << 30
    return bits | 4 << 16 | ord("T") << 8 | number


REQUESTS: Final = {name: request(name, platform.machine()) for name in NUMBERS}

_IFREQ = struct.Struct("=16sH22x")
_INT = struct.Struct("=i")

HINTS: Final = {
    ("open", errno.ENOENT): f"there is no {PATH}: modprobe tun; in a container give it the device",
    ("open", errno.ENODEV): "the kernel has no tun driver: modprobe tun",
    ("open", errno.EACCES): f"this user may not open {PATH}: be root, or change its mode",
    ("open", errno.EMFILE): "each queue pair takes a file descriptor: raise the limit (ulimit -n)",
    ("TUNSETIFF", errno.EPERM): "needs CAP_NET_ADMIN in this network namespace, or an interface that this user owns",
    ("TUNSETIFF", errno.EBUSY): "an interface of this name exists, perhaps another's: take another name, "
    "or ask for an existing one",
    ("TUNSETIFF", errno.EINVAL): "the name is another kind of interface, or one without multi_queue and vnet_hdr",
    ("TUNSETQUEUE", errno.EBADFD): "somebody deleted the interface",
    ("TUNSETIFF", errno.E2BIG): f"a tap has at most {TAP_QUEUES_MAX} queues",
}
"""What to do about a call that failed, by call and errno."""


class Linux:
    """The system calls that set a queue up; ``calls`` counts them, failed ones too. Frames are not in it."""

    def __init__(self) -> None:
        self.calls = 0

    def open(self) -> int:
        self.calls += 1
        return os.open(PATH, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def ioctl(self, fd: int, request: int, argument: bytes | int) -> bytes | int:
        self.calls += 1
        return fcntl.ioctl(fd, request, argument)

    def close(self, fd: int) -> None:
        self.calls += 1
        os.close(fd)


def checked_name(name: str, *, existing: bool = False) -> str:
    """``name`` as an interface may be called, "%d" for a free number once; linux: net/core/dev.c:dev_valid_name.

    >>> checked_name("vnet%d")
    'vnet%d'
    """
    pattern = name.count("%") == 1 and "%d" in name and not existing
    if name in ("", ".", "..") or re.search(r"[/:\s\0]", name) or not name.isascii():
        wrong = "no '/', ':' or white space"
    elif len(name) > NAME_MAX:
        wrong = f"got {len(name)} bytes"
    elif "%" in name and not pattern:
        wrong = "'%d' stands once at most, and not in the name of an interface that exists"
    else:
        return name
    raise FieldError(f"interface name {name!r}: expected 1 to {NAME_MAX} bytes of ASCII; {wrong}")


class TunQueue:
    """One descriptor of /dev/net/tun. What fails is a MigrationError, and has changed nothing."""

    def __init__(self, system: Linux) -> None:
        self._system = system
        self.name = ""
        with _told("open", PATH):
            self.fd = system.open()

    def set_interface(self, name: str, flags: int) -> None:
        """Attach to interface ``name``, which is made if there is none; ``self.name`` is what it is called."""
        self.name = name
        self.name = _interface(self._ioctl("TUNSETIFF", _IFREQ.pack(os.fsencode(name), flags)))[0]

    def interface(self) -> tuple[str, int]:
        """Its name now and its IFF_ flags; IFF_DETACH_QUEUE is among them while the queue is detached."""
        return _interface(self._ioctl("TUNGETIFF", bytes(_IFREQ.size)))

    def features(self) -> int:
        """The IFF_ flags that this kernel knows."""
        return self._read("TUNGETFEATURES")

    def header_size(self) -> int:
        return self._read("TUNGETVNETHDRSZ")

    def set_header_size(self, size: int) -> None:
        self._ioctl("TUNSETVNETHDRSZ", _INT.pack(size))

    def header_is_little(self) -> bool:
        """True when it was set so; False means the byte order of the host."""
        return bool(self._read("TUNGETVNETLE"))

    def set_header_order(self, order: str, host: str) -> None:
        """``host``: sys.byteorder. Only a header that is big on a little host takes a kernel that can cross."""
        if order == "big" and host == "little":  # first: it may be refused, and means nothing while LE is set
            self._ioctl("TUNSETVNETBE", _INT.pack(1), hint="the kernel was built without TUN_VNET_CROSS_LE")
        self._ioctl("TUNSETVNETLE", _INT.pack(order == "little"))

    def set_offload(self, bits: int, hint: str | None = None) -> None:
        """``bits``: TUN_F_*."""
        self._ioctl("TUNSETOFFLOAD", bits, hint=hint)

    def attach(self) -> None:
        self._ioctl("TUNSETQUEUE", _IFREQ.pack(b"", IFF_ATTACH_QUEUE))

    def detach(self) -> None:
        self._ioctl("TUNSETQUEUE", _IFREQ.pack(b"", IFF_DETACH_QUEUE))

    def close(self) -> None:
        """Cannot fail; the last queue of an interface that is not persistent takes it along."""
        fd, self.fd = self.fd, -1
        with suppress(OSError):  # linux: the descriptor is gone even so
            self._system.close(fd)

    def _read(self, call: str) -> int:
        value: int = _INT.unpack(self._ioctl(call, bytes(_INT.size)))[0]
        return value

    def _ioctl(self, call: str, argument: bytes | int, hint: str | None = None) -> bytes:
        with _told(call, f"tap '{self.name}'", hint):
            result = self._system.ioctl(self.fd, REQUESTS[call], argument)
        return result if isinstance(result, bytes) else b""


def refused(error: MigrationError) -> bool:
    """Whether the kernel said EINVAL, which is how it says that it does not know what it was asked for."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EINVAL


def _interface(ifreq: bytes) -> tuple[str, int]:
    name, flags = _IFREQ.unpack(ifreq)
    return os.fsdecode(name.rstrip(b"\0")), flags


@contextmanager
def _told(call: str, where: str, hint: str | None = None) -> Iterator[None]:
    """A system error inside becomes a MigrationError that says which call, and what to do; ``hint``: on EINVAL."""
    try:
        yield
    except OSError as error:
        text = f"{where}: {call} failed: {error.strerror or error}"
        if error.errno != errno.EINVAL or hint is None:
            hint = HINTS.get((call, error.errno or 0))
        raise MigrationError(f"{text}\n  {hint}" if hint else text) from error
