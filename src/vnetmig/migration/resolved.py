"""The record of a state whose bytes are all there, in a section of its own or in a frame.

Knows that a state must fill its bytes; which description it has is virtio's or registration.py's.
"""

from __future__ import annotations

from vnetmig.errors import StreamError
from vnetmig.migration import registration
from vnetmig.virtio import section
from vnetmig.virtio.net import VM_VERSION
from vnetmig.vmstate.trial import Resolved


def resolved(idstr: str, version: int | None, data: bytes, engine: str | None) -> Resolved:
    """The state of the device called ``idstr``; ``version`` None is virtio-net's. StreamError when ``data`` is not
    it."""
    version = VM_VERSION if version is None else version
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
    return found
