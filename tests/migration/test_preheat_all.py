"""F18: every device saved, loaded and forgotten, then migrated as in ``stock``: only the timing may differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from between import STREAMS, machine_of, migrated, refusal, sent_by
from splice import START, changed, joined, pieces, the, without_capability
from two_states import NET, Watched, bare, changing, setting

from vnetmig.migration.capabilities import PREHEAT
from vnetmig.migration.destination import Destination
from vnetmig.migration.preheat_handlers import DESCRIPTION
from vnetmig.migration.source import Source, State

FOLDERS = ["rfc-user-1q", "linux-multi-q72", "linux-tap-4q-rss-q100", "microvm-mmio-q72"]


@pytest.mark.parametrize("name", FOLDERS)
def test_f18_every_device_goes_early(name: str) -> None:
    machine = machine_of(STREAMS / name)
    found = pieces(sent_by(Source(machine, "preheat-all")))
    early = [(piece.idstr, piece.instance_id) for piece in found if piece.of(START, "-preheat")]
    assert early == [(f"{device.idstr}-preheat", device.instance_id) for device in machine.devices]
    names = [piece.idstr for piece in found if piece.kind == START]
    assert names.index(DESCRIPTION) < names.index(early[0][0])  # it explains those that nothing else describes


@pytest.mark.parametrize("name", FOLDERS)
def test_f18_the_final_state_is_that_of_stock(name: str) -> None:
    machine = machine_of(STREAMS / name)
    preheated, stock = migrated(Source(machine, "preheat-all")), migrated(Source(machine, "stock"))
    assert len(preheated.devices) == len(stock.devices) > 0
    for ours, theirs in zip(preheated.devices, stock.devices, strict=True):
        assert (ours.idstr, ours.instance_id, ours.save()) == (theirs.idstr, theirs.instance_id, theirs.save())
        assert ours.described_by == theirs.described_by


def test_f18_what_was_loaded_early_is_forgotten() -> None:
    """Nothing is prepared for it, and a device that changed since is what it is at the end."""
    watched = Watched()
    source = Source(changing(bare("rfc-user-1q"), setting(promisc=1, mac="02:00:00:00:00:01")), "preheat-all")
    destination = migrated(source, Destination(machine=watched))
    assert source.state is State.DONE and watched.prepared == []
    assert watched.committed[0]["mac"] == "52:54:00:12:34:56"
    assert [device.idstr for device in destination.devices] == [NET]


def test_f18_the_rest_of_the_stream_is_stocks() -> None:
    machine = machine_of(STREAMS / "rfc-user-1q")
    found = [p for p in pieces(sent_by(Source(machine, "preheat-all"))) if not p.idstr.endswith("-preheat")]
    left = [p for p in found if p.idstr != DESCRIPTION]
    assert joined(without_capability(left, PREHEAT)) == sent_by(Source(machine, "stock"))


def test_f18_a_device_that_nobody_describes_is_passed_over() -> None:
    """Without a vmdescription only virtio devices are loaded early; the others are bytes."""
    folder: Path = STREAMS / "proxy-postcopy-fw-q111"
    source = Source(machine_of(folder), "preheat-all")
    assert machine_of(folder).description is None
    migrated(source)
    assert source.state is State.DONE and source.differences == ()


@pytest.mark.parametrize("cut", [0, 1, 300, -1])
def test_f18_an_early_state_that_cannot_be_loaded_ends_it(cut: int) -> None:
    found = pieces(sent_by(Source(bare("rfc-user-1q"), "preheat-all")))
    start = the(found, START, "virtio-net-preheat")
    state = start.payload[12:][:cut]
    frame = start.payload[:8] + len(state).to_bytes(4, "big") + state
    watched = Watched()
    refusal(joined(changed(found, start, start.with_payload(frame))), Destination(machine=watched))
    assert watched.untouched and watched.committed == []


def test_f18_a_device_that_is_not_there() -> None:
    found = pieces(sent_by(Source(bare("rfc-user-1q"), "preheat-all")))
    watched = Watched(frozenset())
    assert f"Unknown savevm section or instance '{NET}-preheat' 0" in refusal(
        joined(found), Destination(machine=watched)
    )
    assert watched.untouched
