"""What virtio-net checks of its own state, in load order, and where its loader dies.

Source: qemu: hw/net/virtio-net.c:vmstate_virtio_net_device, virtio_net_post_load_device and
virtio_net_change_num_queues.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from vnetmig.analysis.check.arriving import Arriving
from vnetmig.analysis.check.trouble import Trouble
from vnetmig.analysis.check.wire_names import frames_of
from vnetmig.analysis.finding import Severity
from vnetmig.virtio import features
from vnetmig.virtio.net import MAC_TABLE_ENTRIES

VLANS_KEPT = "8.0"
"""Since then the VLAN table that came is kept; before, setting the features cleared it."""

QUEUES_MADE_FOR = "7.2"
"""Since then the loader first makes as many queues as come (qemu: virtio_net_pre_load_queues)."""

NO_QUEUES_CRASH = (("7.2", "8.0"), ("10.0.3", None))
"""From the first to before the second, no queue at all is one too few for that."""

_FIRST_QUEUES = 3  #: of a device whose driver has not asked for more: a pair and control

_MANY_QUEUES = features.bits_of("virtio-net", ["VIRTIO_NET_F_MQ", "VIRTIO_NET_F_RSS"])
_CTRL_VLAN = features.bits_of("virtio-net", ["VIRTIO_NET_F_CTRL_VLAN"])
_ANNOUNCE = features.bits_of("virtio-net", ["VIRTIO_NET_F_GUEST_ANNOUNCE"])
_DRIVER_OK = 4

RSS_TABLE_CHECKED = ("10.0.3", "10.2")
"""From the first to before the second the indirection table's length must be a power of two."""
RSS_TABLE_MAX = 128


def vnet_header(state: Arriving) -> Iterator[Trouble]:
    if state.number("has_vnet_hdr") and state.there.has_vnet_hdr is False:
        yield _in_tmp(state, "vnet-hdr", "has_vnet_hdr", "virtio-net-vnet")


def ufo(state: Arriving) -> Iterator[Trouble]:
    if state.number("has_ufo") and state.there.has_ufo is False:
        yield _in_tmp(state, "ufo", "has_ufo", "virtio-net-ufo")


def _in_tmp(state: Arriving, rule: str, path: str, vmsd: str) -> Trouble:
    hook = {"vmsd": vmsd, "version": 0, "minimum": 0, "code": -errno.EINVAL}
    return Trouble(rule, {}, path, frames=frames_of(path, state.release)[-1:], more=(("post-load-hook", hook),))


def max_queue_pairs(state: Arriving) -> Iterator[Trouble]:
    found, own = state.number("max_queue_pairs"), state.there.queue_pairs
    if found is not None and own is not None and found != own:
        yield Trouble(
            "max-queue-pairs",
            {},
            "max_queue_pairs",
            says=("not-equal", {"local": own, "stream": found}),
            frames=frames_of("max_queue_pairs", state.release),
            hint=f"start the destination with {found} queue pairs (-netdev ...,queues={found}); it has {own}",
        )


def queue_pairs(state: Arriving) -> Iterator[Trouble]:
    found = state.number("curr_queue_pairs")
    most = state.there.queue_pairs or state.number("max_queue_pairs")
    if found is not None and most is not None and found > most:
        hook = {"vmsd": "virtio-net-tx_waiting", "version": 0, "minimum": 0, "code": -errno.EINVAL}
        yield Trouble(
            "queue-pairs",
            {"current": found, "max": most},
            "curr_queue_pairs",
            frames=frames_of("tx_waiting_of_pair", state.release)[-1:],
            more=(("pre-load-hook", hook),),
        )


def rss_table(state: Arriving) -> Iterator[Trouble]:
    length = state.number("indirections_len", "rss")
    begin, end = RSS_TABLE_CHECKED
    if length is None or not state.release.since(begin) or state.release.since(end):
        return
    if length > RSS_TABLE_MAX or length & (length - 1) or not length:
        yield Trouble(
            "rss-table",
            {"length": length},
            "rss.indirections_len",
            frames=frames_of("rss.indirections_len", state.release),
        )


