"""Migrations in memory, written down message by message: the sequence diagrams of docs/protocol.md.

Everything drawn was said by a real Source and a real Destination; only what goes wrong is made. Knows how to play them
and how to draw; the tables are gen_protocol.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import vnetmig
from vnetmig.migration.destination import Destination
from vnetmig.migration.handover import MAGIC, NeedFull, Started, read_order
from vnetmig.migration.machine import Machine
from vnetmig.migration.options import Options
from vnetmig.migration.result import NEED_DATA, AnswerReader, Result
from vnetmig.migration.source import Source
from vnetmig.migration.source_states import FINAL, GUEST_RUNS, State
from vnetmig.stream import framing
from vnetmig.stream.cursor import Cursor
from vnetmig.stream.iterative import FLAG_NAMES as RFC_FLAGS
from vnetmig.stream.return_path import Pong, Shut, SwitchoverAck
from vnetmig.stream.tentative import FLAG_NAMES
from vnetmig.vmstate import Record

STEPS_MAX = 100_000

Fault = Callable[["Play"], None]
"""Called before every step: it may spoil something."""


def sample_machine() -> Machine:
    """The packaged capture. While it was set up, its virtio-net had an older ring index: packets went on."""
    machine = Machine.from_events(vnetmig.load(vnetmig.sample()).events)
    before = Machine.from_events(vnetmig.load(vnetmig.sample()).events)
    for device, old in zip(machine.nets(), before.nets(), strict=True):
        assert isinstance(old.state, Record)
        index = old.state["vq[0].last_avail_idx"]
        assert isinstance(index, int)
        old.state["vq[0].last_avail_idx"] = index - 100
        device.setup_state = old.state
    return machine


class Play:
    """One migration. ``lines`` is the diagram; ``early`` and ``final`` are the bytes of virtio-net's sections with the
    guest running, and stopped. ``breaks_at``: how the message begins that does not arrive, nor any after it."""

    def __init__(
        self, mode: str, options: Options | None = None, fault: Fault | None = None, breaks_at: str = ""
    ) -> None:
        self.source = Source(sample_machine(), mode, options=options or Options(), registered=False)
        self.destination = Destination(registered=False)
        self.lines = ["sequenceDiagram", "    participant S as source", "    participant D as destination"]
        self.early = self.final = 0
        self._names: dict[int, str] = {}
        self._fault = fault
        self._answers = AnswerReader()
        self._others = 0
        self._stopped = self._broken = False
        self._breaks_at = breaks_at

    def run(self) -> Play:
        for _ in range(STEPS_MAX):
            if self._broken or (self.source.state in FINAL and not self._step()):
                break
            if self._fault is not None:
                self._fault(self)
            self._step()
        self._tell_others()
        self._note(f"source: {self.source.state.value}, owner {self.source.owner}", "S")
        self._note(f"destination: {self.destination.phase.value}, owner {self.destination.owner}", "D")
        return self

    def _step(self) -> bool:
        """Was there anything to say?"""
        data = self.source.next_bytes()
        if not self._stopped and self.source.state not in GUEST_RUNS and self.source.state not in FINAL:
            self._tell_others()
            self._note("the guest stops", "S")
            self._stopped = True
        if data is not None:
            self._send(data)
        elif self.source.finished_sending:
            self.destination.close()
        answer = self.destination.answer()
        if not self._broken:
            self._hear(answer)
        return data is not None or bool(answer)

    def _send(self, data: bytes) -> None:
        told = self._described(data)
        if told is None:
            self._others += len(data)
        elif self._arrives("S", "D", told):
            self.destination.feed(data)
            return
        if not self._broken:
            self.destination.feed(data)

    def _hear(self, data: bytes) -> None:
        self._answers.feed(data)
        while (reply := self._answers.next_answer()) is not None and reply is not NEED_DATA:
            if not self._arrives("D", "S", _answer(reply)):
                return
        self.source.answer(data)

    def _arrives(self, one: str, other: str, told: str) -> bool:
        """Draw a message. False: the channel breaks here, and each side notices for itself."""
        self._tell_others()
        self._broken = bool(self._breaks_at) and told.startswith(self._breaks_at)
        self.lines.append(f"    {one}{'-x' if self._broken else '->>'}{other}: {told}")
        if self._broken:
            self._note("the channel is broken", "S,D")
            error = vnetmig.MigrationError("the channel broke")
            self.source.lose(error)
            self.destination.lose(error)
        return not self._broken

    def _tell_others(self) -> None:
        if self._others:
            self.lines.append(f"    S->>D: RAM and other devices, {self._others} bytes")
            self._others = 0

    def _note(self, text: str, side: str) -> None:
        self.lines.append(f"    note over {side}: {text}")

    def _described(self, data: bytes) -> str | None:
        if data[:4] == framing.FILE_MAGIC.to_bytes(4, "big"):
            names = ", ".join(self.source.plan.capabilities)
            return "header, configuration" + (f" with {names}" if names else "")
        if data[:4] == MAGIC:
            order = read_order(Cursor(memoryview(data), 0))
            return f"{type(order).__name__.upper()}, {len(data)} bytes"
        kind = data[0]
        if kind == framing.EOF:
            return "EOF, vmdescription"
        if kind == framing.COMMAND:
            return framing.COMMANDS[int.from_bytes(data[1:3], "big")].name
        return self._section(kind, data)

    def _section(self, kind: int, data: bytes) -> str | None:
        section_id = int.from_bytes(data[1:5], "big")
        header = framing.RESUMED_HEADER_SIZE
        if kind in framing.NAMED_SECTIONS:
            header = 6 + data[5] + 8
            self._names[section_id] = data[6 : 6 + data[5]].decode()
        name = self._names[section_id].rpartition("/")[2]
        if not name.startswith("virtio-net"):
            return None
        if self._stopped:
            self.final += len(data)
        else:
            self.early += len(data)
        flag = int.from_bytes(data[header : header + 8], "big")
        flags = {**FLAG_NAMES, **RFC_FLAGS}
        what = f" {flags[flag]}" if flag in flags else " the state"
        return f"{framing.SECTION_TYPES[kind]} {name}:{what}, {len(data)} bytes"


def _answer(reply: object) -> str:
    if isinstance(reply, Result):
        return "RESULT" + (f": {reply.error.splitlines()[0]}" if reply.error else ", every section saved again")
    if isinstance(reply, NeedFull):
        return "NEED_FULL " + ", ".join(idstr.rpartition("/")[2] for idstr, _ in reply.devices)
    if isinstance(reply, Started):
        return "STARTED"
    if isinstance(reply, Pong):
        return "PONG"
    if isinstance(reply, SwitchoverAck):
        return "SWITCHOVER_ACK"
    assert isinstance(reply, Shut)
    return f"SHUT {reply.value}"


# What can go wrong, by name.


def _other_bytes(play: Play) -> None:
    """The destination's memory fails: what it saves is not what it got."""
    if play.source.state is State.ASK:
        for device in play.destination.devices:
            if device.idstr.endswith("virtio-net"):
                assert isinstance(device.state, Record)
                device.state["status"] = 0


