"""Processes over real sockets that are killed at every step: never two that run the guest, none that loses it.

``VNETMIG_KILLS``: how many kills (default 60, spread evenly over all steps of all modes; "all": each of them).
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from replayed_sides import Case

SIDE = Path(__file__).parent / "side.py"
WAIT = 120
"""Seconds after which a side that says nothing hangs."""
PAIRS = 3
"""Migrations at a time."""
AGAIN_EVERY = 4
"""A second migration follows every so many kills."""

CASES = [
    Case("stock"),
    Case("stock", handover=True, switchover_ack=True),
    Case("iterative", used_queues="count"),
    Case("iterative", handover=True),
    Case("preheat-all"),
    Case("preheat-all", handover=True),
    Case("iterative-delta", switchover_ack=True),
    Case("early", used_queues="bitmap"),
]


class Running:
    """A side's process. ``ask`` and ``told`` are None when it was killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SIDE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def tell(self, command: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")

    def told(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        waiting = select.poll()
        waiting.register(self._process.stdout, select.POLLIN)
        assert waiting.poll(WAIT * 1000), "a side hangs"
        line = self._process.stdout.readline()
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        self.end()
        assert self._process.returncode == -signal.SIGKILL, "a side fell over"
        return None

    def ask(self, command: dict[str, Any]) -> dict[str, Any] | None:
        self.tell(command)
        return self.told()

    def end(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(WAIT)
        self._process.stdout.close()


class Pool:
    """Processes that wait for a command; a killed one is replaced ahead of time."""

    def __init__(self, size: int) -> None:
        self._idle: SimpleQueue[Running] = SimpleQueue()
        for _ in range(size):
            self.more()

    def more(self) -> None:
        self._idle.put(Running())

    def take(self) -> Running:
        return self._idle.get(timeout=WAIT)

    def back(self, running: Running) -> None:
        self._idle.put(running)

    def end(self) -> None:
        while not self._idle.empty():
            self._idle.get().end()


@dataclass(frozen=True)
class Kill:
    """Steps at which a side dies; empty: it lives."""

    case: Case
    transport: str
    source: str = ""
    destination: str = ""


@dataclass
class Seen:
    """What became of one run."""

    kill: Kill
    told: dict[str, dict[str, Any] | None]
    journals: dict[str, list[tuple[int, str]]]
    doubts: int = 0
    again: bool = False

    def killed(self, side: str) -> bool:
        return any(what == "killed" for _, what in self.journals[side])

    def did(self, side: str, what: str) -> bool:
        return any(noted == what for _, noted in self.journals[side])

    def doubled(self) -> bool:
        """Did the guest run at both sides at one moment?"""
        return any(a < d and c < b for a, b in self._ran("source") for c, d in self._ran("destination"))

    def _ran(self, side: str) -> Iterator[tuple[int, int]]:
        since = None
        for when, what in self.journals[side]:
            if what == "runs" and since is None:
                since = when
            elif what in ("stopped", "released", "killed") and since is not None:
                yield since, when
                since = None
        if since is not None:
            yield since, 1 << 63

    def lost(self) -> bool:
        """Should a survivor have the machine, and has it not? Resolved doubts are ended by now."""
        source, destination = self.told["source"], self.told["destination"]
        if (source is not None and source["runs"]) or (destination is not None and destination["runs"]):
            return False
        if source is not None:
            return not self.did("destination", "runs")  # else it ran there, and died with its owner
        if destination is not None and self.kill.case.asks:
            return self.did("source", "gives")
        return False  # without the hand-over, a source in doubt may die and take it along

    def untruthful(self) -> bool:
        """Does a survivor say something else than what runs, or hold half of a device?"""
        for told in filter(None, self.told.values()):
            if told.get("half") or (told["owner"] == "in-doubt" and told["runs"]):
                return True
        source, destination = self.told["source"], self.told["destination"]
        if source is not None and source["runs"] != (source["owner"] == "source"):
            return True
        if destination is None:
            return False
        runs = destination["runs"]
        return runs != (destination["owner"] == "destination") or (runs and not destination["same"])


class Killer:
    """Runs migrations and kills."""

    def __init__(self, folder: Path, pool: Pool) -> None:
        self._folder = folder
        self._pool = pool
        self._number = 0
        self._lock = threading.Lock()

    def run(self, kill: Kill) -> Seen:
        with self._lock:
            self._number += 1
            number = self._number
        sides = {"source": self._pool.take(), "destination": self._pool.take()}
        journals = {side: str(self._folder / f"{number}-{side}") for side in sides}
        told = self._migrate(sides, kill, number, journals)
        read = {side: _journal(path) for side, path in journals.items()}
        seen = Seen(kill, told, read)
        for side, running in sides.items():
            answer = seen.told[side]
            if answer is not None and answer["owner"] == "in-doubt":
                seen.doubts += 1
                runs_there = any(t is not None and t["runs"] for other, t in seen.told.items() if other != side)
                seen.told[side] = running.ask({"do": "resolve", "case": asdict(kill.case), "runs_there": runs_there})
        seen.journals = {side: _journal(path) for side, path in journals.items()}
        if number % AGAIN_EVERY == 0:
            owner = next((s for s, t in seen.told.items() if t is not None and t["runs"]), None)
            if owner is not None:
                self._again(sides[owner], kill, number)
                seen.again = True
        for side, running in sides.items():
            if seen.told[side] is None:
                self._pool.more()
            else:
                self._pool.back(running)
        return seen

    def _migrate(
        self, sides: dict[str, Running], kill: Kill, number: int, journals: dict[str, str]
    ) -> dict[str, dict[str, Any] | None]:
        case = asdict(kill.case)
        where = f"unix:{self._folder / f'{number}.sock'}" if kill.transport == "unix" else "tcp:127.0.0.1:0"
        serve = {"do": "serve", "case": case, "address": where, "journal": journals["destination"]}
        listening = sides["destination"].ask(serve | {"die_at": kill.destination})
        assert listening is not None
        send = {"do": "send", "case": case, "address": listening["address"], "journal": journals["source"]}
        sides["source"].tell(send | {"die_at": kill.source})
        return {side: running.told() for side, running in sides.items()}

    def _again(self, owner: Running, kill: Kill, number: int) -> None:
        other = self._pool.take()
        case = asdict(kill.case)
        where = f"unix:{self._folder / f'{number}-again.sock'}"
        journal = str(self._folder / f"{number}-again")
        assert other.ask({"do": "serve", "case": case, "address": where, "journal": journal}) is not None
        owner.tell({"do": "again", "case": case, "address": where, "journal": journal})
        told, there = owner.told(), other.told()
        assert told is not None and there is not None
        assert (told["owner"], there["owner"]) == ("destination", "destination"), (kill, told["error"], there["error"])
        assert there["runs"] and there["same"] and not told["runs"]
        self._pool.back(other)


def _journal(path: str) -> list[tuple[int, str]]:
    lines = Path(path).read_text().splitlines() if Path(path).exists() else []
    return [(int(when), what) for when, _, what in (line.partition(" ") for line in lines)]


def _every_kill(killer: Killer) -> list[Kill]:
    """Each step of each side, and both sides at the same fraction of their way."""
    kills: list[Kill] = []
    for case in CASES:
        for transport in ("unix", "tcp"):
            seen = killer.run(Kill(case, transport))
            assert seen.told["destination"] is not None and seen.told["destination"]["runs"], seen
            steps = {side: told["steps"] for side, told in seen.told.items() if told is not None}
            kills += [Kill(case, transport, source=step) for step in steps["source"]]
            kills += [Kill(case, transport, destination=step) for step in steps["destination"]]
            places = range(0, len(steps["source"]), 5)
            many = len(steps["destination"])
            kills += [
                Kill(case, transport, steps["source"][n], steps["destination"][n * many // len(steps["source"])])
                for n in places
            ]
    return kills


def _seen(source: str, destination: str, told: dict[str, dict[str, Any] | None], case: Case = CASES[0]) -> Seen:
    """A run made up from journals "TIME WHAT, TIME WHAT"."""
    journals = {
        side: [(int(line.split()[0]), line.split()[1]) for line in text.split(", ") if line]
        for side, text in (("source", source), ("destination", destination))
    }
    return Seen(Kill(case, "unix"), told, journals)


RUNS = {"owner": "source", "runs": True}
STOPPED = {"owner": "destination", "runs": False}
NOTHING = {"owner": "source", "runs": False, "half": False, "same": False}
HALF = NOTHING | {"half": True}
DOUBT_THAT_RUNS = {"owner": "in-doubt", "runs": True, "half": False, "same": True}


def test_what_is_called_doubled() -> None:
    assert _seen("1 runs, 5 stopped, 9 runs", "7 runs", {}).doubled()
    assert _seen("1 runs, 5 stopped, 9 runs", "7 runs, 10 killed", {}).doubled()
    assert not _seen("1 runs, 5 stopped, 9 runs", "7 runs, 8 killed", {}).doubled()
    assert not _seen("1 runs, 5 stopped, 9 released", "7 runs", {}).doubled()
    assert _seen("1 runs", "7 runs", {}).doubled()


def test_what_is_called_lost() -> None:
    gone_with_start = "1 runs, 2 stopped, 3 gives, 4 killed"
    assert _seen(gone_with_start, "", {"source": None, "destination": NOTHING}, CASES[1]).lost()
    assert not _seen(gone_with_start, "", {"source": None, "destination": NOTHING}, CASES[0]).lost()  # stock's protocol
    assert not _seen("1 runs, 4 killed", "", {"source": None, "destination": NOTHING}, CASES[1]).lost()
    assert _seen("1 runs, 2 stopped", "3 killed", {"source": STOPPED, "destination": None}).lost()
    assert not _seen("1 runs, 2 stopped", "3 runs, 4 killed", {"source": STOPPED, "destination": None}).lost()
    assert not _seen("1 runs, 2 stopped, 5 runs", "3 killed", {"source": RUNS, "destination": None}).lost()


def test_what_is_called_untruthful() -> None:
    assert _seen("", "", {"source": RUNS, "destination": HALF}).untruthful()
    assert _seen("", "", {"source": None, "destination": DOUBT_THAT_RUNS}).untruthful()
    assert _seen("", "", {"source": NOTHING, "destination": None}).untruthful()
    assert not _seen("", "", {"source": RUNS, "destination": NOTHING}).untruthful()


def test_killed_at_every_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = os.environ.get("VNETMIG_KILLS", "60")
    pool = Pool(2 * PAIRS + 3)
    try:
        killer = Killer(tmp_path, pool)
        kills = _every_kill(killer)
        # TCP may join messages: a step that a first run had need not come again, so a few more are tried.
        count = len(kills) if wanted == "all" else min(len(kills), int(wanted) * 11 // 10 + 3)
        chosen = [kills[n * len(kills) // count] for n in range(count)]
        with ThreadPoolExecutor(PAIRS) as threads:
            runs = list(threads.map(killer.run, chosen))
    finally:
        pool.end()
    died = [run for run in runs if run.killed("source") or run.killed("destination")]
    doubled, lost = [run for run in runs if run.doubled()], [run for run in runs if run.lost()]
    counts = Counter({f"{side} killed": sum(run.killed(side) for run in runs) for side in ("source", "destination")})
    doubts, again = sum(run.doubts for run in runs), sum(run.again for run in runs)
    with capsys.disabled():
        print(
            f"\nSIGKILL over sockets: {sum(counts.values())} processes killed in {len(died)} runs "
            f"({counts['source killed']} sources, {counts['destination killed']} destinations) of {len(kills)} "
            f"possible, {len(doubled)} doubled, {len(lost)} lost, {doubts} in doubt and resolved, "
            f"{again} second migrations"
        )
    assert not doubled, doubled[0]
    assert not lost, lost[0]
    wrong = [run for run in runs if run.untruthful()]
    assert not wrong, wrong[0]
    assert wanted == "all" or len(died) >= min(len(kills), int(wanted))
    assert {run.kill.case for run in died} == set(CASES)
    assert doubts
