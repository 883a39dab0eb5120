"""Rings, as the engines are asked for them: the bounds of a call."""

from __future__ import annotations

import pytest

from vnetmig.engine import get
from vnetmig.engine.rings import MAX_QUEUES, RingQueue


class Many(list[RingQueue]):
    """More than fit into memory."""

    def __len__(self) -> int:
        return MAX_QUEUES + 1


def test_there_is_a_limit_to_the_queues_of_a_call(engine: str) -> None:
    assert get(engine).rings([]) == ()
    with pytest.raises(ValueError, match=f"more than {MAX_QUEUES} queues"):
        get(engine).rings(Many())
