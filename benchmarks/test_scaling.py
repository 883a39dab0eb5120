"""How the cost of a save grows with devices and with queue pairs: both engines beside what people would write."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from scaling import CURVES

SLOTS = 5
"""Few: there are many contests. Figures to keep are tools/measure_goals.py's."""


@pytest.mark.parametrize(
    ("what", "many", "candidate"),
    [(what, many, candidate) for what, (steps, _, names) in CURVES.items() for many in steps for candidate in names],
)
def test_growth(
    measured: Callable[[Any, str], None], contest: Callable[..., Any], what: str, many: int, candidate: str
) -> None:
    _, calls_of, (reference, *_) = CURVES[what]
    measured(contest(f"save {many:,} {what}", partial(calls_of, many), (reference,), SLOTS), candidate)
