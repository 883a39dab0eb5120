"""The capture that comes with the package: a real QEMU's stream, for a first look and for `vnetmig migrate`."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

NAME = "pc-i440fx-10.0-virtio-net-4q.qemu.xz"


def _folder() -> Traversable:
    return resources.files("vnetmig.document").joinpath("captures")


def sample() -> bytes:
    """The stream (xz): QEMU 10.0.13, pc-i440fx-10.0, a Linux guest, virtio-net on a tap, four queue pairs, under load.

    Give it to ``vnetmig.load``. ``sample_memory`` has the guest pages that its rings are in.
    """
    return _folder().joinpath(NAME).read_bytes()


def sample_memory() -> str:
    """Path of the pages that the sample's rings are in (JSON {address: base64}, xz)."""
    return str(_folder().joinpath("pc-i440fx-10.0-virtio-net-4q.rings.json.xz"))
