"""Features set in every place of a virtio record that repeats them, or nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.errors import FieldError
from vnetmig.virtio.accepted_features import WORDS, set_guest_features
from vnetmig.virtio.rings import guest_features
from vnetmig.virtio.section import program
from vnetmig.vmstate import Record


def record(*subsections: str) -> Record:
    params = {"config_size": 256, "mmio": 0, "multiqueue": 0, "vectors": 3}
    made = program("virtio-net", 11, tuple(sorted(params.items()))).new_record()
    for name in ("extra_state", "extra_state.pci.modern_state", *subsections):
        made.add(name)
    return made


@given(st.integers(0, (1 << 128) - 1))
def test_all_places_say_the_same(bits: int) -> None:
    made = record("64bit_features", "128bit_features", "extra_state.pci.modern_state.features128")
    set_guest_features(made, bits)
    assert guest_features(made) == bits
    for path, (first, width) in WORDS.items():
        assert made[path] == bits >> first & (1 << width) - 1


def test_a_place_that_is_not_there_is_passed_by() -> None:
    made = record("64bit_features")
    set_guest_features(made, 1 << 54 | 1)
    assert guest_features(made) == 1 << 54 | 1
    assert made["extra_state.pci.modern_state.guest_features"] == (1, 1 << 22)


@pytest.mark.parametrize(
    ("bits", "message"),
    [(1 << 32, "add it first"), (1 << 64, "128bit_features"), (-1, "bits 0 to 127"), (1 << 128, "bits 0 to 127")],
)
def test_a_bit_without_a_place_changes_nothing(bits: int, message: str) -> None:
    made = record()
    set_guest_features(made, 7)
    with pytest.raises(FieldError, match=message):
        set_guest_features(made, bits)
    assert guest_features(made) == 7