def no_queues(state: Arriving) -> Iterator[Trouble]:
    """A device that is made anew for no queue at all: its control queue is looked for in front of the first."""
    release = state.release
    dies = any(release.since(begin) and not (end and release.since(end)) for begin, end in NO_QUEUES_CRASH)
    if state.kind == "virtio-net" and dies and state.number("num_queues") == 0:
        yield Trouble(
            "queue-count",
            {},
            "num_queues",
            severity=Severity.CRASH,
            words="QEMU makes the device's queues anew for the 0 that the stream names, and dies of it",
        )


def _counted(state: Arriving) -> int:
    """Queues up to the first of size 0, as setting the features counts them (qemu: virtio_get_num_queues)."""
    sizes = state.queues.get("num", ())
    came = len(sizes)
    made = _FIRST_QUEUES
    if state.release.since(QUEUES_MADE_FOR):
        pairs = came // 2 if came > _FIRST_QUEUES else max(came - 1, 0) // 2
        made = 2 * pairs + 1
    counted = max(came, made)
    return next((index for index in range(counted) if index < came and not sizes[index]), counted)


def queue_count(state: Arriving) -> Iterator[Trouble]:
    """Setting the features counts the queues and asserts that they make pairs."""
    leading = _counted(state)
    if leading >= 3 and leading % 2:
        return
    condition = "old_num_queues >= 3" if leading < 3 else "old_num_queues % 2 == 1"
    path = f"vq[{leading}].num" if leading < len(state.queues.get("num", ())) else "num_queues"
    yield Trouble("queue-size-zero", {"condition": condition}, path, severity=Severity.CRASH)


def sizes_set(state: Arriving) -> dict[int, int]:
    """Queue -> entries, of those that setting the features makes anew or takes away: a driver that accepted neither MQ
    nor RSS has one pair, one that did has all (qemu: virtio_net_set_multiqueue)."""
    old = _counted(state)
    pairs = state.number("max_queue_pairs") if state.guest_features & _MANY_QUEUES else 1
    new = 2 * (pairs or 1) + 1
    if old == new or old < 3 or not old % 2:
        return {}
    sizes = {old - 1: 0} | dict.fromkeys(range(new - 1, old - 1), 0)
    for index in range(old - 1, new):
        sizes[index] = state.there.queue_size(index, new) or 0
    sizes[new - 1] = state.there.queue_size(new - 1, new) or 0
    return {index: size for index, size in sizes.items() if size or index >= new}


def queues_beyond(state: Arriving) -> Iterator[Trouble]:
    """More queues than the backend has pairs for: the loader makes them all, in an array that has no room."""
    pairs = state.there.queue_pairs
    came = len(state.queues.get("num", ()))
    if pairs is None or not state.release.since(QUEUES_MADE_FOR) or came <= 2 * pairs + 1:
        return
    yield Trouble(
        "queue-count",
        {},
        "num_queues",
        severity=Severity.CRASH,
        words=f"{came} queues come, the backend has {pairs} queue pairs: QEMU writes behind the end of its array",
        hint=f"start the destination with at least {came // 2} queue pairs (-netdev ...,queues={came // 2})",
    )


def vlans(state: Arriving) -> Iterator[Trouble]:
    if state.release.since(VLANS_KEPT) or not state.guest_features & _CTRL_VLAN:
        return
    words = state.record.get("vlans", ())
    if isinstance(words, tuple) and words and (int(words[0]) & ~1 or any(words[1:])):
        yield Trouble(
            "vlan-lost",
            {},
            "vlans",
            severity=Severity.WARNING,
            words=f"QEMU {state.release} loses the VLAN filter on load: no VLAN passes until the guest sets it again",
        )


def mac_table(state: Arriving) -> Iterator[Trouble]:
    found = state.record.get("mac_table.in_use")
    if isinstance(found, int) and found > MAC_TABLE_ENTRIES:
        yield Trouble(
            "mac-table",
            {"count": found, "most": MAC_TABLE_ENTRIES},
            "mac_table.in_use",
            severity=Severity.WARNING,
            words=f"{found} MAC addresses, at most {MAC_TABLE_ENTRIES} are kept: all are dropped on load",
        )


def announce(state: Arriving) -> Iterator[Trouble]:
    status = state.number("status") or 0
    if status & _DRIVER_OK and not state.guest_features & _ANNOUNCE:
        yield Trouble(
            "announce",
            {},
            "guest_features_low",
            severity=Severity.INFO,
            words="the driver did not accept GUEST_ANNOUNCE: switches learn the new port only from QEMU's own RARP",
        )
