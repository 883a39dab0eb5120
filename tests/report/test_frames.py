"""Which frames went at the end, and what made a state go whole."""

from __future__ import annotations

from runs import delta_run, stock_run

from vnetmig.report import text
from vnetmig.report.frames import frame_blocks, frames_of

RUNS = {
    "stock": [stock_run(1)],
    "early": [
        delta_run(1, form="RESYNC", changed=("vq[0].last_avail_idx", "vq[1].last_avail_idx", "isr")),
        delta_run(1, form="FULL_STATE", changed=("vq[0].last_avail_idx", "curr_queue_pairs", "vlans[3]"), resends=2),
        delta_run(1, form="FULL_STATE", changed=("curr_queue_pairs",)),
    ],
}


def test_counts() -> None:
    (found,) = frames_of(RUNS).values()
    assert found.forms == {"RESYNC": 1, "FULL_STATE": 2} and found.resends == [0, 2, 0]
    assert found.changed["vq[*].last_avail_idx"] == 2, "in so many runs, not so many queues"
    assert found.forced.most_common() == [("curr_queue_pairs", 2), ("vlans[*]", 1)]


def test_text() -> None:
    shown = list(text.plain(frame_blocks(RUNS)))
    assert any(line.split() == ["early", "1", "2", "0.7", "2"] for line in shown)
    assert any("made it go whole: curr_queue_pairs (2), vlans[*] (1)" in line for line in shown)
    assert not list(frame_blocks({"stock": RUNS["stock"]}))


def test_nothing_changed() -> None:
    shown = list(text.plain(frame_blocks({"early": [delta_run(1, changed=())]})))
    assert not any("fields of these devices" in line for line in shown)
