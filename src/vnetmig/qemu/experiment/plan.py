"""The plan of an experiment: two arms, the guest, and the order in which the arms have their turns.

Knows no process. The same plan and seed give the same order, on any machine and after any interruption.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from vnetmig.errors import FieldError
from vnetmig.qemu.experiment.arm import Arm

MIGRATIONS_MAX: Final = 10_000
USER_NETWORK: Final = "user,id=n0,restrict=on"


@dataclass(frozen=True, slots=True)
class Plan:
    """``migrations`` of each arm; ``off`` is arm A, which B (``on``) is compared with. Seconds, MiB.

    ``netdev`` is the argument of -netdev; `{side}` in it becomes the number of the process's place: 0 and 1 are the
    ends of the first chain, 2 and 3 of the second. ``ready``: what the guest says on its serial console when it is
    ready. Without a ``kernel`` the guest is the firmware.
    """

    off: Arm = field(default_factory=Arm)
    on: Arm = field(default_factory=Arm)
    name: str = "run"
    migrations: int = 20
    seed: int = 1
    accel: str = "tcg"
    cpu: str = "qemu64"
    memory: int = 128
    netdev: str = USER_NETWORK
    kernel: str | None = None
    initrd: str | None = None
    append: str = ""
    ready: str | None = None
    settle: float = 0.5

    def __post_init__(self) -> None:
        if self.off == self.on:
            raise FieldError("the arms do not differ: there is nothing to compare")
        if not 1 <= self.migrations <= MIGRATIONS_MAX:
            raise FieldError(f"migrations of each arm: expected 1 to {MIGRATIONS_MAX}, got {self.migrations}")
        if not self.name.replace("-", "").replace("_", "").isalnum():
            raise FieldError(f"'{self.name}' names no series: letters, digits, - and _")
        most = max(self.off.queue_pairs, self.on.queue_pairs)
        if most > 1 and self.netdev == USER_NETWORK:
            raise FieldError(
                f"{most} queue pairs take a backend that has them, for each side\n"
                "  such as --netdev 'tap,id=n0,ifname=tap{side},script=no,downscript=no,queues=4'"
            )
        if self.netdev.count("id=n0") != 1:
            raise FieldError(f"--netdev '{self.netdev}': expected id=n0 in it, which the device uses")

    def arm(self, on: bool) -> Arm:
        return self.on if on else self.off

    @property
    def order(self) -> list[bool]:
        """Is it B's turn? Blocks of two with one turn each, so that what drifts meets both alike.

        >>> Plan(on=Arm(smp=2), migrations=3, seed=7).order
        [True, False, True, False, False, True]
        """
        chance = random.Random(self.seed)
        turns = []
        for _ in range(self.migrations):
            first = chance.random() < 0.5
            turns += [first, not first]
        return turns

    def as_json(self) -> dict[str, Any]:
        """Values of JSON, by which a later process knows the same plan."""
        as_lists: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        for side in ("off", "on"):
            found = asdict(as_lists[side])
            as_lists[side] = {k: [list(p) for p in v] if isinstance(v, tuple) else v for k, v in found.items()}
        return as_lists
