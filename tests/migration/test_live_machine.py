"""A guest that runs on while it is migrated, and goes on at the other side, or here if that fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from between import STREAMS, machine_of, migrated, sent_by

from vnetmig.backend.ledger import Phase as Stage
from vnetmig.backend.null import NullBackend
from vnetmig.errors import MigrationError
from vnetmig.migration.destination import Destination, Phase
from vnetmig.migration.incoming_machine import GuestMachine
from vnetmig.migration.live_machine import LiveMachine
from vnetmig.migration.modes import MODES
from vnetmig.migration.options import Options
from vnetmig.migration.source import Source, State
from vnetmig.model.concurrent import RunningGuest
from vnetmig.model.guest import Guest
from vnetmig.model.guest_ram import GuestRam
from vnetmig.model.net_model import NetModel
from vnetmig.model.wire import EchoWire
from vnetmig.vmstate import Record

BASE = STREAMS / "linux-tap-4q-load-q72"
RAM = 1 << 21


def running(profile: str = "busy", seed: int = 1, **properties: object) -> LiveMachine:
    """A machine whose guest has done some steps already, and goes on."""
    ram = GuestRam(RAM)
    net = NetModel.new(ram, EchoWire(), queue_pairs=4, **properties)  # type: ignore[arg-type]
    guest = RunningGuest(Guest.boot(ram, net, seed=seed, profile=profile)).start()
    guest.wait_for(100)
    return LiveMachine.of(machine_of(BASE), ram, net, guest)


@pytest.fixture
def there() -> Iterator[GuestMachine]:
    machine = GuestMachine(lambda idstr: NullBackend())
    yield machine
    if machine.guest is not None and machine.guest.steps:
        machine.guest.stop()
    machine.close()


def moved(machine: LiveMachine, there: GuestMachine, mode: str, options: Options | None = None) -> Source:
    options = Options(handover=True) if options is None else options
    source = Source(machine, mode, options=options, outgoing=machine)
    migrated(source, Destination(machine=there))
    return source


@pytest.mark.parametrize("packed", [False, True], ids=["split", "packed"])
@pytest.mark.parametrize("profile", ["quiet", "busy", "hostile"])
@pytest.mark.parametrize("mode", list(MODES))
def test_the_guest_goes_on_there(mode: str, profile: str, packed: bool, there: GuestMachine) -> None:
    machine = running(profile, packed=packed)
    source = moved(machine, there, mode)
    assert (source.state, source.error) == (State.DONE, None)
    assert machine.guest is not None and machine.net is not None and machine.net.paused
    before = machine.guest.steps
    assert there.guest is not None
    there.guest.wait_for(100)
    there.guest.stop()
    counters = there.guest.guest.counters()
    assert counters["steps"] == before + there.guest.steps
    assert counters["received"] > 0


@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("used", ["count", "bitmap"])
def test_with_every_option(mode: str, used: str, there: GuestMachine) -> None:
    options = Options(used_queues=used, switchover_ack=True, handover=True, bandwidth=1 << 26, downtime_limit=20)
    source = moved(running(), there, mode, options)
    assert (source.state, source.error) == (State.DONE, None)
    assert there.guest is not None
    there.guest.wait_for(50)


def test_a_cancelled_migration_leaves_the_guest_running_and_can_be_made_again(there: GuestMachine) -> None:
    machine = running()
    assert machine.guest is not None
    source = Source(machine, "iterative-delta", outgoing=machine)
    destination = Destination(machine=there)
    for _ in range(5):
        data = source.next_bytes()
        assert data is not None
        destination.feed(data)
    source.cancel()
    machine.guest.wait_for(50)
    destination.close()
    assert (destination.phase, destination.owner) == (Phase.FAILED, "source")
    again = GuestMachine(lambda idstr: NullBackend())
    assert moved(machine, again, "iterative-delta").state is State.DONE
    assert again.guest is not None
    again.guest.wait_for(50)
    again.guest.stop()


@pytest.mark.parametrize("mode", list(MODES))
def test_a_destination_that_is_lost_at_the_last_moment_leaves_the_guest_here(mode: str) -> None:
    machine = running()
    assert machine.guest is not None
    source = Source(machine, mode, options=Options(handover=True), outgoing=machine)
    sent_by(source)
    assert source.state is State.VERIFY
    assert machine.net is not None and machine.net.paused
    source.close()
    assert (source.state, source.owner) == (State.FAILED, "source")
    machine.guest.wait_for(50)
    machine.guest.stop()


def test_vhost_may_run_at_the_first_save_and_is_stopped_for_the_last(there: GuestMachine) -> None:
    machine = running()
    assert machine.net is not None
    machine.net.vhost_start()
    source = moved(machine, there, "iterative")
    assert (source.state, source.error) == (State.DONE, None)
    assert not machine.net.vhost_started


def test_vhost_goes_on_where_it_was_stopped_in_vain() -> None:
    machine = running()
    assert machine.net is not None and machine.guest is not None
    machine.net.vhost_start()
    machine.stop()
    assert not machine.net.vhost_started
    machine.resume()
    assert machine.net.vhost_started
    machine.guest.stop()


def test_a_device_whose_guest_is_not_ours(there: GuestMachine) -> None:
    """Somebody else runs it, on a machine older than configuration sections."""
    ram = GuestRam(RAM)
    net = NetModel.new(ram)
    machine = LiveMachine.of(replace(machine_of(BASE), configuration=None), ram, net)
    assert machine.configuration is None
    machine.stop()
    assert net.paused
    machine.resume()
    assert not net.paused
    machine.release()


def test_a_net_that_vhost_still_runs_cannot_be_saved_for_good() -> None:
    machine = running()
    assert machine.net is not None and machine.guest is not None
    machine.net.vhost_start()
    (device,) = machine.nets()
    device.state_at_setup()
    with pytest.raises(MigrationError, match=r"virtio_net_pre_save: Assertion `!n->vhost_started' failed"):
        device.final_state()
    machine.guest.stop()


def test_f20_unchanged_work_is_not_repeated_at_switchover(there: GuestMachine) -> None:
    source = moved(running("quiet"), there, "iterative-delta")
    assert source.error is None
    (backend,) = there.backends.values()
    prepared, committed = backend.ledger.totals(Stage.PREPARE), backend.ledger.totals(Stage.COMMIT)
    assert prepared.items > committed.items > 0
    assert prepared.repeated == committed.repeated == 0


def test_a_guest_that_never_stops_changing_cannot_keep_the_migration_from_ending(there: GuestMachine) -> None:
    """F15: resends are bounded in number and bytes, rounds too."""
    options = Options(handover=True, bandwidth=1 << 25, downtime_limit=1)
    machine = running("hostile")
    source = moved(machine, there, "iterative-delta", options)
    assert (source.state, source.error) == (State.DONE, None)
    (final,) = source.plan.finals.values()
    assert final.sent.resends <= options.resends
    early = [d for d in source.timeline().early if d.idstr.endswith("-delta")]
    whole = len(final.sent.stopped().data)
    assert sum(d.size for d in early) < 3 * whole


def test_a_machine_without_a_net_has_no_place_for_one() -> None:
    ram = GuestRam(RAM)
    with pytest.raises(MigrationError, match="no virtio-net"):
        LiveMachine.of(machine_of(STREAMS / "nvme-q111"), ram, NetModel.new(ram))


def test_no_guest_without_ram_and_net() -> None:
    there = GuestMachine(lambda idstr: NullBackend())
    (net,) = machine_of(BASE).nets()
    assert isinstance(net.state, Record)
    there.prepare("0000:00:04.0/acme", 0, net.state)
    assert not there.backends
    with pytest.raises(MigrationError, match="the stream brought no RAM, or no virtio-net"):
        there.loaded([], None)


def test_no_guest_in_the_ram_that_came() -> None:
    """A recorded machine brings no guest: nothing is started, and the source keeps it."""
    there = GuestMachine(lambda idstr: NullBackend())
    source = Source(machine_of(STREAMS / "rfc-user-1q"), "stock", options=Options(handover=True))
    destination = migrated(source, Destination(machine=there))
    assert "no guest can go on here" in str(destination.error)
    assert (source.state, source.owner) == (State.FAILED, "source")
