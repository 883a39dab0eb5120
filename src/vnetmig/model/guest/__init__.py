"""A guest in guest memory: a virtio-net driver, packets, and all it remembers between two steps."""

from vnetmig.model.guest.driver import PROFILES, Guest
from vnetmig.model.guest.failure import GuestFailure

__all__ = ["PROFILES", "Guest", "GuestFailure"]
