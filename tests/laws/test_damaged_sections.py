"""Law: a section with any one bit flipped, or cut anywhere, is refused in so many words or is another valid section.

A part of the sweep; ``tools/sweep.py`` goes everywhere.
"""

from __future__ import annotations

from typing import Any

import pytest
from agreement import both_engines
from damaged_sections import LEGACY, MODERN, damaged, damages, name_of, sweep
from real_streams import COMPLETE, Sample, sample

from vnetmig.engine import engines
from vnetmig.vmstate import Loaded, Program, Record

EVERY = {LEGACY: 3, MODERN: 211}
"""One damage of so many; odd to eight, every bit of a byte is met somewhere."""


def part(which: tuple[str, str], found: Sample) -> range:
    every = damages(len(found.payload))
    return every if COMPLETE else every[:: EVERY[which]]


@pytest.mark.parametrize("which", [LEGACY, MODERN], ids=["legacy", "modern"])
def test_any_flipped_bit_and_any_cut_is_refused_or_valid_and_the_same_everywhere(which: tuple[str, str]) -> None:
    found = sample(*which)
    numbers = part(which, found)
    codes, faults = sweep(found, numbers, engines())
    assert not faults, "\n".join(faults[:10])
    assert sum(codes.values()) == len(numbers)
    assert {"whole", "truncated", "subsection"} <= set(codes)


def test_a_damage_is_one_bit_or_one_cut_and_each_comes_once() -> None:
    payload = bytes(range(40))
    made = [damaged(payload, number) for number in damages(len(payload))]
    assert len(set(made)) == len(made) == 9 * 40
    bits = [int.from_bytes(data, "big") ^ int.from_bytes(payload, "big") for data in made[: 8 * 40]]
    assert all(changed.bit_count() == 1 for changed in bits)
    assert made[8 * 40 :] == [payload[:size] for size in range(40)]
    assert name_of(13, 40) == "bit 5 of byte 1 flipped"
    assert name_of(8 * 40 + 7, 40) == "the first 7 bytes"


class Broken(Program):
    """Reads legacy sections, but not quite."""

    def __init__(self, sound: Program, fault: str) -> None:
        super().__init__(sound.vmsd, sound.params, sound.version)
        self.fault = fault

    def load(self, data: Any, *, engine: str | None = None) -> Loaded:
        loaded = super().load(data, engine=engine)
        if self.fault == "raises" and loaded.error is not None:
            raise KeyError(loaded.error.field)
        if self.fault == "offset" and loaded.error is not None:
            loaded.error.offset += len(data) + 1
        if self.fault == "one engine" and engine == engines()[-1]:
            loaded.needs += 1
        return loaded

    def save(self, record: Record, engine: str | None = None) -> bytes:
        data = super().save(record, engine)
        return data[:-1] + bytes((data[-1] ^ 1,)) if self.fault == "save" else data


FAULTS = [
    ("raises", "KeyError"),
    ("offset", "outside of the bytes"),
    ("save", "saves other bytes"),
    pytest.param("one engine", "differ in", marks=both_engines),
]


@pytest.mark.parametrize(("fault", "text"), FAULTS)
def test_a_sweep_finds(fault: str, text: str) -> None:
    found = sample(*LEGACY)
    wrong = found._replace(program=Broken(found.program, fault))
    codes, faults = sweep(wrong, damages(len(found.payload))[::997], engines())
    assert codes["fault"] == len(faults) > 0
    assert all(text in line for line in faults)
