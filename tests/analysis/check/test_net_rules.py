"""virtio-net's own state: one value altered, and what real QEMUs did with it."""

from __future__ import annotations

import pytest
from altered import judged, put, refusals, valid

ASSERTED = "{}: Assertion `old_num_queues {}' failed."
RSS = "virtio-net: saved image has invalid RSS indirections_len: {}"


@pytest.mark.parametrize(
    ("qemu", "verdict"), [("q72", "QEMU would crash"), ("q100", "QEMU would crash"), ("qbpo", "refused")]
)
def test_no_queue_at_all(qemu: str, verdict: str, engine: str) -> None:
    """Releases that make the queues anew for the number that comes die; others read on, out of step."""
    assert judged("1q", qemu, put("1q", qemu, "num_queues", bytes(4)), engine).verdict == verdict


@pytest.mark.parametrize("qemu", ["q72", "q111"])
def test_as_many_queues_as_there_may_be_leave_none_for_control(qemu: str, engine: str) -> None:
    found = judged("1q", qemu, put("1q", qemu, "num_queues", (0x400).to_bytes(4, "big")), engine)
    assert (found.verdict, found[0].rule) == ("QEMU would crash", "queue-count")


@pytest.mark.parametrize("count", [0x401, 0x10000, 0xFFFFFFFF])
def test_more_queues_than_there_may_be(count: int, engine: str) -> None:
    data = put("1q", "q72", "num_queues", count.to_bytes(4, "big"))
    assert refusals("1q", "q72", data, engine) == [("num-queues", f"Invalid number of virtqueues: {count:#x}")]


@pytest.mark.parametrize(
    ("machine", "qemu", "queue", "function", "condition"),
    [
        ("1q", "q72", 0, "virtio_net_change_num_queues", ">= 3"),
        ("4q", "q72", 4, "virtio_net_change_num_queues", "% 2 == 1"),
        ("4q", "qbpo", 4, "virtio_net_change_num_queue_pairs", "% 2 == 1"),
        ("4q", "q100", 4, "virtio_net_change_num_queues", "% 2 == 1"),
        ("4q", "q111", 8, "virtio_net_change_num_queues", "% 2 == 1"),
    ],
)
def test_a_queue_of_no_entries(machine: str, qemu: str, queue: int, function: str, condition: str, engine: str) -> None:
    data = put(machine, qemu, f"vq[{queue}].num", bytes(4))
    assert refusals(machine, qemu, data, engine)[0] == ("queue-size-zero", ASSERTED.format(function, condition))


@pytest.mark.parametrize(("qemu", "length"), [("q100", 0), ("q100", 3), ("q111", 0), ("q111", 129), ("q111", 32767)])
def test_the_length_of_a_steering_table(qemu: str, length: int, engine: str) -> None:
    data = put("rss", qemu, "rss.indirections_len", length.to_bytes(2, "big"))
    assert refusals("rss", qemu, data, engine)[0] == ("rss-table", RSS.format(length))


def test_the_lines_around_it_since_10_2() -> None:
    found = judged("rss", "q111", put("rss", "q111", "rss.indirections_len", b"\0\3"))[0]
    assert found.chain[0] == (
        "Loading VM subsection 'virtio-net-device/rss' in 'virtio-net-device' failed: post load hook failed for: "
        "virtio-net-device/rss, version_id: 2, minimum_version: 1, ret: -22"
    )


@pytest.mark.parametrize("qemu", ["q52", "q72", "qbpo"])
def test_another_number_of_pairs(qemu: str, engine: str) -> None:
    data = put("4q", qemu, "max_queue_pairs", b"\0\2")
    assert refusals("4q", qemu, data, engine) == [("max-queue-pairs", "4 != 2")]


@pytest.mark.parametrize("qemu", ["q72", "q100"])
def test_a_queue_whose_feature_is_gone_has_no_entries_and_an_address(qemu: str) -> None:
    """Without MQ the loader takes all queues but three away; those of a modern driver keep their addresses."""
    data = put("4q", qemu, "64bit_features.guest_features", (1 << 32).to_bytes(8, "big"))
    assert judged("4q", qemu, data).verdict == "QEMU would crash"


@pytest.mark.parametrize(("machine", "qemu"), [("4q", "q72"), ("rss", "q111")])
def test_a_valid_one(machine: str, qemu: str, engine: str) -> None:
    assert refusals(machine, qemu, valid(machine, qemu).data, engine) == []
