"""A network namespace of one's own, to make interfaces in: it is this thread's, and vanishes at the end.

/sys/class/net shows the namespace it was mounted in; socket.if_nameindex() asks the right one.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from vnetmig.backend.choose import tap_shortfall

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
IFF_UP = 1


@contextmanager
def network_namespace() -> Iterator[None]:
    """OSError where it may not be made."""
    libc = ctypes.CDLL(None, use_errno=True)
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(libc.unshare(CLONE_NEWNET))
        try:
            yield
        finally:
            _checked(libc.setns(outside, CLONE_NEWNET))
    finally:
        os.close(outside)


def shortfall() -> str | None:
    """Why there can be no tap in a namespace here; None when there can."""
    missing = tap_shortfall()
    if missing or sys.platform != "linux":
        return missing
    try:
        with network_namespace():
            return None
    except OSError as error:
        return f"no network namespace: {error.strerror} (be root)"


def interfaces() -> set[str]:
    """All but the loopback."""
    return {name for _, name in socket.if_nameindex()} - {"lo"}


def bring_up(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        ifreq = struct.pack("=16sH22x", name.encode(), 0)
        flags = struct.unpack("=16sH22x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, ifreq))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("=16sH22x", name.encode(), flags | IFF_UP))


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
