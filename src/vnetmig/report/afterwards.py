"""What became of a machine at its destination: the guest that went on there, and what its backends did.

The same facts are an object of the destination's JSON and what a source reads of it. Knows names, types and limits, and
checks all of them on the way in: what another process printed is nothing to rely on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, cast

from vnetmig.backend.interface import Backend
from vnetmig.backend.ledger import Phase, Totals
from vnetmig.errors import MigrationError
from vnetmig.report.json import Json

JSON_MAX: Final = 16 << 20
"""Bytes that a destination may print: some 200 for each device."""
DEVICES_MAX: Final = 1 << 12
COUNTERS_MAX: Final = 64
TEXT_MAX: Final = 1 << 12
NUMBER_MAX: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class GuestThere:
    """``steps`` that it made there. ``lost``: packets that left and can come back no more; None when the guest reset
    its device, which throws away what is on its way. ``failure``: what it found its device to do wrong."""

    steps: int = 0
    lost: int | None = 0
    failure: str | None = None
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BackendThere:
    """One backend. ``shortfall``: why it is not of the kind that was asked for."""

    idstr: str
    instance_id: int
    kind: str
    prepare: Totals
    commit: Totals
    shortfall: str | None = None

    @classmethod
    def of(cls, idstr: str, instance_id: int, backend: Backend, shortfall: str | None = None) -> BackendThere:
        ledger = backend.ledger
        return cls(
            idstr, instance_id, backend.kind, ledger.totals(Phase.PREPARE), ledger.totals(Phase.COMMIT), shortfall
        )


@dataclass(frozen=True, slots=True)
class Afterwards:
    """``guest`` None: none went on."""

    guest: GuestThere | None = None
    backends: tuple[BackendThere, ...] = ()


def afterwards_json(found: Afterwards) -> dict[str, Json]:
    """
    >>> afterwards_json(Afterwards())
    {'guest': None, 'backends': []}
    """
    return cast("dict[str, Json]", {**asdict(found), "backends": [asdict(backend) for backend in found.backends]})


def read_afterwards(printed: bytes) -> Afterwards:
    """Out of all that a destination printed. MigrationError when that is not what a destination prints."""
    if not printed.strip():
        raise _bad("nothing")
    if len(printed) > JSON_MAX:
        raise _bad(f"more than {JSON_MAX} bytes")
    try:
        root = json.loads(printed)
    except (ValueError, RecursionError) as error:
        raise _bad(f"no JSON ({error})") from None
    try:
        guest = root["guest"]
        return Afterwards(None if guest is None else _guest(guest), tuple(map(_backend, _list(root["backends"]))))
    except (KeyError, TypeError) as error:
        raise _bad(f"JSON without a usable {error}") from None


def _bad(what: str) -> MigrationError:
    return MigrationError(f"the destination process was to say what became of the machine, and said {what}"[:TEXT_MAX])


def _guest(node: Mapping[str, Any]) -> GuestThere:
    counters = _of(dict, node["counters"], "counters")
    if len(counters) > COUNTERS_MAX:
        raise TypeError("number of counters")
    return GuestThere(
        _number(node["steps"], "steps"),
        None if node["lost"] is None else _number(node["lost"], "lost"),
        _text_or_none(node["failure"], "failure"),
        {_text(name, "counter"): _number(value, "counter") for name, value in counters.items()},
    )


def _backend(node: Mapping[str, Any]) -> BackendThere:
    return BackendThere(
        _text(node["idstr"], "idstr"),
        _number(node["instance_id"], "instance_id"),
        _text(node["kind"], "kind"),
        _totals(node["prepare"]),
        _totals(node["commit"]),
        _text_or_none(node["shortfall"], "shortfall"),
    )


def _totals(node: Mapping[str, Any]) -> Totals:
    return Totals(**{each.name: _number(node[each.name], each.name) for each in fields(Totals)})


def _of(kind: type, value: Any, name: str) -> Any:
    if type(value) is not kind:
        raise TypeError(name)
    return value


def _list(value: Any) -> list[Any]:
    if len(_of(list, value, "backends")) > DEVICES_MAX:
        raise TypeError("number of backends")
    return cast("list[Any]", value)


def _number(value: Any, name: str) -> int:
    if not -NUMBER_MAX < _of(int, value, name) < NUMBER_MAX:
        raise TypeError(name)
    return cast("int", value)


def _text(value: Any, name: str) -> str:
    if len(_of(str, value, name)) > TEXT_MAX:
        raise TypeError(name)
    return cast("str", value)


def _text_or_none(value: Any, name: str) -> str | None:
    return None if value is None else _text(value, name)
