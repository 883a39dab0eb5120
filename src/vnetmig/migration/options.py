"""What may be switched on in every mode, and the limits of a migration.

Knows names and defaults; with all of them at their defaults the stream is stock QEMU's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vnetmig.errors import MigrationError
from vnetmig.migration.capabilities import HANDOVER, USED_QUEUES
from vnetmig.virtio.used_queues import ENCODINGS

RESENDS_MAX: Final = 8
"""Times that a device's state may be sent again while the guest runs: a guest that changes it all the time must not
keep the migration from ending (M. Armbruster, J. Palmer in the RFC thread)."""


@dataclass(frozen=True, slots=True)
class Options:
    """``used_queues``: "count" or "bitmap", how entries of unused queues are left out; None sends them all, as QEMU
    does. ``switchover_ack``: the guest is not stopped before the destination says that it is prepared (needs the return
    path). ``handover``: the destination starts only when the source says so. ``resends``: see RESENDS_MAX.
    ``bandwidth``: bytes per second that RAM may use while the guest runs, None: as fast as it goes; ``downtime_limit``:
    milliseconds that may pass with the guest stopped, which at this bandwidth decide when to stop it.
    """

    used_queues: str | None = None
    switchover_ack: bool = False
    handover: bool = False
    resends: int = RESENDS_MAX
    bandwidth: int | None = None
    downtime_limit: int = 300

    def __post_init__(self) -> None:
        if self.used_queues is not None and self.used_queues not in ENCODINGS:
            raise MigrationError(f"used_queues '{self.used_queues}': there is {', '.join(ENCODINGS)}, or None")
        if self.bandwidth is not None and self.bandwidth < 1:
            raise MigrationError(f"a bandwidth of {self.bandwidth} bytes/s never ends")

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What they announce in the stream."""
        names = [HANDOVER] if self.handover else []
        return (*names, USED_QUEUES) if self.used_queues is not None else tuple(names)

    @property
    def threshold(self) -> int:
        """Pending bytes with which the guest may be stopped (qemu: migration.c:migration_update_counters)."""
        return 0 if self.bandwidth is None else self.bandwidth * self.downtime_limit // 1000

    @property
    def window(self) -> int | None:
        """Bytes of one round: what the bandwidth allows in 100 ms (qemu: migration-stats.c, BUFFER_DELAY)."""
        return None if self.bandwidth is None else max(1, self.bandwidth // 10)


DEFAULTS: Final = Options()
