"""Calling what others have written, handlers and machines: whatever it raises must not keep the rest from its turn.

Knows errors; knows nothing of what is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vnetmig.errors import MigrationError, VnetmigError


def told(error: Exception) -> VnetmigError:
    """``error`` as one of ours: the state machines hand on no others."""
    if isinstance(error, VnetmigError):
        return error
    failure = MigrationError(f"{type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def run_all(calls: Iterable[Callable[[], object]]) -> None:
    """Make every call, whatever the others raise; then raise the first error, as ``told``."""
    first = failed(calls)
    if first is not None:
        raise first


def failed(calls: Iterable[Callable[[], object]]) -> VnetmigError | None:
    """Make every call; the first error, if there was one."""
    first: VnetmigError | None = None
    for call in calls:
        try:
            call()
        except Exception as error:
            first = first or told(error)
    return first
