"""Deltas against what people would use instead, in time and in bytes; what has to be read at all is the floor."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

import pytest
from delta_peers import DELTA_PEERS, DeltaPeer, delta_peers

from vnetmig.document.workload import section
from vnetmig.engine import engines, get
from vnetmig.vmstate.changes import changed_fields
from vnetmig.vmstate.delta import apply_delta, bind_delta, make_delta

ENGINES = engines()
BOUND = {f"{name}-bound": name for name in ENGINES if get(name).CALLS_COST}
"""Calls without arguments: ``bind_delta``."""
SIZE = 1 << 20
CLUSTER = 524


class Case(NamedTuple):
    base: bytes
    target: bytes
    changed: int


def _case(places: list[int]) -> Case:
    some = random.Random(2)
    base = some.randbytes(SIZE)
    target = bytearray(base)
    for at in places:
        target[at] ^= some.randrange(1, 256)
    return Case(base, bytes(target), len(places))


@lru_cache(maxsize=1)
def clustered() -> Case:
    """1 %, in twenty runs."""
    starts = random.Random(1).sample(range(0, SIZE - CLUSTER, 2 * CLUSTER), SIZE // 100 // CLUSTER)
    return _case([at for start in starts for at in range(start, start + CLUSTER)])


@lru_cache(maxsize=2)
def scattered(percent: int) -> Case:
    return _case(random.Random(1).sample(range(SIZE), SIZE * percent // 100))


@lru_cache(maxsize=1)
def ring_indices() -> Case:
    """The virtio-net section of the sample after its eight data queues moved on."""
    workload = section()
    record = workload.record.copy()
    for queue in range(8):
        path = f"vq[{queue}].last_avail_idx"
        record[path] = (workload.record[path] + 259) & 0xFFFF
    target = record.save()
    return Case(workload.wire, target, sum(old != now for old, now in zip(workload.wire, target, strict=True)))


CASES: dict[str, tuple[Callable[[], Case], float | None]] = {
    "1 MiB, 1 % clustered": (clustered, 1.05),
    "1 MiB, 1 % scattered": (partial(scattered, 1), None),
    "1 MiB, 10 % scattered": (partial(scattered, 10), 2.9),
    "46 KB section, 8 ring indices": (ring_indices, None),
}
"""What changes, and the most bytes that each changed byte may cost."""


@lru_cache(maxsize=1)
def candidates() -> dict[str, DeltaPeer]:
    ours = {name: DeltaPeer(partial(make_delta, engine=name), partial(apply_delta, engine=name)) for name in ENGINES}
    return {**ours, **delta_peers()}


@lru_cache(maxsize=len(CASES))
def deltas(name: str) -> dict[str, bytes]:
    """The delta of each candidate, each tried, and those of the engines the same."""
    case = CASES[name][0]()
    found = {label: candidate.make(case.base, case.target) for label, candidate in candidates().items()}
    for label, candidate in candidates().items():
        assert candidate.apply(case.base, found[label]) == case.target, label
    assert len({found[label] for label in ENGINES}) == 1
    return found


def makes(name: str) -> Mapping[str, Callable[[], object]]:
    case = CASES[name][0]()
    again = bytes(bytearray(case.base))
    calls: dict[str, Callable[[], object]] = {
        label: partial(candidates()[label].make, case.base, case.target) for label in deltas(name)
    }
    for label, engine in BOUND.items():
        output = bytearray(2 * SIZE)
        bound = bind_delta(case.base, case.target, output, engine=engine)
        assert output[: bound()] == deltas(name)[engine]
        calls[label] = bound
    return {**calls, "memcmp": partial(case.base.__eq__, again)}


def applies(name: str) -> Mapping[str, Callable[[], object]]:
    case = CASES[name][0]()
    memory = bytearray(case.base)
    calls = {label: partial(candidates()[label].apply, case.base, delta) for label, delta in deltas(name).items()}
    return {**calls, "memcpy": lambda: bytes(memory)}


@pytest.mark.parametrize("candidate", [*ENGINES, *BOUND, *DELTA_PEERS, "memcmp"])
@pytest.mark.parametrize("name", list(CASES))
def test_make(
    measured: Callable[[Any, str], None], contest: Callable[..., Any], benchmark: Any, name: str, candidate: str
) -> None:
    found = contest(f"delta of {name}: make", partial(makes, name), ("memcmp", *ENGINES))
    if candidate in deltas(name):
        changed, size = CASES[name][0]().changed, len(deltas(name)[candidate])
        benchmark.extra_info["bytes_per_changed_byte"] = round(size / changed, 3)
        found.notes[candidate] = f"{size} bytes, {size / changed:.2f} per changed byte"
        most = CASES[name][1]
        assert candidate not in ENGINES or most is None or size <= most * changed
    measured(found, candidate)


@pytest.mark.parametrize("candidate", [*ENGINES, *DELTA_PEERS, "memcpy"])
@pytest.mark.parametrize("name", list(CASES))
def test_apply(measured: Callable[[Any, str], None], contest: Callable[..., Any], name: str, candidate: str) -> None:
    measured(contest(f"delta of {name}: apply", partial(applies, name), ("memcpy", *ENGINES)), candidate)


@pytest.mark.parametrize("candidate", ["changed_fields", "all-fields"])
def test_changed_fields(measured: Callable[[Any, str], None], contest: Callable[..., Any], candidate: str) -> None:
    """The names of what changed, against all fields of both sides compared."""
    before = section().record
    after = section().program.load(ring_indices().target).record

    def all_fields() -> list[str]:
        old, now = before.fields().leaves(), after.fields().leaves()
        return [path for (path, was), (_, is_now) in zip(old, now, strict=True) if was.value != is_now.value]

    assert [change.path for change in changed_fields(before, after)] == all_fields()
    calls = {"changed_fields": partial(changed_fields, before, after), "all-fields": all_fields}
    measured(contest("names of 8 ring indices", lambda: calls, ("changed_fields",)), candidate)
