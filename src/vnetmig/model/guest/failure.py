"""What a guest says when its device has done something that no device may do."""

from __future__ import annotations

from vnetmig.errors import VnetmigError


class GuestFailure(VnetmigError):
    """A packet that was lost, came twice, in the wrong order or place or altered; an answer that is wrong."""
