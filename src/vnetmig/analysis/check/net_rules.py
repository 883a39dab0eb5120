"""What virtio-net checks of its own state, in load order, and where its loader dies.

Source: qemu: hw/net/virtio-net.c:vmstate_virtio_net_device, virtio_net_post_load_device and
virtio_net_change_num_queues.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from vnetmig.analysis.check.arriving import Arriving
from vnetmig.analysis.check.subsections import local_version
from vnetmig.analysis.check.trouble import ERROR_IN_DETAIL, Frame, Trouble
from vnetmig.analysis.check.wire_names import frames_of
from vnetmig.analysis.finding import Severity
from vnetmig.virtio import features
from vnetmig.virtio.core import QUEUE_MAX
from vnetmig.virtio.net import MAC_TABLE_ENTRIES, RSS

VLANS_KEPT = "8.0"
"""Since then the VLAN table that came is kept; before, setting the features cleared it."""

QUEUES_MADE_FOR = (("7.2", "8.0"), ("10.0.3", None))
"""From the first to before the second the loader first makes as many queues as come (qemu:
virtio_net_pre_load_queues); no queue at all is one too few for that."""

PAIRS_OVERRUN = ("10.0.3", "10.2")
"""From the first to before the second that ends badly as soon as one pair more comes than the backend has."""

OVERRUN_DIES = 3
"""Pairs behind the end of the array from which on other releases die as well (1 survives, 3 do not)."""

FAR_OVERRUN = 0x100
"""Queues of which so many lie behind the end of the array that it is past the heap's (0x40 are not yet, 0x1ff are)."""

_FIRST_QUEUES = 3  #: of a device whose driver has not asked for more: a pair and control

_MANY_QUEUES = features.bits_of("virtio-net", ["VIRTIO_NET_F_MQ", "VIRTIO_NET_F_RSS"])
_CTRL_VLAN = features.bits_of("virtio-net", ["VIRTIO_NET_F_CTRL_VLAN"])
_ANNOUNCE = features.bits_of("virtio-net", ["VIRTIO_NET_F_GUEST_ANNOUNCE"])
_DRIVER_OK = 4

RSS_TABLE_CHECKED = "10.0.3"
"""Since then the indirection table's length must be a power of two."""
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
    if length is None or not state.release.since(RSS_TABLE_CHECKED):
        return
    if length > RSS_TABLE_MAX or length & (length - 1) or not length:
        version = local_version(RSS, state.release)
        values = {"vmsd": RSS.name, "version": version, "minimum": RSS.minimum_version, "code": -errno.EINVAL}
        hook = ("post-load-hook", values)
        is_told = state.there.queue_pairs != 1  # seen with real ones: of a device with one pair not a word
        yield Trouble(
            "rss-table",
            {"length": length},
            "rss.indirections_table",  # behind everything, when all has been read
            frames=(Frame(RSS.name, "", ""),) if state.release.since(ERROR_IN_DETAIL) else (),
            says=None if is_told else hook,
            more=(hook,) if is_told else (),
        )


def queues_made(state: Arriving) -> Iterator[Trouble]:
    """A device that is made anew for the number of queues that comes, before anything of them is read."""
    count = state.claimed.get("num_queues", state.number("num_queues"))
    if state.kind != "virtio-net" or count is None or count > QUEUE_MAX or not _makes_queues(state):
        return
    words = None
    if not count:
        words = "QEMU makes the device's queues anew for the 0 that the stream names, and dies of it"
    elif count == QUEUE_MAX and not _is_within(state, PAIRS_OVERRUN):
        words = f"QEMU makes {count} queues and one for control, which are more than there may be, and aborts"
    elif count >= FAR_OVERRUN and _is_within(state, PAIRS_OVERRUN):
        words = f"{count} queues come: QEMU writes far behind the end of its array of queue pairs, and dies of it"
    if words is not None:
        # One that is refused at its first queue is gone before that shows.
        path = "vq[1].num" if _is_within(state, PAIRS_OVERRUN) and count else "num_queues"
        yield Trouble("queue-count", {}, path, severity=Severity.CRASH, words=words)


def _makes_queues(state: Arriving) -> bool:
    return any(_is_within(state, span) for span in QUEUES_MADE_FOR)


def _is_within(state: Arriving, span: tuple[str, str | None]) -> bool:
    begin, end = span
    return state.release.since(begin) and not (end and state.release.since(end))


def made_for(came: int) -> int:
    """Queues that the loader makes for as many as come: pairs, and one for control."""
    return 2 * (came // 2 if came > _FIRST_QUEUES else max(came - 1, 0) // 2) + 1


def _counted(state: Arriving) -> int:
    """Queues up to the first of size 0, as setting the features counts them (qemu: virtio_get_num_queues)."""
    sizes = state.queues.get("num", ())
    came = len(sizes)
    made = made_for(came) if _makes_queues(state) else 2 * (state.there.queue_pairs or 1) + 1
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
    most = state.there.queue_pairs or state.number("max_queue_pairs")
    pairs = most if state.guest_features & _MANY_QUEUES else 1
    new = 2 * (pairs or 1) + 1
    if old == new or old < 3 or not old % 2:
        return {}
    sizes = {old - 1: 0} | dict.fromkeys(range(new - 1, old - 1), 0)
    for index in range(old - 1, new):
        sizes[index] = state.there.queue_size(index, new) or 0
    sizes[new - 1] = state.there.queue_size(new - 1, new) or 0
    return {index: size for index, size in sizes.items() if size or index >= new}


def queues_beyond(state: Arriving) -> Iterator[Trouble]:
    """More queues than the backend has pairs for: the loader takes away or makes pairs behind the end of its array."""
    pairs = state.there.queue_pairs
    came = len(state.queues.get("num", ()))
    if pairs is None or came <= 2 * pairs + 1:
        return
    if _makes_queues(state):
        dies = _is_within(state, PAIRS_OVERRUN) or came // 2 - pairs >= OVERRUN_DIES
    else:
        dies = _counted(state) > 2 * pairs + 1
    yield Trouble(
        "queue-count",
        {},
        "num_queues",
        severity=Severity.CRASH if dies else Severity.BROKEN,
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
