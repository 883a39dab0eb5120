"""One side of a migration as a process of its own, which kills itself at a named step.

It reads commands and writes replies, one JSON object per line: ``serve`` and ``send`` migrate the tiny machine,
``again`` migrates what this process holds since then, ``resolve`` ends a doubt. Every step has a name,
"KIND:NUMBER:MOMENT" (sends: before, half, after; receives and hooks: before, after); at the one that a command calls
``die_at`` the process sends itself SIGKILL. What happens to the guest goes to a journal, one line with the monotonic
time each, which survives the process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "migration")]

from replayed_sides import Case
from tiny_machine import Clock, WatchedDestination, WatchedSource, final_states, registry_of, tiny_machine

from vnetmig.channel.opening import connect, listen
from vnetmig.channel.socket_channel import SocketChannel
from vnetmig.migration.destination import Destination
from vnetmig.migration.destination_states import Phase
from vnetmig.migration.run import drive, serve_incoming
from vnetmig.migration.source import Source
from vnetmig.migration.source_states import State

TIMEOUT = 30.0
RECEIVED_MAX = 700
"""Bytes received at a time: a message of a few KB takes several steps."""


class Steps:
    """Counts, tells the journal, and dies."""

    def __init__(self, journal: str, die_at: str) -> None:
        self.passed: list[str] = []
        self._file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._die_at = die_at
        self._counts: Counter[str] = Counter()

    def note(self, what: str) -> None:
        os.write(self._file, f"{time.monotonic_ns()} {what}\n".encode())

    def begin(self, kind: str) -> str:
        name = f"{kind}:{self._counts[kind]}"
        self._counts[kind] += 1
        self.at(f"{name}:before")
        return name

    def at(self, step: str) -> None:
        self.passed.append(step)
        if step == self._die_at:
            self.note("killed")
            os.kill(os.getpid(), signal.SIGKILL)

    def close(self) -> None:
        os.close(self._file)


class SteppedChannel:
    """A channel on which one may die in front of, inside and behind a message."""

    def __init__(self, channel: SocketChannel, steps: Steps) -> None:
        self._channel = channel
        self._steps = steps
        self.sending: Any = lambda: None
        """Called in front of every message."""

    def send(self, data: bytes) -> None:
        self.sending()
        step = self._steps.begin("send")
        half = len(data) // 2
        self._channel.send(data[:half])
        self._steps.at(f"{step}:half")
        self._channel.send(data[half:])
        self._steps.at(f"{step}:after")

    def receive(self, limit: int) -> bytes:
        step = self._steps.begin("receive")
        data = self._channel.receive(min(limit, RECEIVED_MAX))
        self._steps.at(f"{step}:after")
        return data

    def ready(self) -> bool:
        return self._channel.ready()

    def finish(self) -> None:
        step = self._steps.begin("finish")
        self._channel.finish()
        self._steps.at(f"{step}:after")

    def close(self) -> None:
        self._channel.close()


class JournaledSource(WatchedSource):
    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps
        steps.note("runs")

    def _called(self, hook: str) -> None:
        step = self._steps.begin(hook)
        super()._called(hook)
        self._steps.note({"stop": "stopped", "resume": "runs", "release": "released"}[hook])
        self._steps.at(f"{step}:after")


class JournaledDestination(WatchedDestination):
    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    def _called(self, hook: str, *, early: bool, at: bool = True) -> None:
        step = self._steps.begin(hook)
        super()._called(hook, early=early, at=at)
        if hook == "start":
            self._steps.note("runs")
        self._steps.at(f"{step}:after")

    def abort(self) -> None:
        step = self._steps.begin("abort")
        super().abort()
        self._steps.note("aborted")
        self._steps.at(f"{step}:after")


class Process:
    """What this process is in the middle of. ``steps`` are of the last migration."""

    def __init__(self) -> None:
        self.steps: Steps | None = None
        self.source: Source | None = None
        self.destination: Destination | None = None
        self.guest: JournaledSource | JournaledDestination | None = None

    def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        case = Case(**command["case"])
        if command["do"] == "resolve":
            side = self.source or self.destination
            assert side is not None
            side.resolve(runs_there=command["runs_there"])
        elif command["do"] == "serve":
            self._serve(case, command)
        elif command["do"] == "again":
            self._send(case, command, again=True)
        else:
            self._send(case, command, again=False)
        return self._told()

    def _begin(self, command: dict[str, Any]) -> Steps:
        if self.steps is not None:
            self.steps.close()
        self.steps = Steps(command["journal"], command.get("die_at", ""))
        return self.steps

    def _serve(self, case: Case, command: dict[str, Any]) -> None:
        steps = self._begin(command)
        guest = JournaledDestination(steps)
        with listen(command["address"]) as listener:
            reply({"address": listener.address})
            with listener.accept(TIMEOUT) as channel:
                self.source = None
                self.destination = serve_incoming(
                    SteppedChannel(channel, steps), registry=registry_of(Clock()), machine=guest
                )
        self.guest = guest

    def _send(self, case: Case, command: dict[str, Any], *, again: bool) -> None:
        machine = tiny_machine()
        if again and self.source is not None:
            machine = self.source.machine
        elif again:
            assert self.destination is not None
            machine.devices = list(self.destination.devices)
        steps = self._begin(command)
        guest = JournaledSource(steps)
        registry = registry_of(Clock(next(machine.nets())))
        source = Source(machine, case.mode, options=case.options, registry=registry, outgoing=guest)
        with connect(command["address"], timeout=TIMEOUT) as channel:
            assert isinstance(channel, SocketChannel)
            stepped = SteppedChannel(channel, steps)
            gives = State.STARTING, State.CONFIRM
            stepped.sending = lambda: steps.note("gives") if source.state in gives else None
            drive(source, stepped)
        self.source, self.destination, self.guest = source, None, guest

    def _told(self) -> dict[str, Any]:
        assert self.steps is not None and self.guest is not None
        side = self.source or self.destination
        assert side is not None
        told = {"owner": side.owner, "runs": self.guest.runs, "error": str(side.error), "steps": self.steps.passed}
        if isinstance(self.guest, JournaledDestination):
            assert self.destination is not None
            failed = self.destination.phase is Phase.FAILED
            told["half"] = bool(self.guest.wrong) or (failed and self.guest.holds)
            told["same"] = self.guest.whole and self.guest.applied() == final_states()
        return told


def reply(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def main() -> None:
    process = Process()
    tiny_machine()
    for line in sys.stdin:
        reply(process.obey(json.loads(line)))


if __name__ == "__main__":
    main()
