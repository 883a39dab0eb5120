"""Would a guest notice? Devices with one line wrong in their rings, filters or loading: each makes its guest fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from running import made, moved, steps

from vnetmig.errors import StreamError
from vnetmig.model import control, net_model
from vnetmig.model.guest import GuestFailure
from vnetmig.model.guest.turn import PATIENCE
from vnetmig.model.net_model import NetModel
from vnetmig.model.net_values import NetValues
from vnetmig.model.packed_ring import PackedRing
from vnetmig.model.queue import Chain, Queue
from vnetmig.model.split_ring import SplitRing
from vnetmig.vmstate import Record


class UsedIndexStands(SplitRing):
    def _set_used_idx(self, index: int) -> None:
        super()._set_used_idx(index - 1 & 0xFFFF if index % 50 == 49 else index)


class UsedIndexJumps(SplitRing):
    def _set_used_idx(self, index: int) -> None:
        super()._set_used_idx((index + 1) & 0xFFFF if index % 50 == 49 else index)


class WrongHead(SplitRing):
    def push(self, chains: list[tuple[Chain, int]]) -> None:
        super().push([(replace(chain, index=chain.index ^ 2), length) for chain, length in chains])


class TakenTwice(SplitRing):
    def pop(self) -> Chain | None:
        chain = super().pop()
        if chain is not None and self.queue.last_avail_idx % 40 == 39:
            self.queue.last_avail_idx -= 1
        return chain


class NewestFirst(SplitRing):
    def pop(self) -> Chain | None:
        queue = self.queue
        two = (self._avail_idx() - queue.last_avail_idx) & 0xFFFF >= 2
        if not two or queue.last_avail_idx % queue.num >= queue.num - 1:
            return super().pop()
        at = queue.avail + 4 + 2 * (queue.last_avail_idx % queue.num)
        pair = self.ram.fetch(at, 4)
        self.ram.write(at, pair[2:] + pair[:2])
        return super().pop()


class ShortLength(SplitRing):
    def push(self, chains: list[tuple[Chain, int]]) -> None:
        super().push([(chain, max(0, length - 1)) for chain, length in chains])


class TooLong(SplitRing):
    def push(self, chains: list[tuple[Chain, int]]) -> None:
        super().push([(chain, length + 4096 * bool(length)) for chain, length in chains])


class OnlyTen(SplitRing):
    """Less than a header, and than the place of its number of buffers."""

    def push(self, chains: list[tuple[Chain, int]]) -> None:
        super().push([(chain, min(length, 10)) for chain, length in chains])


class LastBufferStays(SplitRing):
    def push(self, chains: list[tuple[Chain, int]]) -> None:
        super().push(chains[:-1] or chains)


class WrapCounterStands(PackedRing):
    def _move_used(self, count: int) -> None:
        wrap = self.queue.used_wrap_counter
        super()._move_used(count)
        self.queue.used_wrap_counter = wrap


class AvailWrapCounterStands(PackedRing):
    def _move_avail(self, count: int) -> None:
        wrap = self.queue.last_avail_wrap_counter
        super()._move_avail(count)
        self.queue.last_avail_wrap_counter = wrap


class WrongId(PackedRing):
    def push(self, chains: list[tuple[Chain, int]]) -> None:
        super().push([(replace(chain, index=chain.index ^ 1), length) for chain, length in chains])


class ChainCountsAsOne(PackedRing):
    def _chain(self, at: int) -> Chain:
        chain = super()._chain(at)
        chain.ndescs = 1
        return chain


class OneFlagWrong(PackedRing):
    def _use(self, at: int, wrap_counter: int, chain: Chain, written: int) -> None:
        super()._use(at, 1 - wrap_counter if at == 7 else wrap_counter, chain, written)


class BytesShort(PackedRing):
    def push(self, chains: list[tuple[Chain, int]]) -> None:
        super().push([(chain, max(0, length - 1)) for chain, length in chains])


RINGS = [
    UsedIndexStands, UsedIndexJumps, WrongHead, TakenTwice, NewestFirst, ShortLength, TooLong, OnlyTen,
    WrapCounterStands, AvailWrapCounterStands, WrongId, ChainCountsAsOne, OneFlagWrong, BytesShort,
]  # fmt: skip


@pytest.mark.parametrize("ring", RINGS, ids=[ring.__name__ for ring in RINGS])
def test_a_wrong_ring_is_found_out(ring: type[SplitRing] | type[PackedRing]) -> None:
    kind = "packed" if issubclass(ring, PackedRing) else "split"

    class Model(NetModel):
        split_ring = packed_ring = ring

    guest, _ = made(kind, model=Model, seed=3)
    with pytest.raises(GuestFailure):
        steps(guest, 20_000)


def test_a_packet_of_fewer_buffers_than_it_says_is_found_out() -> None:
    class Model(NetModel):
        split_ring = LastBufferStays

    guest, _ = made("split", profile="configurer", model=Model, seed=3)
    with pytest.raises(GuestFailure, match="a packet of 2 buffers came with fewer of them"):
        steps(guest, 20_000)


def _queues(change: Callable[[Queue], None]) -> Callable[[NetValues], None]:
    def damage(values: NetValues) -> None:
        for queue in values.queues:
            change(queue)

    return damage


def _set(**changes: Any) -> Callable[[Queue], None]:
    def change(queue: Queue) -> None:
        for name, value in changes.items():
            setattr(queue, name, value)

    return change


#    what a load leaves out            kinds of ring            how it looks
LEFT_OUT: dict[str, tuple[tuple[str, ...], Callable[[NetValues], None]]] = {
    "last_avail_idx": (("split", "packed"), _queues(_set(last_avail_idx=0, shadow_avail_idx=0))),
    "used_idx": (("split", "packed"), _queues(_set(used_idx=0))),
    "used_wrap_counter": (("packed",), _queues(lambda q: setattr(q, "used_wrap_counter", 1 - q.used_wrap_counter))),
    "last_avail_wrap_counter": (
        ("packed",),
        _queues(lambda q: setattr(q, "last_avail_wrap_counter", 1 - q.last_avail_wrap_counter)),
    ),
    "avail": (("split",), _queues(_set(avail=0x1F0000))),
    "used": (("split",), _queues(_set(used=0x1F0000))),
    "mac": (("split", "packed"), lambda v: setattr(v, "mac", b"\x02" * 6)),
    "macs": (("split", "packed"), lambda v: setattr(v, "macs", [])),
    "first_multi": (("split", "packed"), lambda v: setattr(v, "first_multi", 0)),
    "vlans": (("split", "packed"), lambda v: setattr(v, "vlans", [word ^ 0xFFFF for word in v.vlans])),
    "nouni": (("split", "packed"), lambda v: setattr(v, "nouni", 1 - v.nouni)),
    "promisc": (("split", "packed"), lambda v: setattr(v, "promisc", 1 - v.promisc)),
    "rss": (("split", "packed"), lambda v: v.disable_rss()),
    "rss.key": (("split", "packed"), lambda v: setattr(v.rss, "key", bytes(40))),
    "mergeable_rx_bufs": (("split", "packed"), lambda v: setattr(v, "mergeable_rx_bufs", 0)),
    "started": (("split", "packed"), lambda v: setattr(v, "started", False)),
}
CASES = [(name, kind) for name, (kinds, _) in LEFT_OUT.items() for kind in kinds]


@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{name}-{kind}" for name, kind in CASES])
def test_a_value_that_does_not_arrive_is_missed(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same guest moves at many moments: at one of them, at the latest, what is left out matters."""
    load, damage = net_model.load_values, LEFT_OUT[name][1]

    def forgetful(record: Record, *where: Any) -> tuple[NetValues, str | None]:
        values, fault = load(record, *where)
        damage(values)
        return values, fault

    guest, device = made(kind, profile="configurer", seed=11)
    monkeypatch.setattr(net_model, "load_values", forgetful)

    def move_on() -> None:
        nonlocal guest, device
        for _ in range(60):
            steps(guest, 60)
            guest, device = moved(guest, device)
        steps(guest, 2 * PATIENCE)

    with pytest.raises((GuestFailure, StreamError)) as found:
        move_on()
    assert found.type is GuestFailure or "VQ" in str(found.value)


def test_without_damage_the_same_moves_go_well() -> None:
    for kind in ("split", "packed"):
        guest, device = made(kind, profile="configurer", seed=11)
        for _ in range(60):
            steps(guest, 60)
            guest, device = moved(guest, device)


@pytest.mark.parametrize("command", sorted(set(control.HANDLERS) - {(3, 0), (5, 0)}))  # of which no packet tells
def test_a_command_that_does_nothing_is_found_out(command: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(control.HANDLERS, command, lambda values, data: True)
    guest, _ = made("split", profile="configurer", seed=9)
    with pytest.raises(GuestFailure):
        steps(guest, 40_000)
