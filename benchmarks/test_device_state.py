"""Save and load of a device state: both engines against what people would write instead, and against a copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from peers import PEERS, Peer, peers

from vnetmig.document.workload import WORKLOADS, Workload
from vnetmig.engine import engines, get
from vnetmig.vmstate import Record

ENGINES = engines()
BOUND = {f"{name}-bound": name for name in ENGINES if get(name).CALLS_COST}
"""Calls without arguments: ``Program.bind_save``, ``Program.bind_load``."""
ONCE = {f"{name}-once": name for name in ENGINES if get(name).CALLS_COST}
"""The first save of a record; the plain candidate is one that was saved before, and has kept what can be kept."""
CANDIDATES = (*ENGINES, *BOUND, *ONCE, *PEERS)

Calls = Mapping[str, Callable[[], object]]

_peers: dict[str, dict[str, Peer]] = {}


def peers_of(workload: Workload) -> dict[str, Peer]:
    if workload.name not in _peers:
        _peers[workload.name] = peers(workload.name, workload.wire)
    return _peers[workload.name]


def check_holes(workload: Workload) -> None:
    """A load writes its record and not one byte more."""
    record = workload.record.data
    for name in ENGINES:
        memory = bytearray(b"\xa5") * (len(record) + 4096)
        result = get(name).load(workload.program.flat, workload.wire, memory)
        assert not result.code and result.used == len(record)
        assert memory[: result.used] == record and set(memory[result.used :]) == {0xA5}


def once(record: Record, engine: str) -> bytes:
    record.bound = None
    return record.program.save(record, engine)


def saves(workload: Workload) -> Calls:
    calls: dict[str, Callable[[], object]] = {name: workload.saver(name) for name in ENGINES}
    for label, name in BOUND.items():
        output = bytearray(len(workload.wire))
        calls[label] = workload.program.bind_save(workload.record.copy(), output, name)
        assert calls[label]() == len(output) and output == workload.wire
    for label, name in ONCE.items():
        calls[label] = partial(once, workload.record.copy(), name)
        assert calls[label]() == workload.wire
    return {**calls, **{label: peer.save for label, peer in peers_of(workload).items()}}


def loads(workload: Workload) -> Calls:
    check_holes(workload)
    calls: dict[str, Callable[[], object]] = {name: workload.loader(name) for name in ENGINES}
    for label, name in BOUND.items():
        record = workload.record.copy()
        record.data[:] = bytes(len(record.data))
        calls[label] = workload.program.bind_load(workload.wire, record, name)
        assert calls[label]() == len(record.data) and record.data == workload.record.data
    return {**calls, **{label: peer.load for label, peer in peers_of(workload).items()}}


@pytest.mark.parametrize(
    ("direction", "candidate"),
    [("save", label) for label in CANDIDATES] + [("load", label) for label in CANDIDATES if label not in ONCE],
)
@pytest.mark.parametrize("name", list(WORKLOADS))
def test_device_state(
    measured: Callable[[Any, str], None], contest: Callable[..., Any], name: str, direction: str, candidate: str
) -> None:
    workload = WORKLOADS[name]()
    build = partial(saves if direction == "save" else loads, workload)
    measured(contest(f"{name} {direction}", build, (*ENGINES, *BOUND)), candidate)
