"""One QMP connection, asked one command at a time, with a limit on how long each may take.

Knows the package qemu.qmp, which it imports when a session begins; knows no command.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, TypeVar

from vnetmig.errors import QemuError

TIMEOUT: Final = 10.0
"""Seconds that connecting may take, and each command unless more is given to it."""

ROUNDS: Final = 4
"""Of cancelling what a connection left behind."""

_T = TypeVar("_T")

# What fails is raised as a QemuError; without handlers, here and of the loop, it would be printed as well.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())


class Asked(Protocol):
    """Whatever answers QMP commands."""

    def execute(self, command: str, **arguments: Any) -> Any: ...


def require_qmp() -> None:
    """QemuError without the package: whoever waits for a QEMU that is just starting asks that first."""
    try:
        import qemu.qmp  # noqa: F401
    except ImportError as error:
        raise QemuError("to ask a running QEMU takes the package qemu.qmp\n  pip install 'vnetmig[live]'") from error


class QmpSession:
    """``with QmpSession("/run/vm.qmp") as qmp: qmp.execute("query-status")``

    ``address``: a unix socket's path, or "host:port". What fails is a QemuError.
    """

    def __init__(self, address: str, timeout: float = TIMEOUT) -> None:
        self.address = address
        self.timeout = timeout
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Any = None
        self._events: Any = None

    def __enter__(self) -> QmpSession:
        require_qmp()
        from qemu.qmp import QMPClient

        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda loop, context: None)
        self._client = QMPClient("vnetmig")
        try:
            greeted = self._client.connect(_endpoint(self.address))
            self._run(greeted, "no answer: is another client connected to it?", min(self.timeout, TIMEOUT))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def execute(self, command: str, **arguments: Any) -> Any:
        """The command's answer. A QemuError when QEMU refuses it, closes the connection or takes too long."""
        assert self._loop is not None
        if self._loop.is_closed():
            raise QemuError(f"qmp:{self.address}: {command}: the connection is closed")
        return self._run(self._client.execute(command, arguments or None), f"no answer to {command}")

    def give(self, number: int, name: str) -> None:
        """Hand an open file descriptor over, to be called ``name`` there (as in "fd:NAME"). It stays open here.

        Only a unix socket can carry one: QemuError otherwise.
        """
        try:
            self._client.send_fd_scm(number)
        except Exception as error:
            raise QemuError(f"qmp:{self.address}: {_said(error)}") from error
        self.execute("getfd", fdname=name)

    def listen_for(self, *names: str) -> None:
        """Keep events of these names from now on, for ``heard``."""
        from qemu.qmp import EventListener

        self._events = EventListener(names)
        self._client.register_listener(self._events)

    def heard(self) -> list[dict[str, Any]]:
        """The events that have come with the answers so far, each once."""
        return [] if self._events is None else list(self._events.clear())

    def _run(self, awaitable: Awaitable[_T], late: str, timeout: float | None = None) -> _T:
        assert self._loop is not None
        timeout = self.timeout if timeout is None else timeout
        try:
            return self._loop.run_until_complete(asyncio.wait_for(awaitable, timeout))
        except (asyncio.TimeoutError, TimeoutError) as error:
            raise QemuError(f"qmp:{self.address}: {late} (waited {timeout:g} s)") from error
        except Exception as error:
            raise QemuError(f"qmp:{self.address}: {_said(error)}") from error

    def close(self) -> None:
        """Leave, so that another client may come."""
        assert self._loop is not None
        if self._loop.is_closed():
            return
        try:
            self._loop.run_until_complete(asyncio.wait_for(self._client.disconnect(), self.timeout))
        except Exception:  # the connection is of no more use, whatever became of it
            pass
        finally:
            self._loop.run_until_complete(_nothing_left())
            self._loop.close()


async def _nothing_left() -> None:
    """A connection that broke leaves tasks behind, which would complain of the loop's end one by one.

    One that is cancelled may begin another, which takes leave of the peer.
    """
    for _ in range(ROUNDS):
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _endpoint(address: str) -> str | tuple[str, int]:
    found = re.fullmatch(r"(?:tcp:)?\[?([^/\]]+)\]?:(\d{1,5})", address)
    if found is not None and not Path(address).exists():
        return found[1], int(found[2])
    return address.removeprefix("unix:")


def _said(error: BaseException) -> str:
    """The first word that says something: qemu.qmp wraps causes in errors of its own."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(error) or type(error).__name__
