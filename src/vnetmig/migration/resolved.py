"""The record of a state whose bytes are all there, in a section of its own or in a frame.

Knows that a state must fill its bytes; which description it has is virtio's or registration.py's.
"""

from __future__ import annotations

from vnetmig.errors import StreamError
from vnetmig.migration import registration
from vnetmig.virtio import section
from vnetmig.vmstate.program import Program
from vnetmig.vmstate.record import Record


def is_described(idstr: str) -> bool:
    """Is there a description of the device called ``idstr``, without the stream's own?"""
    return section.device_of(idstr) is not None or registration.described(idstr) is not None


def resolved(idstr: str, version: int, data: bytes, engine: str | None, likely: Program | None = None) -> Record:
    """The state of the device called ``idstr``. ``likely``: the program of an earlier state of it, which is tried
    first.

    StreamError when ``data`` is no state of this device.
    """
    if likely is not None and likely.version == version:
        loaded = likely.load(data, engine=engine)
        if loaded.error is None and loaded.size == len(data):
            return loaded.record
    resolver = section.resolver(idstr, version) or registration.resolver(idstr, version)
    if resolver is None:
        raise StreamError(f"nothing describes '{idstr}'", section=idstr, code="section")
    found = resolver(memoryview(data), len(data).__eq__, final=True, engine=engine)
    if isinstance(found, int) or found.size != len(data):
        raise StreamError(
            f"error while loading state for instance 0x0 of device '{idstr}'",
            section=idstr,
            expected=f"a state of {len(data)} bytes",
            got="one that ends elsewhere",
        )
    return found.record
