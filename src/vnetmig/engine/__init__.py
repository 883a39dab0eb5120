"""The two engines behind one interface, and the choice between them.

``VNETMIG_ENGINE=auto|c|python`` decides at import: auto takes C when it is built, ``c`` insists on it (ImportError with
the cause), ``python`` never loads it. Every call that runs an engine also takes ``engine=``.
Knows flat programs only (engine.code); imports nothing above.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from typing import Protocol

from vnetmig.engine.code import Batch, Bound, Flat, Result
from vnetmig.engine.rings import Region, RingAnswer, RingQueue
from vnetmig.errors import EngineError


class Engine(Protocol):
    """What an engine offers. Both give the same answer to every input, valid or not."""

    NAME: str
    CALLS_COST: bool

    def load(self, flat: Flat, data: bytes | bytearray | memoryview, record: bytearray) -> Result: ...

    def save(self, flat: Flat, record: bytes | bytearray | memoryview) -> tuple[Result, bytes]: ...

    def save_into(
        self, flat: Flat, record: bytes | bytearray | memoryview, output: bytearray | memoryview
    ) -> Result: ...

    def bind_load(self, flat: Flat, data: bytes | bytearray, record: bytearray) -> Bound: ...

    def bind_save(self, flat: Flat, record: bytearray, output: bytearray) -> Bound: ...

    def bind_load_batch(
        self, flats: Sequence[Flat], inputs: Sequence[bytes | bytearray | memoryview], records: Sequence[bytearray]
    ) -> Batch: ...

    def bind_save_batch(
        self, flats: Sequence[Flat], records: Sequence[bytearray], output: bytearray, places: Sequence[int]
    ) -> Batch: ...

    def rings(
        self,
        queues: Sequence[RingQueue],
        regions: Sequence[Region] = (),
        memory: bytes | bytearray | memoryview = b"",
        options: int = 0,
    ) -> tuple[RingAnswer, ...]: ...

    def scan_ram(
        self, data: bytes | bytearray | memoryview, position: int, limit_words: int, page_size: int, highest: int
    ) -> tuple[int, int, int]: ...

    def make_delta(self, base: bytes | bytearray | memoryview, target: bytes | bytearray | memoryview) -> bytes: ...

    def bind_delta(
        self, base: bytes | bytearray, target: bytes | bytearray, output: bytearray
    ) -> Callable[[], int]: ...

    def apply_delta(
        self, base: bytes | bytearray | memoryview, delta: bytes | bytearray | memoryview, limit: int
    ) -> tuple[Result, bytes]: ...


def _build_note() -> str:
    """Why this installation has no C engine, when the build knew it."""
    try:
        from vnetmig.engine import _build  # type: ignore[attr-defined,unused-ignore]
    except ImportError:
        return ""
    return str(getattr(_build, "CAUSE", ""))


def _native() -> tuple[Engine | None, str]:
    try:
        module = importlib.import_module("vnetmig.engine.native")
    except ImportError as error:
        return None, _build_note() or str(error)
    return module, ""


def _python() -> Engine:
    return importlib.import_module("vnetmig.engine.python")


def _choose() -> tuple[dict[str, Engine], str, str]:
    wanted = os.environ.get("VNETMIG_ENGINE", "auto") or "auto"
    if wanted not in ("auto", "c", "python"):
        raise EngineError(f"VNETMIG_ENGINE={wanted}: there is auto, c, python")
    native, cause = (None, "") if wanted == "python" else _native()
    if native is not None:
        return {"c": native}, "c", cause
    if wanted == "c":
        raise EngineError(f"the C engine is not available: {cause}")
    return {"python": _python()}, "python", cause


_found, name, missing_cause = _choose()


def engines() -> tuple[str, ...]:
    """Names of the engines of this installation, the default first."""
    return tuple(dict.fromkeys((*_found, "python")))


def get(which: str | None = None) -> Engine:
    """The engine called ``which`` (None: the default). EngineError when it is not available."""
    engine = _found.get(which or name)
    if engine is None:
        if which != "python":
            there = ", ".join(engines())
            raise EngineError(f"engine '{which}' is not available (there is: {there}) {missing_cause}".rstrip())
        engine = _found[which] = _python()  # only now: loading it takes a tenth of a small `inspect`
    return engine


def describe() -> str:
    """One line for people: which engine runs, and why not the C one."""
    if name == "c":
        return "engine: c"
    if not missing_cause:
        return "engine: python (chosen by VNETMIG_ENGINE)"
    return f"engine: python (C engine not built: {missing_cause})"
