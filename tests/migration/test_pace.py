"""Bandwidth."""

from __future__ import annotations

import pytest

from vnetmig.migration import pace


def test_nothing_may_be_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(pace.time, "sleep", slept.append)
    monkeypatch.setattr(pace.time, "monotonic", lambda: 5.0)
    held = pace.Pace(1000)
    held.wait(0)
    assert slept == []
    held.wait(500)
    assert slept == [0.5]
