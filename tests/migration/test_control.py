"""F24: what libvirt would ask and set."""

from __future__ import annotations

from dataclasses import replace

import pytest
from between import STREAMS, machine_of, migrated, sent_by

from vnetmig.errors import MigrationError
from vnetmig.migration.control import STATUS, MigrationControl
from vnetmig.migration.source_states import State

PATH = "0000:00:02.0"


@pytest.fixture
def control() -> MigrationControl:
    return MigrationControl(machine_of(STREAMS / "rfc-user-1q"))


def test_f24_every_state_has_a_status() -> None:
    assert set(STATUS) == set(State)


@pytest.mark.parametrize(
    ("on", "mode"),
    [
        ((), "stock"),
        (("virtio-iterative",), "iterative"),
        (("x-vnetmig-handover-1", "x-vnetmig-delta-1"), "iterative-delta"),
        (("x-vnetmig-preheat-1",), "preheat-all"),
        (("x-vnetmig-handover-1", "x-vnetmig-early-1"), "early"),
    ],
)
def test_f24_the_mode_follows_from_the_capabilities(control: MigrationControl, on: tuple[str, ...], mode: str) -> None:
    control.set_capabilities(dict.fromkeys(on, True))
    source = control.start()
    assert source.mode.name == mode
    migrated(source)
    assert control.query() == {"status": "completed", "mode": mode, "owner": "destination"}


def test_f24_the_property_turns_the_early_state_on(control: MigrationControl) -> None:
    control.properties[PATH].set("early-mig", True)
    assert control.mode().name == "early"
    migrated(control.start())
    assert control.query()["status"] == "completed"
    with pytest.raises(MigrationError, match="after it was realized"):
        control.properties[PATH].set("early-mig", False)


def test_f24_two_modes_at_once_are_refused(control: MigrationControl) -> None:
    control.properties[PATH].set("early-mig", True)
    control.set_capabilities({"virtio-iterative": True})
    with pytest.raises(MigrationError, match="exclude each other"):
        control.start()
    assert control.query() == {"status": "none"}


def test_f24_what_needs_something_else_is_refused_with_its_name(control: MigrationControl) -> None:
    with pytest.raises(MigrationError, match="Capability 'switchover-ack' requires capability 'return-path'"):
        control.set_capabilities({"switchover-ack": True})
    control.set_capabilities({"switchover-ack": True, "return-path": True})
    assert control.start().options.switchover_ack


def test_f24_nothing_changes_while_a_migration_runs(control: MigrationControl) -> None:
    source = control.start()
    source.next_bytes()
    assert control.query()["status"] == "setup"
    for refused in (lambda: control.set_capabilities({"virtio-iterative": True}), control.start):
        with pytest.raises(MigrationError, match="There's a migration process in progress"):
            refused()
    control.cancel()
    assert control.query() == {"status": "cancelled", "mode": "stock", "owner": "source"}
    control.cancel()
    control.set_capabilities({"virtio-iterative": True})
    assert control.start().mode.name == "iterative"


def test_f24_too_late_to_cancel(control: MigrationControl) -> None:
    sent_by(control.start())
    with pytest.raises(MigrationError, match="cannot cancel"):
        control.cancel()
    assert control.query()["status"] == "device"


def test_f24_why_it_failed(control: MigrationControl) -> None:
    source = control.start()
    source.next_bytes()
    source.close()
    found = control.query()
    assert found["status"] == "failed"
    assert "without a result" in str(found["error-desc"])


def test_f24_a_machine_that_is_elsewhere_is_not_sent_again(control: MigrationControl) -> None:
    migrated(control.start())
    with pytest.raises(MigrationError, match="Can't migrate the vm that was paused due to previous migration"):
        control.start()


def test_f24_nor_one_that_nobody_knows_to_be_here(control: MigrationControl) -> None:
    source = control.start()
    sent_by(source)
    source.close()
    assert control.query()["status"] == "in-doubt"
    with pytest.raises(MigrationError, match="paused due to previous migration"):
        control.start()
    source.resolve(runs_there=False)
    migrated(control.start())
    assert control.query()["status"] == "completed"


@pytest.mark.parametrize("name", ["x-ignore-shared", "validate-uuid", "mapped-ram"])
def test_f24_what_cannot_be_acted_on_is_refused(control: MigrationControl, name: str) -> None:
    control.set_capabilities({name: True})
    with pytest.raises(MigrationError, match=f"capability '{name}' cannot be acted on here"):
        control.start()


def test_f24_only_devices_with_the_property_go_early() -> None:
    machine = machine_of(STREAMS / "rfc-user-1q")
    (net,) = machine.nets()
    second = replace(net, idstr="0000:00:09.0/virtio-net", section_id=99)
    control = MigrationControl(replace(machine, devices=[*machine.devices, second], description=None))
    assert list(control.properties) == [PATH, "0000:00:09.0"]
    control.properties[PATH].set("early-mig", True)
    source = control.start()
    assert [section.idstr for section in source.plan.early] == [f"{PATH}/virtio-net-early"]
    migrated(source)
    assert control.query()["status"] == "completed"
    forms = {final.sent.device.idstr: final.form for final in source.plan.finals.values()}
    assert forms == {f"{PATH}/virtio-net": "RESYNC", "0000:00:09.0/virtio-net": "FULL_STATE"}
