"""How a guest's driver sets its device up: reset, features, queues, receive buffers (virtio 1.3, 3.1.1)."""

from __future__ import annotations

from vnetmig.model import properties as p
from vnetmig.model.guest import layout
from vnetmig.model.guest.failure import GuestFailure
from vnetmig.model.guest.receive import refill
from vnetmig.model.guest.turn import Turn
from vnetmig.model.net_values import S_ACKNOWLEDGE, S_DRIVER, S_DRIVER_OK, S_FEATURES_OK

RINGS = (16, 64, 256)
RX_BUFFERS = (256, layout.BUFFER)
_CONTROL_RING, _CONTROL_PARTS = 16, 3

_NEEDED = p.VERSION_1 | p.CTRL_VQ | p.STATUS | p.MAC
_OPTIONAL = (
    p.MRG_RXBUF, p.EVENT_IDX, p.INDIRECT_DESC, p.HASH_REPORT, p.RSS, p.MQ, p.CTRL_RX | p.CTRL_RX_EXTRA, p.CTRL_VLAN,
    p.CTRL_MAC_ADDR, p.CTRL_GUEST_OFFLOADS | p.GUEST_OFFLOADS, p.GUEST_ANNOUNCE,
)  # fmt: skip


def initialise(turn: Turn) -> None:
    """virtio 1.3, 3.1.1."""
    state, device = turn.state, turn.device
    device.write("device_status", 0)
    if device.read("device_status"):
        raise GuestFailure("the device does not come out of a reset")
    device.write("device_status", S_ACKNOWLEDGE)
    device.write("device_status", S_ACKNOWLEDGE | S_DRIVER)
    _negotiate(turn)
    most = (device.read("num_queues") - 1) // 2
    multiqueue = state.features & (p.MQ | p.RSS)
    state.pairs = min(most, layout.PAIRS_MAX) if multiqueue else 1
    state.control = 2 * (most if multiqueue else 1)
    state.curr_pairs = 1
    state.ring = RINGS[state.random(len(RINGS))]
    state.rx_buffer = RX_BUFFERS[state.random(2)] if state.features & p.MRG_RXBUF else layout.BUFFER
    for place in (*range(2 * state.pairs), layout.CONTROL):
        _set_up(turn, place)
    state.mac = device.read_config(0, 6)
    state.link_up = device.read_config(6, 1)[0] & p.S_LINK_UP
    state.unkicked = state.inflight = state.asked = state.may_lose = 0
    turn.filters.forget()
    device.write("device_status", S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK)
    for place in range(0, 2 * state.pairs, 2):
        refill(turn, turn.driver(place))
    turn.kick_all()


def _negotiate(turn: Turn) -> None:
    state, device = turn.state, turn.device
    offered = 0
    for word in range(2):
        device.write("device_feature_select", word)
        offered |= device.read("device_feature") << 32 * word
    if offered & _NEEDED != _NEEDED:
        raise GuestFailure(f"the device offers {offered:#x}: a guest needs {_NEEDED:#x}")
    accepted = _NEEDED | offered & p.RING_PACKED
    for bits in _OPTIONAL:  # all of them at first, later some
        if not state.reloads or state.random(4):
            accepted |= bits & offered
    state.features = accepted
    for word in range(2):
        device.write("driver_feature_select", word)
        device.write("driver_feature", accepted >> 32 * word & 0xFFFFFFFF)
    device.write("device_status", S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK)
    if not device.read("device_status") & S_FEATURES_OK:
        raise GuestFailure(f"the device refuses the features {accepted:#x} that it offered")


def _set_up(turn: Turn, place: int) -> None:
    state, device = turn.state, turn.device
    control = place == layout.CONTROL
    driver = turn.driver_kind.set_up(
        turn.ram,
        place,
        _CONTROL_RING if control else state.ring,
        _CONTROL_PARTS if control else 2,
        event_idx=bool(state.features & p.EVENT_IDX),
        quiet=bool(state.random(2)),
    )
    device.write("queue_select", turn.index(place))
    if not device.read("queue_size"):
        raise GuestFailure(f"the device has no queue {turn.index(place)}")
    device.write("queue_size", driver.num)
    for register, address in zip(("queue_desc", "queue_driver", "queue_device"), driver.addresses, strict=True):
        device.write(register, address)
    device.write("queue_msix_vector", turn.index(place) + 1)
    device.write("queue_enable", 1)
