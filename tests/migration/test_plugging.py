"""F9: several devices; plugged and unplugged before, during and after a migration. The RFC's QEMU crashed on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from between import STREAMS, machine_of, migrated, sent_by
from splice import START, pieces
from two_states import NET, Guest, Watched, bare, net_of

from vnetmig.errors import MigrationError
from vnetmig.migration import registration
from vnetmig.migration.destination import Destination, Phase
from vnetmig.migration.device import Device
from vnetmig.migration.handlers import LoadFile, QuietHandlers, SaveFile
from vnetmig.migration.machine import Machine
from vnetmig.migration.modes import MODES
from vnetmig.migration.net_handlers import NetHandlers, NetMigration
from vnetmig.migration.registry import Registry
from vnetmig.migration.source import Source, State

SECOND = "0000:00:03.0/virtio-net"

every_mode = pytest.mark.parametrize("mode", list(MODES))


def second_nic() -> Device:
    first = net_of(machine_of(STREAMS / "rfc-user-1q"))
    return replace(first, idstr=SECOND, section_id=60)


def machine(*more: Device) -> Machine:
    """One that tests may plug into."""
    own = bare("rfc-user-1q")
    return replace(own, devices=[*own.devices, *more])


def migrate(ours: Machine, mode: str, registry: Registry | None = None) -> tuple[Source, Destination]:
    source = Source(ours, mode, registry=registry)
    return source, migrated(source)


@every_mode
def test_f09_two_devices_each_with_its_own_sections(mode: str) -> None:
    source, destination = migrate(machine(second_nic()), mode)
    assert source.state is State.DONE and source.differences == ()
    assert [device.idstr for device in destination.devices] == [NET, SECOND]
    early = {sent.idstr.rpartition("-")[0] for sent in source.sent if sent.early and sent.idstr.startswith("0000")}
    if mode != "stock":
        assert early == {NET, SECOND}


@every_mode
def test_f09_plugged_and_unplugged_before(mode: str) -> None:
    ours = machine()
    ours.devices.append(second_nic())
    assert [device.idstr for device in migrate(ours, mode)[1].devices] == [NET, SECOND]
    ours.devices.pop()
    source, destination = migrate(ours, mode)
    assert source.state is State.DONE and [device.idstr for device in destination.devices] == [NET]
    assert SECOND not in {sent.idstr for sent in source.sent}


@every_mode
def test_f09_replugged_into_the_same_slot(mode: str) -> None:
    """Another device with the same name: the old one leaves nothing behind, also after an earlier migration."""
    ours = machine(second_nic())
    migrate(ours, mode)
    ours.devices.pop()
    migrate(ours, mode)
    other = second_nic()
    other.state = other.state.copy()  # type: ignore[union-attr]
    other.state["promisc"] = 1
    ours.devices.append(other)
    source, destination = migrate(ours, mode)
    assert source.state is State.DONE and source.differences == ()
    assert destination.devices[1].state["promisc"] == 1  # type: ignore[index]


def until(source: Source, wanted: State) -> Callable[[Destination], None]:
    def run(destination: Destination) -> None:
        while source.state is not wanted:
            data = source.next_bytes()
            assert data is not None
            destination.feed(data)

    return run


@pytest.mark.parametrize("wanted", [State.SETUP, State.ITERATE, State.COMPLETE])
@pytest.mark.parametrize("plug", [True, False], ids=["device_add", "device_del"])
@every_mode
def test_f09_during_a_migration_ends_it_and_the_guest_goes_on(mode: str, plug: bool, wanted: State) -> None:
    """QEMU refuses device_add and device_del then; who plugs by another way does not crash it."""
    ours = machine_of(STREAMS / "rfc-user-1q")
    ours = replace(ours, devices=[*ours.devices, second_nic()], description=None)
    guest, watched = Guest(), Watched()
    source, destination = Source(ours, mode, outgoing=guest), Destination(machine=watched)
    until(source, wanted)(destination)
    if plug:
        ours.devices.append(replace(second_nic(), idstr="0000:00:04.0/virtio-net", section_id=61))
    else:
        ours.devices.pop()
    words = "device_add not allowed while migrating" if plug else "device_del not allowed while migrating"
    with pytest.raises(MigrationError, match=words):
        sent_by(source)
    destination.close()
    assert (source.state, source.owner, guest.runs) == (State.FAILED, "source", True)
    assert destination.phase is Phase.FAILED and watched.untouched
    again, there = migrate(ours, mode)
    assert again.state is State.DONE
    assert [device.idstr for device in there.devices] == [device.idstr for device in ours.devices]


class Counting(QuietHandlers):
    """How many devices were cleaned up; a dangling opaque would be noticed."""

    def save_setup(self, file: SaveFile, opaque: Any) -> int:
        file.put_be32(opaque["number"])
        return 0

    def save_complete(self, file: SaveFile, opaque: Any) -> int:
        file.put_be32(opaque["number"])
        return 0

    def load_state(self, file: LoadFile, opaque: Any, version_id: int) -> int:
        opaque["number"] = file.get_be32()
        return 0

    def save_cleanup(self, opaque: Any) -> None:
        opaque["cleaned"] = opaque.get("cleaned", 0) + 1


def test_f09_a_registration_really_disappears() -> None:
    """The RFC's unrealize looks for the device path twice in a row and removes nothing."""
    registry, gone, stays = Registry(), {"number": 1}, {"number": 2}
    registry.register_savevm_live("0000:00:06.0/acme", 0, 1, Counting(), gone)
    registry.register_savevm_live("0000:00:07.0/acme", 0, 1, Counting(), stays)
    assert registry.unregister("0000:00:06.0/acme", gone) == 1
    there = Registry()
    there.register_savevm_live("0000:00:07.0/acme", 0, 1, Counting(), {})
    source = Source(machine(), registry=registry)
    migrated(source, Destination(registry=there))
    assert source.state is State.DONE
    assert "cleaned" not in gone and stays["cleaned"] == 1