def _lost_base(play: Play) -> None:
    """The destination forgets what it was sent early."""
    if play.source.state is State.COMPLETE:
        for held in play.destination._incoming._held.values():
            held.refused = True


#   what happens                                                mode               what is spoilt  what is lost
FAULTS: tuple[tuple[str, str, Fault | None, str], ...] = (
    ("the destination has lost the base of a delta", "iterative-delta", _lost_base, ""),
    ("the destination holds something else", "iterative-delta", _other_bytes, ""),
    ("the channel breaks while the guest runs", "iterative-delta", None, "PART"),
    ("the result does not arrive", "iterative-delta", None, "RESULT"),
    ("START does not arrive", "iterative-delta", None, "START,"),
    ("STARTED does not arrive", "iterative-delta", None, "STARTED"),
    ("without the hand-over the result does not arrive", "iterative", None, "RESULT"),
)


def diagrams() -> Iterator[tuple[str, Play]]:
    """Title and play: every mode, the switchover-ack, then the failures."""
    for mode in vnetmig.MODES:
        yield mode, Play(mode).run()
    yield "iterative-delta with switchover_ack", Play("iterative-delta", Options(switchover_ack=True)).run()


def failures() -> Iterator[tuple[str, Play]]:
    for title, mode, fault, breaks_at in FAULTS:
        yield title, Play(mode, fault=fault, breaks_at=breaks_at).run()
