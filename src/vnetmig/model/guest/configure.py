"""How a guest changes its device's configuration: one command at a time, when no packet is on its way."""

from __future__ import annotations

from vnetmig.model import properties as p
from vnetmig.model.guest import commands, layout
from vnetmig.model.guest.buffer_slots import Part
from vnetmig.model.guest.failure import GuestFailure
from vnetmig.model.guest.receive import look
from vnetmig.model.guest.set_up import initialise
from vnetmig.model.guest.turn import Turn


def reload(turn: Turn) -> None:
    """The driver is unloaded and loaded again."""
    if drained(turn):
        turn.state.reloads += 1
        initialise(turn)


def drained(turn: Turn) -> bool:
    """Is nothing on its way? Packets that the device has not seen are made known to it."""
    turn.kick_all()
    look(turn)
    state = turn.state
    if state.asked or state.inflight or state.may_lose:
        return False
    return not any(turn.driver(2 * pair + 1).busy() for pair in range(state.pairs))


def configure(turn: Turn) -> None:
    if not drained(turn):
        return
    status = turn.device.read_config(6, 2)[0]
    announce = status & p.S_ANNOUNCE and turn.state.features & p.GUEST_ANNOUNCE
    _ask(turn, *(commands.ANNOUNCED if announce else commands.choose(turn.state)))


def _ask(turn: Turn, command: bytes, expected: int) -> None:
    state, driver = turn.state, turn.driver(layout.CONTROL)
    turn.ram.write(layout.COMMAND_AT - 2, len(command).to_bytes(2, "little") + command)
    turn.ram.write(layout.ACK_AT, b"\xff")
    parts: list[Part] = [(layout.COMMAND_AT, 2, False), (layout.COMMAND_AT + 2, len(command) - 2, False)]
    driver.add(0, [*(part for part in parts if part[1]), (layout.ACK_AT, 1, True)])
    state.asked, state.expected = 1, expected
    turn.kick(driver)


def answered(turn: Turn) -> bool:
    """Take the answer of the command that is on its way, if it is there."""
    state = turn.state
    used = turn.driver(layout.CONTROL).used()
    turn.served(used is not None, "a command waits")
    if used is None:
        return False
    state.asked = 0
    acknowledgement = turn.ram.fetch(layout.ACK_AT, 1)[0]
    length = turn.ram.u16(layout.COMMAND_AT - 2)
    command = turn.ram.fetch(layout.COMMAND_AT, length)
    if used != (0, 1) or acknowledgement != state.expected:
        raise GuestFailure(
            f"command {command[0]}/{command[1]} was answered {acknowledgement}, {state.expected} is right"
        )
    state.commands += 1
    if acknowledgement == commands.OK:
        turn.filters.acknowledged(command)
    else:
        state.refused += 1
        if command[0] == 4:
            state.hashing = state.redirect = 0  # qemu: virtio_net_handle_mq: RSS goes first
    return True
