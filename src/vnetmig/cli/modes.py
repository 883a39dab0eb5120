"""Which modes a run of `vnetmig migrate` has, and why one is left out.

Knows what a mode announces and what that needs; runs none.
"""

from __future__ import annotations

import click

from vnetmig.migration.capabilities import HANDOVER
from vnetmig.migration.machine import Machine
from vnetmig.migration.modes import MODES

ALL = "all"


def needs_handover(mode: str) -> bool:
    """Does this mode end with the hand-over, whatever the options?

    >>> [mode for mode in MODES if needs_handover(mode)]
    ['iterative-delta', 'early']
    """
    return HANDOVER in MODES[mode].capabilities


def chosen(asked: str, *, handover: bool) -> tuple[tuple[str, ...], list[str]]:
    """(modes, a line for each that ``all`` leaves out). click.UsageError for one that cannot be."""
    if handover:
        return (tuple(MODES) if asked == ALL else (asked,)), []
    why = "a base that was lost is sent again in the hand-over"
    if asked != ALL:
        if needs_handover(asked):
            raise click.UsageError(f"--mode {asked} does not go with --no-handover: {why}")
        return (asked,), []
    left_out = [f"{mode} is left out without the hand-over: {why}" for mode in MODES if needs_handover(mode)]
    return tuple(mode for mode in MODES if not needs_handover(mode)), left_out


def announceable(modes: tuple[str, ...], machine: Machine, *, asked: str) -> tuple[tuple[str, ...], list[str]]:
    """The same for what ``machine`` can announce: without a configuration section, nothing."""
    if machine.configuration is not None or asked != ALL:
        return modes, []
    kept = tuple(mode for mode in modes if not MODES[mode].capabilities)
    why = "it announces itself, and this machine has no configuration section to do so"
    return kept, [f"{mode} is left out: {why}" for mode in modes if mode not in kept]
