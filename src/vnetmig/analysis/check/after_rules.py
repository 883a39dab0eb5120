"""What goes wrong later: after the guest's next reboot, on the way back.

Knows what a guest may take that it has not taken yet; needs to know what the source offered.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.analysis.check.arriving import Arriving
from vnetmig.analysis.check.trouble import Trouble
from vnetmig.analysis.finding import Severity
from vnetmig.virtio import features


def reboot(state: Arriving) -> Iterator[Trouble]:
    """Features that only the destination offers: after a reboot the guest takes them, and then it cannot go back."""
    source = state.came_from
    if source is None or source.host_features is None or state.there.host_features is None:
        return
    proven = state.there.host_features & ~state.there.assumed_features
    new = proven & ~(source.host_features | source.assumed_features)
    if new:
        names = ", ".join(one.setting(False) or one.name for one in features.features_in(state.kind, new))
        yield Trouble(
            "features-after-reboot",
            {"features": new},
            "guest_features_low",
            severity=Severity.REBOOT,
            words=f"Features {new:#x} are offered here and not at the source: after a reboot the guest may take them, "
            "and then it cannot migrate back",
            hint=f"start the destination with {names}",
        )
