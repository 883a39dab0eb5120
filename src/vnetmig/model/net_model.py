"""A virtio-net device: registers, doorbells, a wire, and a snapshot of all its values at any moment.

Knows how the parts work together and the one lock around them; the rings, commands and filters are in their own
modules.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar

from vnetmig.errors import VnetmigError
from vnetmig.model import common_config, filters, net_queues, steering
from vnetmig.model import properties as p
from vnetmig.model.guest_ram import GuestRam
from vnetmig.model.net_values import S_DRIVER_OK, S_FEATURES_OK, S_NEEDS_RESET, NetValues
from vnetmig.model.packed_ring import PackedRing
from vnetmig.model.properties import Properties
from vnetmig.model.queue import Queue, Ring, RingFault
from vnetmig.model.record_load import load_values
from vnetmig.model.record_save import Saver
from vnetmig.model.split_ring import SplitRing
from vnetmig.model.wire import SilentWire, Wire
from vnetmig.vmstate import Record

_ISR_QUEUE, _ISR_CONFIG = 1, 2


class DevicePaused(VnetmigError):
    """A register of a paused device was written: the guest has to stop before its device does, as in QEMU."""


def _no_interrupt(vector: int) -> None:
    pass


class NetModel:
    """One device. Any thread may call anything: one lock is held for each call.

    >>> ram = GuestRam(1 << 20)
    >>> device = NetModel.new(ram, queue_pairs=4)
    >>> device.read("device_status"), len(device.values.queues)
    (0, 3)
    >>> device.save()["max_queue_pairs"]
    4
    """

    split_ring: ClassVar[Callable[..., Ring]] = SplitRing
    packed_ring: ClassVar[Callable[..., Ring]] = PackedRing

    def __init__(self, values: NetValues, ram: GuestRam, wire: Wire | None, saver: Saver, *, paused: bool) -> None:
        self.values = values
        self.ram = ram
        self.wire: Wire = SilentWire() if wire is None else wire
        if not paused:
            self.wire.attach(self.receive)
        self.interrupt: Callable[[int], None] = _no_interrupt
        """Called with the MSI-X vector of each interrupt (0xffff: the device has none for it)."""
        self.fault: str | None = None
        """What made the device broken, in QEMU's words."""
        self.generation = 0
        self.paused = paused
        self.vhost_started = False
        self._lock = threading.RLock()
        self._saver = saver
        self._rings: dict[int, Ring] = {}

    @classmethod
    def new(
        cls,
        ram: GuestRam,
        wire: Wire | None = None,
        *,
        queue_pairs: int = 4,
        packed: bool = False,
        offered: int | None = None,
        mac: bytes = p.FIRST_MAC,
    ) -> NetModel:
        """A device as it is before a driver finds it, running. ``offered``: feature bits, else a usual set."""
        bits = p.OFFERED | (p.MQ if queue_pairs > 1 else 0) if offered is None else offered
        bits |= p.RING_PACKED if packed else 0
        properties = Properties(queue_pairs=queue_pairs, offered=bits, mac=mac)
        return cls(NetValues.new(properties), ram, wire, Saver.new(properties), paused=False)

    @classmethod
    def from_record(
        cls, record: Record, ram: GuestRam, wire: Wire | None = None, properties: Properties | None = None
    ) -> NetModel:
        """The device of ``record`` beside the guest memory it was saved with, paused: ``resume()`` lets it run.

        ``properties``: of this side, which must be those of the other; None takes what the record proves.
        StreamError when QEMU would refuse the load; rings that only make the device broken do so here, too.
        """
        values, fault = load_values(record, ram, properties)
        device = cls(values, ram, wire, Saver(record, values.properties), paused=True)
        if fault is not None:
            device._break(fault)
        return device

    @property
    def properties(self) -> Properties:
        return self.values.properties

    # registers

    def read(self, register: str) -> int:
        """A register of the common configuration (common_config.READS), or ``config_generation``."""
        with self._lock:
            if register == "config_generation":
                return self.generation & 0xFF
            return common_config.READS[register](self.values)

    def write(self, register: str, value: int) -> None:
        with self._lock:
            self._must_run(register)
            if register == "device_status":
                self._set_status(value & 0xFF)
            else:
                common_config.WRITES[register](self.values, value)

    def read_isr(self) -> int:
        """The interrupt status: 1 a queue, 2 the configuration; reading clears it."""
        with self._lock:
            isr = self.values.isr
            if not self.paused:
                self.values.isr = 0
            return isr

    def read_config(self, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of the device's config space."""
        with self._lock:
            config = self.properties.config(self.values.mac, self.values.net_status)
            if not self.paused:
                self.values.config = config
            return config[offset:] if length is None else config[offset : offset + length]

    def write_config(self, offset: int, data: bytes) -> None:
        """Only a legacy driver sets its MAC address so (qemu: virtio_net_set_config)."""
        with self._lock:
            self._must_run("config")
            if offset == 0 and len(data) >= 6 and not self.values.has(p.CTRL_MAC_ADDR | p.VERSION_1):
                self.values.mac = bytes(data[:6])

    def _must_run(self, register: str) -> None:
        if self.paused:
            raise DevicePaused(f"{register} is written while the device is paused: pause the guest first")

    def _set_status(self, status: int) -> None:
        values = self.values
        if not status:
            values.reset()
            self._rings.clear()
            self.fault = None
            self._hold()
            return
        if values.has(p.VERSION_1) and status & S_FEATURES_OK and not values.status & S_FEATURES_OK:
            asked = sum(word << 32 * i for i, word in enumerate(values.driver_words))
            if asked & ~self.properties.offered:
                return  # the driver sees that FEATURES_OK did not stay (virtio 1.3, 3.1.1)
        started = bool(status & S_DRIVER_OK)
        values.status = status
        if started and not values.started:
            self._rings.clear()
            values.started = started
            self._hold()
        values.started = started

    # doorbells

    def notify(self, index: int) -> None:
        """The driver's doorbell of queue ``index``."""
        with self._lock:
            if index >= len(self.values.queues):
                return
            if self.paused:
                self.values.queues[index].tx_waiting |= self._is_tx(index)
                return
            self._serve(index)

    def _is_tx(self, index: int) -> int:
        return index & 1

    def _ready(self, index: int) -> bool:
        values = self.values
        usable = values.started and not values.broken and not values.disabled
        return usable and index < len(values.queues) and values.queues[index].desc != 0

    def _ring(self, index: int) -> Ring:
        ring = self._rings.get(index)
        if ring is None:
            values = self.values
            made = self.packed_ring if values.has(p.RING_PACKED) else self.split_ring
            ring = self._rings[index] = made(
                self.ram, values.queues[index], event_idx=values.has(p.EVENT_IDX), indirect=values.has(p.INDIRECT_DESC)
            )
        return ring

    def _serve(self, index: int) -> None:
        if not self._ready(index):
            return
        control = len(self.values.queues) - 1
        try:
            if index == control:
                due = self._run_commands(index)
            elif self._is_tx(index):
                due = self._transmit(index)
            else:
                self.wire.ready(index // 2)
                return
        except RingFault as fault:
            self._break(str(fault))
            return
        if due:
            self._interrupt(self.values.queues[index])

    def _run_commands(self, index: int) -> bool:
        due = net_queues.run_commands(self.ram, self._ring(index), self.values)
        self.generation += 1
        return due

    def _transmit(self, index: int) -> bool:
        """qemu: virtio_net_tx_bh: no doorbells while it works; then again, for what came in between."""
        values, ring, pair = self.values, self._ring(index), index // 2
        values.queues[index].tx_waiting = 0
        if pair >= values.curr_queue_pairs:
            return False
        due = False
        for _ in range(2):
            ring.set_notification(False)
            due |= net_queues.transmit(self.ram, ring, values.header_length, lambda frame: self._send(pair, frame))
            ring.set_notification(True)
            if values.broken or ring.empty():
                break
        return due

    def _send(self, pair: int, frame: bytes) -> None:
        if self.values.net_status & p.S_LINK_UP:
            self.wire.transmit(pair, frame)

    def _break(self, message: str) -> None:
        """qemu: virtio_error."""
        values = self.values
        self.fault = message
        values.broken = True
        if values.has(p.VERSION_1):
            values.status |= S_NEEDS_RESET
            self._config_interrupt()

    def _interrupt(self, queue: Queue) -> None:
        self.values.isr |= _ISR_QUEUE
        self.interrupt(queue.vector)

    def _config_interrupt(self) -> None:
        """qemu: virtio_notify_config."""
        values = self.values
        if not values.status & S_DRIVER_OK:
            return
        self.generation += 1
        values.isr |= _ISR_QUEUE | _ISR_CONFIG
        self.interrupt(values.config_vector)

    # the wire

    def receive(self, frame: bytes, pair: int = 0) -> bool:
        """A frame from the wire, which the backend delivers to ``pair``.

        False: not taken (paused, not set up, no buffers); it may be offered again. A frame that the filter drops is
        taken.
        """
        with self._lock:
            values = self.values
            found = steering.hash_of(values.rss, frame) if values.rss.enabled else None
            pair = steering.pair_of(values.rss, found, pair)
            index = 2 * pair
            if self.paused or pair >= values.curr_queue_pairs or not self._ready(index):
                return False
            if not values.net_status & p.S_LINK_UP or not filters.passes(values, frame):
                return True
            report = found if values.rss.populate_hash else None
            try:
                taken, due = net_queues.receive(self.ram, self._ring(index), values, frame, report)
            except RingFault as fault:
                self._break(str(fault))
                return False
            if due:
                self._interrupt(values.queues[index])
            return taken

    # the host's side

    def set_link(self, up: bool) -> None:
        """The link goes up or down: the guest sees it in its config space and is told."""
        with self._lock:
            values = self.values
            if bool(values.net_status & p.S_LINK_UP) == up:
                return
            values.net_status ^= p.S_LINK_UP
            self._config_interrupt()

    def announce(self) -> bool:
        """Ask the guest to announce itself; False when its driver does not know how (qemu: virtio_net_announce)."""
        with self._lock:
            values = self.values
            if not (values.has(p.GUEST_ANNOUNCE) and values.has(p.CTRL_VQ)):
                return False
            values.net_status |= p.S_ANNOUNCE
            self._config_interrupt()
            return True

    def pause(self) -> None:
        """Stop serving: no queue is looked at and no register changes anything; doorbells are kept."""
        with self._lock:
            self.paused = True

    def resume(self) -> None:
        """Take the wire, and serve again, beginning with what is in the rings.

        qemu: virtio_bus_start_ioeventfd kicks every queue.
        """
        with self._lock:
            self.paused = False
            self.wire.attach(self.receive)
            for index in range(len(self.values.queues)):
                self._serve(index)

    def vhost_start(self) -> None:
        """From now on as if vhost ran the data queues: the indices that ``save`` gives are those of this moment."""
        with self._lock:
            self.vhost_started = True
            self._hold()

    def _hold(self) -> None:
        """vhost gets the indices when it starts, and again when the driver starts anew."""
        if self.vhost_started:
            self._saver.hold(self.values)

    def vhost_stop(self) -> None:
        """The device has its indices back (VHOST_GET_VRING_BASE)."""
        with self._lock:
            self.vhost_started = False
            self._saver.release()

    def save(self) -> Record:
        """All values at one moment; quick enough to be called from a loop."""
        with self._lock:
            return self._saver.save(self.values)
