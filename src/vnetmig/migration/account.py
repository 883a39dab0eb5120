"""What somebody saw of a migration from beside it: phases, rounds, devices, and what the destination said.

Numbers and names only, of bounded size: whatever comes, at most `ROUNDS_MAX` rounds and `DEVICES_MAX` devices are kept
apart. Times are nanoseconds of the watcher's clock, when the bytes came by; sizes are bytes on the wire.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final

from vnetmig.errors import StreamError

ROUNDS_MAX = 512
"""When there are more, neighbours are put together: half as many, of twice as many sections each."""
DEVICES_MAX = 4096
"""More sections than any machine has; those behind are counted in the last entry."""


class Phase(enum.Enum):
    """Where a migration is, as its bytes tell. ``SWITCHOVER``: the source's machine stands still from about here."""

    NOTHING = "nothing yet"
    SETUP = "setup"
    ROUNDS = "rounds"
    SWITCHOVER = "switchover"
    DEVICES = "devices"
    POSTCOPY = "postcopy"
    ENDING = "ending"


EARLY: Final = (Phase.NOTHING, Phase.SETUP, Phase.ROUNDS)
"""The source's machine runs."""


@dataclass(slots=True)
class Round:
    """RAM sections that follow each other: the START, one or more PARTs (what QEMU calls an iteration), or the END."""

    kind: str
    began: int
    ended: int
    size: int = 0
    sections: int = 1
    pages: int = 0
    zero_pages: int = 0
    encoded: int = 0
    """xbzrle and compressed pages."""

    def join(self, later: Round) -> None:
        self.ended = later.ended
        self.size += later.size
        self.sections += later.sections
        self.pages += later.pages
        self.zero_pages += later.zero_pages
        self.encoded += later.encoded


@dataclass(slots=True)
class DeviceSeen:
    """One section of a device. ``early``: it came while the source still ran. ``ended`` None: it has not come whole."""

    idstr: str
    instance_id: int
    section_id: int
    kind: str
    offset: int
    began: int
    size: int = 0
    ended: int | None = None
    early: bool = False
    sections: int = 1

    @property
    def name(self) -> str:
        return f"{self.idstr}#{self.instance_id}" if self.instance_id else self.idstr


@dataclass(slots=True)
class PeerSaid:
    """The return path. ``opened``: the source has asked for it. Times None: not said."""

    opened: int | None = None
    pongs: int = 0
    page_requests: int = 0
    switchover_ack: int | None = None
    shut: int | None = None
    """The value of SHUT: 0 is fine, anything else a failure at the destination."""
    shut_at: int | None = None
    size: int = 0
    fault: StreamError | None = None
    """Why nothing more of it can be read."""


@dataclass(slots=True)
class Account:
    """``phases``: each phase that was reached, with when and the offset. ``fault``: why nothing more can be read."""

    size: int = 0
    began: int | None = None
    ended: int | None = None
    """When the last byte of the stream came."""
    machine: str | None = None
    capabilities: tuple[str, ...] = ()
    ram_size: int = 0
    ram_blocks: int = 0
    phases: list[tuple[Phase, int, int]] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    devices: list[DeviceSeen] = field(default_factory=list)
    commands: dict[str, int] = field(default_factory=dict)
    """How often each came."""
    peer: PeerSaid = field(default_factory=PeerSaid)
    complete: bool = False
    """The end mark has come."""
    fault: StreamError | None = None

    @property
    def phase(self) -> Phase:
        return self.phases[-1][0] if self.phases else Phase.NOTHING

    @property
    def pages(self) -> int:
        return sum(one.pages for one in self.rounds)

    @property
    def zero_pages(self) -> int:
        return sum(one.zero_pages for one in self.rounds)

    @property
    def ram_bytes(self) -> int:
        """Of all RAM sections, on the wire."""
        return sum(one.size for one in self.rounds)

    @property
    def iterations(self) -> int:
        """PART sections of RAM."""
        return sum(one.sections for one in self.rounds if one.kind == "PART")

    def reached(self, phase: Phase) -> int | None:
        """When ``phase`` began."""
        return next((when for one, when, _ in self.phases if one is phase), None)

    def add_round(self, made: Round) -> None:
        """``made`` may grow until it is ended; the ones before it have ended."""
        if len(self.rounds) >= ROUNDS_MAX:
            self.rounds = _halved(self.rounds)
        self.rounds.append(made)

    def add_device(self, seen: DeviceSeen) -> DeviceSeen:
        """``seen``, or the entry that stands for all that are too many."""
        if len(self.devices) < DEVICES_MAX:
            self.devices.append(seen)
            return seen
        last = self.devices[-1]
        last.sections += 1
        return last


def _halved(rounds: list[Round]) -> list[Round]:
    """Neighbours of one kind put together two by two."""
    made: list[Round] = []
    single = True
    for one in rounds:
        if made and single and made[-1].kind == one.kind:
            made[-1].join(one)
            single = False
        else:
            made.append(one)
            single = True
    return made
