"""A machine that runs while it is migrated: one virtio-net with a guest on it, between the devices of a recorded
stream.

Knows the model and what a source asks of a machine; knows no stream. What a guest has is in its RAM and its device:
both are sent while it goes on, and the rest when it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from vnetmig.errors import MigrationError
from vnetmig.migration.capabilities import IGNORE_SHARED, with_capabilities
from vnetmig.migration.device import DescribedBy, Device
from vnetmig.migration.live_ram import VERSION, RamHandlers, RamMigration
from vnetmig.migration.machine import EarlySection, Enrolment, Machine
from vnetmig.migration.options import Options
from vnetmig.migration.registry import Registry, Saveable
from vnetmig.model.concurrent import RunningGuest
from vnetmig.model.guest_ram import GuestRam
from vnetmig.model.net_model import NetModel
from vnetmig.vmstate.record import Record

LIVE_ROUNDS_MAX = 64
"""Rounds after which a guest that writes more than the bandwidth carries is stopped all the same. (QEMU would go on
until someone throttles it or gives up.)"""

LEAST_THRESHOLD = 64 * 4104
"""Bytes that may be pending at the stop when no bandwidth says how long they take."""


@dataclass(slots=True)
class LiveNet(Device):
    """A virtio-net whose state is asked for at the moment it is needed."""

    model: NetModel | None = None

    def final_state(self) -> Record:
        if self.running.vhost_started:
            # qemu: hw/net/virtio-net.c:virtio_net_pre_save
            raise MigrationError("virtio_net_pre_save: Assertion `!n->vhost_started' failed.")
        return self.running.save()

    def state_at_setup(self) -> Record:
        return self.running.save()

    @property
    def running(self) -> NetModel:
        assert self.model is not None
        return self.model


@dataclass(slots=True)
class LiveMachine(Machine):
    """``net``: the running device, ``ram`` its guest's memory, ``guest`` who runs there. Made by ``of``."""

    ram: GuestRam | None = None
    net: NetModel | None = None
    guest: RunningGuest | None = None
    vhost: bool = field(default=False, init=False)

    @classmethod
    def of(cls, base: Machine, ram: GuestRam, net: NetModel, guest: RunningGuest | None = None) -> LiveMachine:
        """``net`` in the place of the first virtio-net of ``base``, whose RAM and other virtio-nets are left out."""
        nets = list(base.nets())
        if not nets:
            raise MigrationError("this machine has no virtio-net whose place a running one could take")
        first = nets[0]
        live = LiveNet(
            first.idstr, first.instance_id, first.version_id, first.section_id, None, DescribedBy.VIRTIO, model=net
        )
        devices = [live if device is first else device for device in base.devices if device not in nets[1:]]
        configuration = base.configuration
        if configuration is not None:
            configuration = with_capabilities(configuration, off=(IGNORE_SHARED,))
        return cls(
            configuration=configuration,
            devices=devices,
            prelude=base.prelude,
            switchover_start=base.switchover_start,
            description=base.description,
            footers=base.footers,
            ram=ram,
            net=net,
            guest=guest,
        )

    @property
    def rounds_max(self) -> int:
        return LIVE_ROUNDS_MAX

    def threshold(self, options: Options) -> int:
        return max(options.threshold, LEAST_THRESHOLD)

    def enroll(
        self,
        registry: Registry,
        extra: Sequence[Enrolment] = (),
        early: Sequence[EarlySection] = (),
        finals: Mapping[tuple[str, int], Saveable] | None = None,
    ) -> None:
        """RAM first, as QEMU registers it; ids of recorded devices leave room for it."""
        assert self.ram is not None
        taken = {device.section_id for device in self.devices}
        free = next(number for number in range(len(taken) + 1) if number not in taken)
        registry.register_savevm_live("ram", 0, VERSION, RamHandlers(), RamMigration(self.ram), section_id=free)
        Machine.enroll(self, registry, [replace(e, section_id=None) for e in extra], early, finals)

    # OutgoingMachine

    def stop(self) -> None:
        """The guest first, so that no register is written any more, then its device."""
        assert self.net is not None
        if self.guest is not None:
            self.guest.pause()
        self.vhost = self.net.vhost_started
        if self.vhost:
            self.net.vhost_stop()
        self.net.pause()

    def resume(self) -> None:
        assert self.net is not None
        self.net.resume()
        if self.vhost:
            self.net.vhost_start()
        if self.guest is not None:
            self.guest.resume()

    def release(self) -> None:
        if self.guest is not None:
            self.guest.stop()
