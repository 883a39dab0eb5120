"""A guest: a driver that sets its device up, sends packets to itself through an echo, and checks all that comes back.

Touches guest memory, registers, the config space and doorbells, nothing else, and keeps everything it knows in guest
memory (layout): one that is attached to the same memory beside another device goes on where this one stopped. Each
step is one action, chosen by a random number that is guest memory too: the same seed gives the same guest.
"""

from __future__ import annotations

from collections.abc import Callable

from vnetmig.model.guest import layout
from vnetmig.model.guest.configure import answered, configure, reload
from vnetmig.model.guest.filters import GuestFilters
from vnetmig.model.guest.layout import GuestState
from vnetmig.model.guest.receive import look
from vnetmig.model.guest.set_up import initialise
from vnetmig.model.guest.transmit import send
from vnetmig.model.guest.turn import Device, Turn
from vnetmig.model.guest_ram import PAGE_SIZE, GuestRam

#             action -> how often, of 100
PROFILES: dict[str, dict[str, int]] = {
    "quiet": {"send": 10, "look": 88, "write": 2},
    "busy": {"send": 70, "look": 24, "write": 3, "configure": 3},
    "configurer": {"send": 35, "look": 24, "write": 3, "configure": 37, "reload": 1},
    "hostile": {"send": 20, "write": 25, "configure": 54, "reload": 1},
}
_NAMES = tuple(PROFILES)
_HOSTILE_PAGES = 16
"""Pages that a hostile guest writes in every step: no migration keeps up with it."""


class Guest:
    """One guest. ``step()`` until it raises GuestFailure, which is the device's fault.

    >>> from vnetmig.model.net_model import NetModel
    >>> from vnetmig.model.wire import EchoWire
    >>> ram = GuestRam(layout.RAM_MIN)
    >>> guest = Guest.boot(ram, NetModel.new(ram, EchoWire()), seed=7, profile="busy")
    >>> for _ in range(200):
    ...     guest.step()
    >>> guest.counters()["steps"]
    200
    """

    def __init__(self, ram: GuestRam, device: Device) -> None:
        self.ram = ram
        self.device = device

    @classmethod
    def boot(cls, ram: GuestRam, device: Device, *, seed: int = 1, profile: str = "busy") -> Guest:
        """A guest whose driver finds ``device`` in its first step. ``ram``: at least layout.RAM_MIN bytes."""
        if ram.size < layout.RAM_MIN:
            raise ValueError(f"a guest needs {layout.RAM_MIN:#x} bytes of memory, not {ram.size:#x}")
        state = GuestState()
        for name, form in layout.STATE:
            setattr(state, name, bytes(6) if form == "6s" else 0)
        state.magic = layout.MAGIC
        state.prng = (seed * 0x9E3779B97F4A7C15 | 1) & 0xFFFFFFFFFFFFFFFF
        state.profile = _NAMES.index(profile)
        state.store(ram)
        return cls(ram, device)

    @classmethod
    def attach(cls, ram: GuestRam, device: Device) -> Guest:
        """The guest that is in ``ram``, with its device. ValueError when there is none."""
        if ram.size < layout.RAM_MIN or GuestState.load(ram).magic != layout.MAGIC:
            raise ValueError("there is no guest in this memory")
        return cls(ram, device)

    @property
    def profile(self) -> str:
        return _NAMES[GuestState.load(self.ram).profile]

    @profile.setter
    def profile(self, name: str) -> None:
        """Only between steps."""
        state = GuestState.load(self.ram)
        state.profile = _NAMES.index(name)
        state.store(self.ram)

    def counters(self) -> dict[str, int]:
        """What the guest has done: steps, sent, received, filtered, commands, refused, reloads, ..."""
        state = GuestState.load(self.ram)
        return {name: getattr(state, name) for name in layout.COUNTERS}

    def step(self) -> None:
        """One action. GuestFailure when the device did what it must not."""
        state = GuestState.load(self.ram)
        turn = Turn(self.ram, self.device, state, GuestFilters(self.ram, state))
        state.steps += 1
        if not state.features:
            initialise(turn)
        elif not state.asked or answered(turn):
            _ACTIONS[_choice(state)](turn)
        if _NAMES[state.profile] == "hostile":
            write_pages(turn, _HOSTILE_PAGES)
        state.store(self.ram)


def _choice(state: GuestState) -> str:
    number = state.random(100)
    for action, often in PROFILES[_NAMES[state.profile]].items():
        number -= often
        if number < 0:
            return action
    raise AssertionError("profiles add up to 100")


def write_pages(turn: Turn, count: int = 4) -> None:
    """Change memory that has nothing to do with the device."""
    state = turn.state
    pages = (turn.ram.size - layout.SCRATCH_AT) // PAGE_SIZE
    for _ in range(count):
        at = layout.SCRATCH_AT + PAGE_SIZE * state.random(pages) + 8 * state.random(PAGE_SIZE // 8)
        turn.ram.put_u64(at, state.prng)
    state.dirtied += count


_ACTIONS: dict[str, Callable[[Turn], None]] = {
    "send": send,
    "look": look,
    "write": write_pages,
    "configure": configure,
    "reload": reload,
}
