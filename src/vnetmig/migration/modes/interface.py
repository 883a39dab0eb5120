"""What a mode decides: what is announced, what migrates in stages, and in which form each device goes at the end.

Knows plans; the order of a migration is the source's, the bytes are the handlers'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from vnetmig.migration.decoders import is_framed
from vnetmig.migration.device import Device
from vnetmig.migration.final_frame import FinalFrame
from vnetmig.migration.machine import EarlySection, Enrolment, Machine
from vnetmig.migration.options import Options
from vnetmig.migration.tentative_state import SentState

Key = tuple[str, int]
"""(idstr, instance_id) of a device."""


@dataclass(slots=True)
class Plan:
    """``capabilities`` are announced, so that the destination knows the mode. ``staged``: what has hooks of its own.
    ``early``: sections that go whole in the setup phase. ``finals``: devices that do not go as they are at the end."""

    capabilities: tuple[str, ...] = ()
    staged: list[Enrolment] = field(default_factory=list)
    early: list[EarlySection] = field(default_factory=list)
    finals: dict[Key, FinalFrame] = field(default_factory=dict)


class Mode(Protocol):
    """``name`` is how people choose it."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What this mode announces, whatever the options."""

    def plan(self, machine: Machine, options: Options, engine: str | None) -> Plan:
        """What it does with ``machine``."""


def announced(mode: Mode, options: Options) -> tuple[str, ...]:
    """The capabilities of a mode together with those of the options."""
    return tuple(dict.fromkeys((*mode.capabilities, *options.capabilities)))


def finals(
    machine: Machine,
    capabilities: tuple[str, ...],
    options: Options,
    engine: str | None,
    staged: Mapping[Key, FinalFrame] | None = None,
) -> dict[Key, FinalFrame]:
    """A frame for every device that these capabilities put into one: those of ``staged``, and whole states."""
    found = dict(staged or {})
    for device in machine.devices:
        key = device.idstr, device.instance_id
        if key not in found and not device.early and is_framed(capabilities, device.idstr):
            sent = sent_state(device, options, engine)
            found[key] = FinalFrame(sent, sent.whole)
    return found


def sent_state(device: Device, options: Options, engine: str | None) -> SentState:
    """The source's memory of a device's tentative state."""
    return SentState(device, engine, options.used_queues)
