"""Law: the engines agree on descriptions that nobody wrote and bytes that nobody sent, and mean what they say."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from agreement import agree, both_engines
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from invented import damaged, descriptions, fitting
from real_streams import COMPLETE
from reference import Leaf, Refused, Wire, leaves
from value_bytes import value_bytes

from vnetmig.engine.code import Code
from vnetmig.vmstate import Program, Vmsd

DESCRIPTIONS = 5_000 if COMPLETE else 220
INPUTS = 50
"""Byte strings tried on each description."""

CASES: Counter[str] = Counter()
RAN: set[str] = set()

sweep = settings(
    max_examples=DESCRIPTIONS,
    derandomize=not COMPLETE,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def meaning(vmsd: Vmsd, data: bytes) -> tuple[Code, list[Leaf], int]:
    """What the description says of these bytes: verdict, leaves read so far, bytes taken."""
    found: list[Leaf] = []
    source = Wire(data)
    try:
        found.extend(leaves(vmsd, source))
    except Refused as refusal:
        return refusal.code, found, source.at
    return Code.OK, found, source.at


def check(vmsd: Vmsd, program: Program, data: bytes) -> Code:
    result = agree(program, data)
    code, expected, taken = meaning(vmsd, data)
    if result.code == Code.TRUNCATED:
        # An engine refuses a count for which the bytes cannot suffice before it looks at the elements.
        assert code != Code.OK
        return Code.TRUNCATED
    assert (result.code, result.position if code == Code.OK else 0) == (code, taken if code == Code.OK else 0)
    if code == Code.OK:
        found = list(program.load(data).record.fields().leaves())
        assert [(path, field.offset, field.size) for path, field in found] == [
            (path, offset, len(piece)) for path, offset, piece in expected
        ]
        for (_, field), (_, _, piece) in zip(found, expected, strict=True):
            assert value_bytes(field, piece) == piece
    return code


@both_engines
@sweep
@given(descriptions(), st.integers(0, 1 << 32))
def test_invented_descriptions_on_invented_bytes(vmsd: Vmsd, seed: int) -> None:
    RAN.add("fitting and damaged")
    program = Program(vmsd)
    rng = random.Random(seed)
    for number in range(INPUTS):
        data = fitting(vmsd, rng)
        if data is None:
            continue
        if number % 3:
            data = damaged(vmsd, data, rng)
        CASES[check(vmsd, program, data).name] += 1


@both_engines
@settings(sweep, max_examples=DESCRIPTIONS // 4)
@given(descriptions(), st.integers(0, 1 << 32))
def test_invented_descriptions_on_any_bytes(vmsd: Vmsd, seed: int) -> None:
    RAN.add("any bytes")
    program = Program(vmsd)
    rng = random.Random(seed)
    for _ in range(INPUTS):
        CASES[check(vmsd, program, rng.randbytes(rng.randrange(120))).name] += 1


SWEEPS = {
    "fitting and damaged": test_invented_descriptions_on_invented_bytes,
    "any bytes": test_invented_descriptions_on_any_bytes,
}


@both_engines
def test_the_sweep_met_every_verdict_often_enough(capsys: pytest.CaptureFixture[str]) -> None:
    for name, run in SWEEPS.items():  # where tests are spread over processes, another one may have run them
        if name not in RAN:
            run()
    with capsys.disabled():
        print(f"\n{CASES.total()} inputs for invented descriptions, by verdict: {dict(CASES)}")
    assert CASES.total() >= 10_000
    wanted = {"OK", "TRUNCATED", "LIMIT", "UNKNOWN_SUBSECTION", "TOO_NEW", "TOO_OLD", "CHECK"}
    assert set(CASES) == wanted
    assert min(CASES.values()) >= 20
