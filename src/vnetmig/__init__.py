"""Read, check, edit, write and live-migrate the state of QEMU's virtio-net devices, byte for byte."""

from __future__ import annotations


def __getattr__(name: str) -> object:
    if name == "__version__":
        from vnetmig._version import version

        return version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
