"""What taps and vhost-net of this kernel can do, found out by asking it.

Offloads can only be asked of an interface: one is made in a network namespace of its own, in a process of its own, and
is gone with it. Knows ioctls; what a feature bit follows from is for others.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import platform
import struct
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any, Final

from vnetmig.backend.tun import IFF_MULTI_QUEUE, IFF_NO_PI, IFF_TAP, IFF_VNET_HDR, Linux, TunQueue
from vnetmig.backend.work import TSO, USO, Offload
from vnetmig.errors import MigrationError

VHOST_PATH: Final = "/dev/vhost-net"
TIMEOUT: Final = 20.0
"""Seconds for the process that asks; it takes about 0.2."""

_CLONE_NEWNET: Final = 0x40000000
_CLONE_NEWUSER: Final = 0x10000000

# What QEMU tries when it opens a tap (qemu: net/tap-linux.c:tap_probe_has_*)
ASKED: Final = {
    "ufo": Offload.CSUM | Offload.UFO,
    "uso": Offload.CSUM | USO,
    "tunnel": Offload.CSUM | TSO | Offload.UDP_TUNNEL_GSO,
    "tunnel_csum": Offload.CSUM | TSO | Offload.UDP_TUNNEL_GSO | Offload.UDP_TUNNEL_GSO_CSUM,
}


@dataclass(frozen=True, slots=True)
class Answers:
    """What the kernel said; None: it could not be asked, and ``words`` says why."""

    vnet_hdr: bool | None = None
    multi_queue: bool | None = None
    ufo: bool | None = None
    uso: bool | None = None
    tunnel: bool | None = None
    tunnel_csum: bool | None = None
    words: tuple[str, ...] = ()


def probe_tap() -> Answers:
    """Ask apart from this process, so that no interface shows up anywhere."""
    command = [sys.executable, "-m", "vnetmig.backend.probe"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True)
        told: dict[str, Any] = json.loads(run.stdout)
        return Answers(**{**told, "words": tuple(told["words"])})
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return Answers(words=(f"taps: the process that asks failed: {error}",))


def ask(system: Linux) -> Answers:
    """Ask in this network namespace; the interface lives as long as this call."""
    try:
        queue = TunQueue(system)
    except MigrationError as error:
        return Answers(words=(_one_line("taps", error),))
    try:
        flags = queue.features()
        known = Answers(bool(flags & IFF_VNET_HDR), bool(flags & IFF_MULTI_QUEUE))
        try:
            queue.set_interface("vnetmig%d", IFF_TAP | IFF_NO_PI | (flags & IFF_VNET_HDR))
        except MigrationError as error:
            return replace(known, words=(_one_line("offloads of a tap", error),))
        takes = {name: _takes(queue, offloads) for name, offloads in ASKED.items()}
        return replace(
            known, ufo=takes["ufo"], uso=takes["uso"], tunnel=takes["tunnel"], tunnel_csum=takes["tunnel_csum"]
        )
    finally:
        queue.close()


def _takes(queue: TunQueue, offloads: Offload) -> bool | None:
    try:
        queue.set_offload(offloads.value)
    except MigrationError as error:
        cause = error.__cause__
        return False if isinstance(cause, OSError) and cause.errno == errno.EINVAL else None
    return True


def _one_line(what: str, error: Exception) -> str:
    return f"{what}: {'; '.join(line.strip() for line in str(error).splitlines())}"


def vhost_features(path: str = VHOST_PATH) -> tuple[int | None, str | None]:
    """(feature bits of vhost-net, None), or (None, why they are not known)."""
    number = 0x8008AF00  # linux: vhost.h:VHOST_GET_FEATURES, _IOR(0xAF, 0x00, __u64)
    if platform.machine().startswith(("alpha", "mips", "ppc", "sparc")):
        number = 0x4008AF00
    try:
        device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        hint = "; modprobe vhost_net" if error.errno in (errno.ENOENT, errno.ENODEV) else ""
        return None, f"vhost-net: {path}: {error.strerror}{hint}"
    try:
        return int(struct.unpack("=Q", fcntl.ioctl(device, number, bytes(8)))[0]), None
    except OSError as error:
        return None, f"vhost-net: VHOST_GET_FEATURES failed: {error.strerror}"
    finally:
        os.close(device)


def _set_apart() -> None:
    """Into a network namespace of one's own, as root or as whoever may have a user namespace; else stay."""
    unshare = getattr(ctypes.CDLL(None), "unshare", None)
    if unshare is not None and unshare(_CLONE_NEWNET) != 0:
        unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def main() -> None:
    """Ask, and write the answers as JSON."""
    _set_apart()
    answers = ask(Linux())
    json.dump({name: getattr(answers, name) for name in Answers.__slots__}, sys.stdout)


if __name__ == "__main__":
    main()
