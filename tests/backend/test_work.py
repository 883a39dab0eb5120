"""The work list: complete, in an order that works, and its differences lead from anywhere to anywhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.backend.work import (
    QUEUE_PAIRS_MAX,
    VNET_HEADER_SIZES,
    Key,
    Kind,
    NetWork,
    Offload,
    WorkItem,
    acceptable,
    carry,
    differences,
    work_items,
)
from vnetmig.errors import FieldError

FOUR = NetWork(queue_pairs=4, enabled_pairs=2, vnet_header_size=12, offloads=Offload.CSUM | Offload.TSO4)


@st.composite
def works(draw: st.DrawFn, pairs: int = 5) -> NetWork:
    count = draw(st.integers(1, pairs))
    return NetWork(
        count,
        draw(st.integers(0, count)),
        draw(st.sampled_from(sorted(VNET_HEADER_SIZES))),
        draw(st.sampled_from(("little", "big"))),
        Offload(draw(st.integers(0, 0x1FF))),
    )


def short(items: tuple[WorkItem, ...]) -> list[tuple[str, int, object]]:
    return [(item.kind.name, item.pair, item.value) for item in items]


def test_all_the_work_in_order() -> None:
    assert short(work_items(FOUR)) == [
        *(("OPEN", pair, True) for pair in range(4)),
        *(("VNET_HEADER_SIZE", pair, 12) for pair in range(4)),
        *(("VNET_HEADER_ORDER", pair, "little") for pair in range(4)),
        ("OFFLOADS", 0, Offload.CSUM | Offload.TSO4),
        ("ENABLE", 0, True),
        ("ENABLE", 1, True),
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({"enabled_pairs": 0}, {}, [("ENABLE", 0, True), ("ENABLE", 1, True)]),
        ({}, {"enabled_pairs": 1}, [("ENABLE", 1, False)]),
        ({}, {"enabled_pairs": 4}, [("ENABLE", 2, True), ("ENABLE", 3, True)]),
        ({}, {"offloads": Offload.NONE}, [("OFFLOADS", 0, Offload.NONE)]),
        ({"offloads": Offload.CSUM}, {"offloads": Offload.CSUM | Offload.USO4}, []),  # USO4 alone counts for nothing
        ({}, {"vnet_header_size": 20}, [("VNET_HEADER_SIZE", pair, 20) for pair in range(4)]),
        ({}, {"vnet_header_order": "big"}, [("VNET_HEADER_ORDER", pair, "big") for pair in range(4)]),
        (
            {},
            {"queue_pairs": 5},
            [("OPEN", 4, True), ("VNET_HEADER_SIZE", 4, 12), ("VNET_HEADER_ORDER", 4, "little")],
        ),
        ({}, {"queue_pairs": 2}, [("OPEN", 3, False), ("OPEN", 2, False)]),
        # A pair that is closed is not disabled first, and closing comes last.
        (
            {"enabled_pairs": 4, "offloads": Offload.NONE},
            {"queue_pairs": 2},
            [("OFFLOADS", 0, Offload.CSUM | Offload.TSO4), ("OPEN", 3, False), ("OPEN", 2, False)],
        ),
        (
            {},
            {"enabled_pairs": 0, "offloads": Offload.NONE},
            [("ENABLE", 0, False), ("ENABLE", 1, False), ("OFFLOADS", 0, Offload.NONE)],
        ),
    ],
)
def test_differences(before: dict[str, object], after: dict[str, object], expected: list[object]) -> None:
    done, wanted = (work_items(replace(FOUR, **changes)) for changes in (before, after))  # type: ignore[arg-type]
    assert short(differences(done, wanted)) == expected


def test_from_nothing_and_to_nothing() -> None:
    assert differences((), work_items(FOUR)) == work_items(FOUR)
    assert short(differences(work_items(FOUR), ())) == [("OPEN", pair, False) for pair in (3, 2, 1, 0)]


@given(works(), works())
def test_differences_lead_there_and_repeat_nothing(one: NetWork, other: NetWork) -> None:
    done: dict[Key, WorkItem] = {item.key: item for item in work_items(one)}
    for item in differences(done.values(), work_items(other)):
        assert done.get(item.key) != item
        if item.kind is not Kind.OPEN:
            assert (Kind.OPEN, item.pair) in done  # nothing is asked of a pair that is not open
        carry(done, item)
    assert set(done.values()) == set(work_items(other))
    assert not differences(done.values(), work_items(other))


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (Offload.TSO4 | Offload.USO4 | Offload.USO6, Offload.NONE),  # nothing without CSUM
        (Offload.CSUM | Offload.TSO_ECN, Offload.CSUM),
        (Offload.CSUM | Offload.TSO6 | Offload.TSO_ECN, Offload.CSUM | Offload.TSO6 | Offload.TSO_ECN),
        (Offload.CSUM | Offload.USO6, Offload.CSUM),
        (Offload.CSUM | Offload.USO4 | Offload.USO6, Offload.CSUM | Offload.USO4 | Offload.USO6),
        (Offload.CSUM | Offload.UDP_TUNNEL_GSO, Offload.CSUM),
        (Offload.CSUM | Offload.TSO4 | Offload.UDP_TUNNEL_GSO_CSUM, Offload.CSUM | Offload.TSO4),
        (Offload.CSUM | Offload.USO4 | Offload.UDP_TUNNEL_GSO, Offload.CSUM),
    ],
)
def test_offloads_that_cannot_stand_alone(asked: Offload, given: Offload) -> None:
    assert acceptable(asked) == given


@given(st.integers(0, 0x1FF).map(Offload))
def test_acceptable_offloads_stay(offloads: Offload) -> None:
    once = acceptable(offloads)
    assert acceptable(once) == once
    assert once & offloads == once


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"queue_pairs": 0}, "queue_pairs: expected 1 to 32768, got 0"),
        ({"queue_pairs": QUEUE_PAIRS_MAX + 1}, "queue_pairs: expected 1 to 32768, got 32769"),
        ({"enabled_pairs": 2}, "enabled_pairs: expected 0 to 1, got 2"),
        ({"enabled_pairs": -1}, "enabled_pairs: expected 0 to 1, got -1"),
        ({"vnet_header_size": 11}, "vnet_header_size: expected one of 10, 12, 20, 24, got 11"),
    ],
)
def test_impossible_work(values: dict[str, int], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        NetWork(**values)  # type: ignore[arg-type]
    assert str(caught.value) == message
