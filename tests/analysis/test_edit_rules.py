"""What must hold in a virtio section: every real capture keeps all of it, and each rule finds what breaks it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from real_streams import committed, document, every_capture

from vnetmig.analysis.edit_names import virtio_kind
from vnetmig.analysis.edit_rules import broken_rules, lost_by_dropping
from vnetmig.vmstate import Record


@every_capture
def test_a_real_device_breaks_no_rule(folder: Path) -> None:
    stream = document(folder)
    for section in stream.sections:
        device = section.device
        if device is not None and virtio_kind(device):
            assert not broken_rules(virtio_kind(device), device.record), section.idstr


def _resized(record: Record, path: str, count: int) -> None:
    record.resize(path, count)


BREAKS: dict[str, tuple[Callable[[Record], object], str]] = {
    "queue_sel": (lambda r: r.__setitem__("queue_sel", 1024), "1024 queues at most"),
    "ring": (lambda r: r.__setitem__("vq[5].num", 1025), "vq[5].num: a ring has 1024"),
    "no ring": (lambda r: r.__setitem__("vq[2].num", 0), "vq[2].num: QEMU aborts"),
    "vector": (lambda r: r.__setitem__("config_vector", 10), "config_vector: there are 10 vectors"),
    "virtqueues": (lambda r: r.drop("virtqueues"), "VIRTIO_F_VERSION_1: that needs the subsection virtqueues"),
    "low word": (lambda r: r.__setitem__("guest_features_low", 1), "set guest_features"),
    "mergeable": (lambda r: r.__setitem__("mergeable_rx_bufs", 0), "1 follows from VIRTIO_NET_F_MRG_RXBUF"),
    "offloads": (lambda r: r.__setitem__("curr_guest_offloads", 1 << 54), "not accepted VIRTIO_NET_F_GUEST_USO4"),
    "pairs": (lambda r: r.__setitem__("max_queue_pairs", 1), "curr_queue_pairs 4 > max_queue_pairs 1"),
    "no pair": (lambda r: r.__setitem__("curr_queue_pairs", 0), "one pair at least"),
    "queues": (lambda r: _resized(r, "vq", 7), "4 pairs need 9 queues, there are 7"),
    "few queues": (lambda r: _resized(r, "vq", 1), "3 queues at least"),
    "macs": (lambda r: _resized(r, "mac_table.macs", 65), "more than 64 addresses"),
    "order": (lambda r: r.__setitem__("mac_table.macs[2]", "02:00:00:00:00:01"), "in front of the multicast"),
}


@pytest.mark.parametrize("name", list(BREAKS))
def test_each_rule_finds_what_breaks_it(name: str) -> None:
    (net,) = document(committed("linux-tap-4q-load-q72")).nets()
    change, words = BREAKS[name]
    change(net.record)
    assert any(words in reason for reason in broken_rules("virtio-net", net.record))


@pytest.mark.parametrize("length", [0, 3, 256])
def test_an_indirection_table(length: int) -> None:
    (net,) = document(committed("linux-tap-4q-rss-q100")).nets()
    net.record.resize("rss.indirections_table", length)
    assert any("a power of two" in reason for reason in broken_rules("virtio-net", net.record))


def test_what_is_lost_with_a_subsection() -> None:
    (net,) = document(committed("linux-tap-4q-load-q72")).nets()
    lost = lost_by_dropping("virtio-net", net.record, "64bit_features")
    assert lost is not None and "VIRTIO_F_VERSION_1" in lost
    assert lost_by_dropping("virtio-net", net.record, "started") is None
    assert lost_by_dropping("virtio-net", net.record, "extra_state.pci.modern_state") is not None
    (legacy,) = document(committed("linux-user-legacy-q72")).nets()
    assert lost_by_dropping("virtio-net", legacy.record, "64bit_features") is None
    assert lost_by_dropping("virtio-net", legacy.record, "extra_state") is None
