"""A multi-queue tap interface as a backend: one descriptor of /dev/net/tun for each queue pair.

Knows which ioctls do a work item. What they are is tun.py's, when they are done is staged.py's.

A pair is detached as soon as it is open, so that frames which reach the interface early are not lost in
it: to attach is cheap, to detach is not, so the dear half is done early as well. Header size, byte order and
offloads belong to the whole interface in the kernel (linux: drivers/net/tun.c:tun_struct); setting the size
and order of each pair costs what it costs QEMU.
"""

from __future__ import annotations

import errno
import os
import platform
import sys

from vnetmig.backend.staged import Cost, StagedBackend
from vnetmig.backend.tun import (
    FRAME_MAX,
    IFF_TUN_EXCL,
    TAP_FLAGS,
    TAP_QUEUES_MAX,
    Linux,
    TunQueue,
    checked_name,
    refused,
)
from vnetmig.backend.work import TUNNEL, USO, Kind, NetWork, Offload, WorkItem
from vnetmig.errors import MigrationError

SINCE = ((TUNNEL, "6.17"), (USO, "6.2"))
"""The Linux that first took these offloads; newest first."""

DROPPED = {
    errno.EAGAIN,  # the queue is full
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.EIO,  # the interface is down
    errno.EINVAL,  # no frame, or a header that contradicts it: the guest wrote it
    errno.EMSGSIZE,
}
"""Errors of one frame; a device drops it and goes on."""


class TapQueue:
    """One queue pair; ``fileno`` is for poll(), and readable means that ``receive`` has a frame."""

    def __init__(self, pair: int, tun: TunQueue) -> None:
        self.pair = pair
        self.tun = tun
        self.enabled = False

    def fileno(self) -> int:
        return self.tun.fd

    def enable(self, enabled: bool) -> None:
        if enabled:
            self.tun.attach()
        else:
            self.tun.detach()
        self.enabled = enabled

    def send(self, frame: bytes) -> bool:
        """False: the queue is full, the interface down, or the frame malformed."""
        self._check()
        try:
            os.write(self.tun.fd, frame)
        except OSError as error:
            if error.errno in DROPPED:
                return False
            raise self._lost("write", error) from error
        return True

    def receive(self) -> bytes | None:
        self._check()
        try:
            return os.read(self.tun.fd, FRAME_MAX)
        except BlockingIOError:
            return None
        except OSError as error:
            raise self._lost("read", error) from error

    def _check(self) -> None:
        if not self.enabled:
            raise MigrationError(f"queue pair {self.pair} of tap '{self.tun.name}' is not enabled\n  commit enables it")

    def _lost(self, call: str, error: OSError) -> MigrationError:
        return MigrationError(f"tap '{self.tun.name}', queue pair {self.pair}: {call} failed: {error.strerror}")


class TapBackend(StagedBackend):
    """``name`` of an interface that is made, and vanishes with the backend; "%d" takes a free number.

    ``existing``: the name of a persistent one (``ip tuntap add dev NAME mode tap multi_queue vnet_hdr``) that
    this backend joins and leaves; without it a name that is taken is refused. Bringing it up is not done here.
    """

    kind = "tap"

    def __init__(self, name: str = "vnet%d", *, existing: bool = False, system: Linux | None = None) -> None:
        super().__init__()
        self._wanted = checked_name(name, existing=existing)
        self._existing = existing
        self._system = system or Linux()
        self._queues: dict[int, TapQueue] = {}

    def __enter__(self) -> TapBackend:
        return self

    @property
    def queues(self) -> tuple[TapQueue, ...]:
        return tuple(self._queues.values())

    @property
    def name(self) -> str | None:
        """What the interface is called now; None while there is none."""
        return self._queues[0].tun.interface()[0] if self._queues else None

    def prepare(self, work: NetWork) -> None:
        _check_pairs(work)
        super().prepare(work)

    def commit(self, work: NetWork) -> None:
        _check_pairs(work)
        super().commit(work)

    def _perform(self, item: WorkItem) -> Cost:
        before = self._system.calls
        match item.kind, item.value:
            case Kind.OPEN, True:
                self._open(item.pair)
            case Kind.OPEN, False:
                self._close(item.pair)
            case Kind.VNET_HEADER_SIZE, int(size):
                self._queues[item.pair].tun.set_header_size(size)
            case Kind.VNET_HEADER_ORDER, str(order):
                self._queues[item.pair].tun.set_header_order(order, sys.byteorder)
            case Kind.OFFLOADS, Offload() as offloads:
                _set_offloads(self._queues[item.pair].tun, offloads)
            case Kind.ENABLE, bool(enabled):
                self._queues[item.pair].enable(enabled)
        return Cost(calls=self._system.calls - before)

    def _open(self, pair: int) -> None:
        # By the name it has now: for one it had, TUNSETIFF would make another interface.
        name = self.name
        flags = TAP_FLAGS if name or self._existing else TAP_FLAGS | IFF_TUN_EXCL
        tun = TunQueue(self._system)
        try:
            tun.set_interface(name or self._wanted, flags)
            tun.detach()
        except BaseException:
            tun.close()
            raise
        self._queues[pair] = TapQueue(pair, tun)

    def _close(self, pair: int) -> None:
        queue = self._queues.pop(pair)
        queue.enabled = False
        queue.tun.close()

    def _release(self) -> None:
        for pair in list(self._queues):
            self._close(pair)


def _check_pairs(work: NetWork) -> None:
    if work.queue_pairs > TAP_QUEUES_MAX:
        raise MigrationError(f"a tap has at most {TAP_QUEUES_MAX} queue pairs, got {work.queue_pairs}")


def _set_offloads(tun: TunQueue, offloads: Offload) -> None:
    """As qemu: net/tap-linux.c:tap_fd_set_offload: a kernel that refuses UFO is asked again without it."""
    if offloads & Offload.UFO:
        try:
            tun.set_offload(offloads.value)
            return
        except MigrationError as error:
            if not refused(error):
                raise
            offloads &= ~Offload.UFO
    newest = next(((newer & offloads, since) for newer, since in SINCE if newer & offloads), None)
    hint = f"{newest[0]} takes Linux {newest[1]}, this is {platform.release()}" if newest else None
    tun.set_offload(offloads.value, hint)
