"""What virtio_load checks of any virtio device, in load order.

Source: qemu: hw/virtio/virtio.c:virtio_load, hw/virtio/virtio-pci.c:virtio_pci_load_queue.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from vnetmig.analysis.check import net_rules
from vnetmig.analysis.check.arriving import Arriving
from vnetmig.analysis.check.pci_rules import NO_VECTOR
from vnetmig.analysis.check.trouble import Frame, Trouble
from vnetmig.analysis.check.wire_names import frames_of
from vnetmig.analysis.finding import Severity
from vnetmig.virtio import features
from vnetmig.virtio.core import QUEUE_MAX
from vnetmig.vmstate.table import Part, below

SIZE_CHECKED = "11.1"
"""Since this release a queue may not be larger than the destination made it."""

WHAT_IS_LEFT = "10.2"
"""Since then the message shows the accepted features without those that are refused."""

HANGS_FROM = 1 << 28
"""Config bytes that do not exist are read one by one; from here on that takes longer than anybody waits."""

LENGTH_CHECKED = "10.0.3"
"""Since then a stream that ends ends the reading of config bytes."""


def queue_sel(state: Arriving) -> Iterator[Trouble]:
    found = state.number("queue_sel")
    if found is not None and found >= QUEUE_MAX:
        yield Trouble("queue-sel", {"value": found, "most": QUEUE_MAX - 1}, "queue_sel", code=errno.EPERM)


def queues(state: Arriving) -> Iterator[Trouble]:
    """Of each queue as it is read: its size, an address where it has an index, its vector."""
    columns = state.queues
    vectors = state.record.program.params.get("vectors", 0)
    came = len(columns.get("num", ()))
    made = net_rules.made_for(came) if state.kind == "virtio-net" else came
    has_limit = state.release.since(SIZE_CHECKED)
    for index, (num, desc, last) in enumerate(
        zip(columns.get("num", ()), columns.get("desc", ()), columns.get("last_avail_idx", ()), strict=True)
    ):
        most = state.there.queue_size(index, made) if has_limit else None
        if most is not None and num > most:
            values = {"index": index, "num": num, "max": most}
            yield Trouble("queue-too-large", values, f"vq[{index}].num")
            return
        if not desc and last:
            yield Trouble(
                "queue-address", {"index": index, "last": last}, f"vq[{index}].last_avail_idx", code=errno.EPERM
            )
            return
        vector = columns["vector"][index] if vectors else NO_VECTOR
        if vector != NO_VECTOR and vector >= vectors:
            yield Trouble("vector", {"vector": vector, "vectors": vectors}, f"vq[{index}].vector")
            return


def features_offered(state: Arriving) -> Iterator[Trouble]:
    """What the driver accepted must be offered here."""
    offered = state.there.host_features
    guest = state.guest_features
    if offered is None or not guest & ~offered:
        return
    if not offered >> 32:
        guest &= 0xFFFFFFFF  # qemu: virtio_64bit_features_needed: only the word beside the status counts
        guest = state.number("guest_features_low") or 0
        if not guest & ~offered:
            return
    missing = guest & ~offered
    settings = [
        f"{one.name.removeprefix('VIRTIO_NET_F_').removeprefix('VIRTIO_F_')}"
        + (f" ({one.setting(True)})" if one.property else "")
        for one in features.features_in(state.kind, missing)
    ]
    path = "64bit_features.guest_features" if "64bit_features" in state.parts else "guest_features_low"
    if missing >> 64:
        path = "128bit_features.guest_features_high"
    yield Trouble(
        "features-unsupported",
        {"guest": guest & offered if state.release.since(WHAT_IS_LEFT) else guest, "host": offered},
        path,
        code=errno.EPERM,
        hint="the destination does not offer " + ", ".join(settings),
    )


def lost_features(state: Arriving) -> Iterator[Trouble]:
    """Without its 64bit_features a modern driver's state is taken for a legacy one's."""
    offered = state.there.host_features
    if offered is None or not offered >> 32 or "64bit_features" in state.parts:
        return
    if "virtqueues" in state.parts and (state.number("gfselect", "extra_state") or 0) == 0:
        driver = state.record.get("extra_state.pci.modern_state.guest_features[1]")
        if isinstance(driver, int) and driver & 1:
            yield Trouble(
                "device-broken",
                {},
                "extra_state.pci.modern_state.guest_features[1]",
                severity=Severity.BROKEN,
                words="the driver accepted VIRTIO_F_VERSION_1, and virtio/64bit_features, which says so, is gone",
            )


def config_length(state: Arriving) -> Iterator[Trouble]:
    """More config bytes than any device has."""
    found = state.claimed.get("config", 0)
    if found < HANGS_FROM or state.release.since(LENGTH_CHECKED):
        return
    yield Trouble(
        "config-len",
        {"length": found},
        "config_len",
        severity=Severity.HANG,
        words=f"QEMU reads {found:#x} config bytes one by one, behind the end of the stream too",
    )


#   subsection of ours                            its vmsd, its parent's                          since
_NEWER = (
    ("128bit_features", "virtio/128bit_features", "virtio", "10.2"),
    ("backend", "virtio-net-device/backend", "virtio-net-device", "10.0"),
)
_FEATURES_128 = "extra_state.pci.modern_state.features128"


def newer_subsections(state: Arriving) -> Iterator[Trouble]:
    """Subsections, and versions of them, that came with a later QEMU than the destination's."""
    for path, name, parent, since in _NEWER:
        if path in state.parts and not state.release.since(since):
            yield _unknown(name, parent, path)
    if state.release.since("10.2"):
        return
    if "features128" in _of_modern_state(state):
        frames = frames_of("extra_state.pci", state.release)
        yield _unknown("virtio_pci/modern_state/features128", "virtio_pci/modern_state", _FEATURES_128, frames)
    version = state.record.get("rss.#version") if "rss" in state.parts else None
    if isinstance(version, int) and version >= 2:
        values = {"vmsd": "virtio-net-device/rss", "version": version, "local": 1}
        yield Trouble("vmstate-too-new", values, "rss.#version", inside="virtio-net-device")


def _of_modern_state(state: Arriving) -> dict[str, Part]:
    """Subsections of virtio_pci/modern_state."""
    extra = state.parts.get("extra_state")
    modern = None if extra is None else below(extra).get("modern_state")
    return {} if modern is None else below(modern)


def _unknown(name: str, parent: str, path: str, frames: tuple[Frame, ...] = ()) -> Trouble:
    values = {"subsection": name, "vmsd": parent}
    return Trouble("subsection-unknown", values, path, code=errno.ENOENT, frames=frames)