@pytest.mark.parametrize("wanted", [State.SETUP, State.COMPLETE])
def test_f09_a_handler_that_goes_during_a_migration(wanted: State) -> None:
    registry, opaque = Registry(), {"number": 1}
    registry.register_savevm_live("0000:00:06.0/acme", 0, 1, Counting(), opaque)
    there = Registry()
    there.register_savevm_live("0000:00:06.0/acme", 0, 1, Counting(), {})
    guest = Guest()
    source = Source(machine_of(STREAMS / "rfc-user-1q"), registry=registry, outgoing=guest)
    until(source, wanted)(Destination(registry=there))
    registry.unregister("0000:00:06.0/acme")
    with pytest.raises(MigrationError, match="device_del not allowed while migrating"):
        sent_by(source)
    assert (source.state, guest.runs, opaque["cleaned"]) == (State.FAILED, True, 1)
    again = Source(machine(), registry=registry)
    migrated(again)
    assert again.state is State.DONE and opaque["cleaned"] == 1


def test_f09_a_global_registration_that_comes_during_a_migration() -> None:
    source = Source(machine())
    source.next_bytes()
    registration.register_savevm_live("acme/late", 0, 1, Counting(), {})
    try:
        with pytest.raises(MigrationError, match="device_add not allowed while migrating\n  'acme/late' was plugged"):
            sent_by(source)
    finally:
        assert registration.unregister_savevm("acme/late") == 1
    assert migrate(machine(), "stock")[0].state is State.DONE


def test_f09_unplugged_behind_the_end_is_too_late_to_matter() -> None:
    """All is sent: the destination has the device."""
    ours = machine(second_nic())
    source = Source(ours, "iterative")
    stream = sent_by(source)
    ours.devices.pop()
    assert source.state is State.CONFIRM and source.next_bytes() is None
    assert len([piece for piece in pieces(stream) if piece.of(START, "-iterative")]) == 2


def test_f09_the_rfcs_double_path_names_nothing() -> None:
    registry = Registry()
    opaque = NetMigration(net_of(machine()))
    registry.register_savevm_live(f"{NET}-iterative", 0, 1, NetHandlers(), opaque)
    assert registry.unregister(f"0000:00:02.0/{NET}-iterative", opaque) == 0 and len(registry) == 1
    assert registry.unregister(f"{NET}-iterative", opaque) == 1 and len(registry) == 0
