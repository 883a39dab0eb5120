"""The output folder of an experiment: what was done is in it, so that whoever comes later can go on.

`NAME-plan.json` is the plan, `NAME-runs.jsonl` has a line for each migration that counts, in order, `NAME-procNNN.log`
is the trace log of each process: it holds the loads of the migration that it was the destination of, and the saves of
the one that it was the source of. `NAME-failures.jsonl` tells what did not get through. A line is written when its
migration is over and its logs are complete; one that a kill cut short is dropped.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from vnetmig.document.saving import replaced
from vnetmig.errors import FieldError
from vnetmig.qemu.experiment.plan import Plan


class Journal:
    """``with Journal(folder, plan) as journal``: nobody else writes to this series meanwhile.

    FieldError when the folder has a series of this name with another plan, or another process is at it.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        self.plan = plan
        self.runs: list[dict[str, Any]] = []
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Journal:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = self._path("-runs.jsonl").open("ab")
        try:
            self._claim()
            self._take_up()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._lock is not None
        self._lock.close()

    def _path(self, suffix: str) -> Path:
        return self.folder / f"{self.plan.name}{suffix}"

    def _claim(self) -> None:
        assert self._lock is not None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FieldError(f"{self._path('-runs.jsonl')}: another process is at this experiment") from error

    def _take_up(self) -> None:
        path = self._path("-plan.json")
        ours = json.loads(json.dumps(self.plan.as_json()))
        if not self._path("-runs.jsonl").stat().st_size:  # a plan that came to nothing, such as one with a wrong QEMU
            with replaced(path) as file:
                file.write(json.dumps(ours, indent=1).encode() + b"\n")
            return
        if not path.exists():
            raise FieldError(f"{self._path('-runs.jsonl')}: runs without their plan ({path.name}): use another name")
        theirs = _read_json(path)
        if theirs != ours:
            differ = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
            raise FieldError(
                f"{path}: an experiment with another plan is here; it differs in {', '.join(differ)}\n"
                "  use another folder, or another --name"
            )
        self.runs = self._whole_runs()

    def _whole_runs(self) -> list[dict[str, Any]]:
        path, order = self._path("-runs.jsonl"), self.plan.order
        data = path.read_bytes()
        whole, _, cut = data.rpartition(b"\n")
        runs = []
        for place, line in enumerate(whole.split(b"\n") if whole else ()):
            try:
                run = json.loads(line)
                expected = {"k": place, "on": order[place]}
                if not isinstance(run, dict) or {key: run.get(key) for key in expected} != expected:
                    raise ValueError
            except (ValueError, IndexError, RecursionError) as error:
                raise FieldError(
                    f"{path}: line {place + 1} is not run {place} of this plan: use another name"
                ) from error
            runs.append(run)
        if cut:
            os.truncate(path, len(data) - len(cut))
        return runs

    def next_process(self) -> str:
        """The name of the next process, whose log no other has used."""
        pattern = re.compile(re.escape(self.plan.name) + r"-proc([0-9]{3,9})\.log")
        used = [int(found[1]) for path in self.folder.iterdir() if (found := pattern.fullmatch(path.name))]
        name = f"{self.plan.name}-proc{max(used, default=-1) + 1:03}"
        (self.folder / f"{name}.log").touch()
        return name

    def done(self, run: dict[str, Any]) -> None:
        assert self._lock is not None
        self._lock.write(json.dumps(run).encode() + b"\n")
        self._lock.flush()
        os.fsync(self._lock.fileno())
        self.runs.append(run)

    def failed(self, failure: dict[str, Any]) -> None:
        with self._path("-failures.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(failure) + "\n")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FieldError(f"{path}: no plan of an experiment: use another name") from error
    return found if isinstance(found, dict) else {}
