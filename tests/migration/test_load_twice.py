"""F11, F12: whatever changes between the early state and the final one, the device at the end is that of one load.

The reference is what ``stock`` makes of the final state alone: in every other mode, and in both encodings of queues,
every field has to be the same. What a device loaded in place would keep of the early state (subsections that are gone,
queues beyond the last one) is there in the pairs.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
from between import STREAMS, machine_of, migrated
from state_changes import CHANGES, pair
from two_states import Watched, bare, net_of, with_states

from vnetmig.engine import engines
from vnetmig.migration.destination import Destination
from vnetmig.migration.machine import Machine
from vnetmig.migration.modes import MODES
from vnetmig.migration.options import Options
from vnetmig.migration.source import Source, State
from vnetmig.vmstate.changes import changed_fields
from vnetmig.vmstate.record import Record

FORMS = [(mode, used) for mode in MODES for used in (None, "count", "bitmap") if (mode, used) != ("stock", None)]
forms = pytest.mark.parametrize(("mode", "used_queues"), FORMS)


def final_device(machine: Machine, mode: str, used_queues: str | None = None, engine: str | None = None) -> Record:
    """What the destination has at the end, after a look at what it was told on the way."""
    watched = Watched()
    source = Source(machine, mode, options=Options(used_queues=used_queues), engine=engine)
    destination = migrated(source, Destination(machine=watched, engine=engine))
    assert source.state is State.DONE, source.error
    assert source.differences == ()
    assert [record.save() for record in watched.prepared] == early_states(machine, mode)
    nets = [device.state for device in destination.devices if device.idstr.endswith("/virtio-net")]
    assert len(nets) == len(list(machine.nets())) == len(watched.committed)
    assert all(ours is theirs for ours, theirs in zip(watched.committed, nets, strict=True))
    assert not {id(record) for record in watched.prepared} & {id(record) for record in nets}
    return watched.committed[0]


def early_states(machine: Machine, mode: str) -> list[bytes]:
    """What a destination prepares for: each early state once, in modes that have any."""
    if mode in ("stock", "preheat-all"):
        return []
    return [net.save_at_setup() for net in machine.nets()]


@lru_cache
def reference(change: str) -> Record:
    return final_device(pair(change), "stock")


def assert_same(ours: Record, expected: Record) -> None:
    assert changed_fields(expected, ours) == []
    assert ours.save() == expected.save()


@forms
@pytest.mark.parametrize("change", CHANGES)
def test_f11_a_change_between_the_loads(change: str, mode: str, used_queues: str | None) -> None:
    assert_same(final_device(pair(change), mode, used_queues), reference(change))


@pytest.mark.parametrize("change", [change for change in CHANGES if change != "nothing"])
def test_f11_the_pairs_do_differ(change: str) -> None:
    net = net_of(pair(change))
    assert isinstance(net.state, Record) and net.setup_state is not None
    assert changed_fields(net.setup_state, net.state)
    assert reference(change).save() == net.state.save()


# What QEMU's own drivers changed.

CHANGED = sorted(path.parent.name for path in STREAMS.glob("rfc-*/stream.bin.xz"))


def swapped(machine: Machine) -> Machine:
    """The final state early, and the early one at the end."""
    net = net_of(machine)
    assert isinstance(net.state, Record)
    return with_states(machine, net.state, net.setup_state or net.state)


@pytest.mark.parametrize("backwards", [False, True], ids=["", "backwards"])
@pytest.mark.parametrize("name", CHANGED)
@forms
def test_f11_real_changes(name: str, backwards: bool, mode: str, used_queues: str | None) -> None:
    machine = swapped(bare(name)) if backwards else bare(name)
    assert_same(final_device(machine, mode, used_queues), final_device(machine, "stock"))


def test_f11_the_rfcs_stale_states_are_among_them() -> None:
    """Section by section these left something behind in the RFC's QEMU: RSS on then off, and an unbound driver."""
    rss = net_of(swapped(bare("rfc-chg-rss-on")))
    assert "rss" in rss.setup_state.subsections()  # type: ignore[union-attr]
    assert "rss" not in rss.state.subsections()  # type: ignore[union-attr]
    unbound = net_of(bare("rfc-chg-unbind"))
    assert "started" in unbound.setup_state.subsections()  # type: ignore[union-attr]
    assert "started" not in unbound.state.subsections()  # type: ignore[union-attr]
    assert (unbound.setup_state.count("vq"), unbound.state.count("vq")) == (9, 3)  # type: ignore[union-attr]


def check_capture(folder: Path) -> None:
    machine = machine_of(folder)
    for one in (machine, swapped(bare(folder))):  # old indices do not go with the RAM of the end
        expected = final_device(one, "stock")
        for mode in ("iterative", "iterative-delta", "early"):
            assert_same(final_device(one, mode), expected)


def test_f11_a_capture_loaded_twice(capture: Path) -> None:
    """Early state, then final section: the same as the final section alone."""
    if not machine_of(capture).iterative_ids:
        pytest.skip("not an iterative migration")
    check_capture(capture)


# F12.


@pytest.mark.parametrize("change", CHANGES)
def test_f12_a_new_record_and_a_delta_give_the_same_device(change: str) -> None:
    """Every load builds a new record, which is what "reset before the final load" is here; a delta builds on the
    early one."""
    anew = final_device(pair(change), "iterative")
    for engine in engines():
        assert_same(final_device(pair(change), "iterative-delta", engine=engine), anew)
        assert_same(final_device(pair(change), "early", engine=engine), anew)
