"""One QEMU process of an experiment: started, asked, ended; never left behind, not even by a SIGKILL of this one.

Knows processes and QMP; of migrations only the settings that a process begins with, to which it can be put back.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from vnetmig.errors import QemuError
from vnetmig.qemu.experiment.arm import Arm, Value
from vnetmig.qemu.experiment.command_line import EVENTS
from vnetmig.qemu.experiment.interruption import Pause
from vnetmig.qemu.qmp_session import QmpSession, require_qmp

START_SECONDS: Final = 20.0
END_SECONDS: Final = 10.0
ENDING_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.02
SAID_MAX: Final = 2000
"""Bytes of the end of what QEMU said that an error repeats."""

_PR_SET_PDEATHSIG: Final = 1


class Instance:
    """``with Instance(...) as machine``; a QemuError when it does not start."""

    def __init__(self, line: list[str], name: str, qmp: str, console: Path, errors: Path, pause: Pause) -> None:
        self.line = line
        self.name = name
        self.console = console
        self._address = qmp
        self._errors = errors
        self._pause = pause
        self._closed = False

    def __enter__(self) -> Instance:
        require_qmp()
        with self._errors.open("wb") as errors:
            try:
                self.process = subprocess.Popen(
                    self.line,
                    stdin=subprocess.DEVNULL,
                    stdout=errors,
                    stderr=errors,
                    start_new_session=True,  # a Ctrl-C is for this process, which ends them in order
                    preexec_fn=_die_with(os.getpid()),
                )
            except OSError as error:
                raise QemuError(f"{self.line[0]}: {error.strerror}") from error
        try:
            self.qmp = self._connected()
        except BaseException:
            self._kill()
            raise
        try:
            self._require_events()
            self._parameters: dict[str, Any] = self.qmp.execute("query-migrate-parameters")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """At once: whoever comes here without ``quit`` has no more use for it, or was interrupted."""
        if not self._closed:
            self._kill()
            self._close()

    def quit(self) -> None:
        """Let it end by itself."""
        with contextlib.suppress(QemuError, subprocess.TimeoutExpired):
            self.qmp.execute("quit")
            self.process.wait(END_SECONDS)
        self._kill()
        self._close()

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _close(self) -> None:
        self._closed = True
        self.qmp.__exit__(None, None, None)

    def _connected(self) -> QmpSession:
        deadline = time.monotonic() + START_SECONDS
        while True:
            session = QmpSession(self._address)
            if Path(self._address).exists():
                try:
                    return session.__enter__()
                except QemuError:
                    if time.monotonic() > deadline:
                        raise
            if self.process.poll() is not None:
                raise QemuError(f"QEMU did not start{self.end()}\n  {' '.join(self.line)}")
            if time.monotonic() > deadline:
                raise QemuError(f"QEMU has no QMP after {START_SECONDS:g} s{self.end()}\n  {' '.join(self.line)}")
            self._pause(POLL_SECONDS)

    def _require_events(self) -> None:
        for event in EVENTS:
            try:
                self.qmp.execute("trace-event-get-state", name=event)
            except QemuError as error:
                version = self.qmp.execute("query-version")["qemu"]
                number = ".".join(str(version[part]) for part in ("major", "minor", "micro"))
                raise QemuError(
                    f"{self.line[0]}: QEMU {number} has no trace event {event}: they came with 8.2"
                ) from error

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def ended_soon(self) -> bool:
        """Has it ended, or is it about to? Its sockets are closed before it is gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(ENDING_SECONDS)
        return self.ended

    def end(self) -> str:
        """How it ended and what it said at last, as the continuation of a sentence."""
        said = self._errors.read_bytes()[-SAID_MAX:].decode(errors="replace").strip()
        code = self.process.poll()
        how = "" if code is None else f" (signal {signal.Signals(-code).name})" if code < 0 else f" (exit code {code})"
        return how + (f": {said}" if said else "")

    def status(self) -> str:
        return str(self.qmp.execute("query-status")["status"])

    def configure(self, arm: Arm, arms: Iterable[Arm]) -> None:
        """The arm's capabilities and parameters; those of other arms are put back to what they were at the start."""
        capabilities = {name: False for other in arms for name, _ in other.capabilities} | dict(arm.capabilities)
        if capabilities:
            states = [{"capability": name, "state": state} for name, state in capabilities.items()]
            self.qmp.execute("migrate-set-capabilities", capabilities=states)
        parameters: dict[str, Value] = {
            name: self._parameters[name] for other in arms for name, _ in other.parameters if name in self._parameters
        }
        parameters |= dict(arm.parameters)
        if parameters:
            self.qmp.execute("migrate-set-parameters", **parameters)


def _die_with(parent: int) -> Any:
    """What a child does before it becomes QEMU: be killed when its parent is gone, however that went."""
    prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return prepare
