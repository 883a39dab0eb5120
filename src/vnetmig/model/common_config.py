"""The registers by which a driver sets a device up: name -> how it is read and written.

Sources: virtio 1.3, 4.1.4.3 (struct virtio_pci_common_cfg); qemu: hw/virtio/virtio-pci.c:virtio_pci_common_read and
_write. The 64-bit addresses are one register each here. Knows values; what a status write sets going is the device's.
"""

from __future__ import annotations

from collections.abc import Callable

from vnetmig.model.net_values import S_FEATURES_OK, NetValues
from vnetmig.model.queue import NO_VECTOR, SIZE_MAX, Queue
from vnetmig.virtio.core import QUEUE_MAX

_U16, _U32, _U64 = 0xFFFF, 0xFFFFFFFF, (1 << 64) - 1


def selected(values: NetValues) -> Queue | None:
    """The queue that queue_select names, if the device has it."""
    return values.queues[values.queue_sel] if values.queue_sel < len(values.queues) else None


def _device_feature(values: NetValues) -> int:
    return values.properties.offered >> 32 * values.dfselect & _U32 if values.dfselect < 4 else 0


def _driver_feature(values: NetValues) -> int:
    return values.driver_words[values.gfselect] if values.gfselect < 4 else 0


def _of_queue(read: Callable[[Queue], int]) -> Callable[[NetValues], int]:
    def register(values: NetValues) -> int:
        queue = selected(values)
        return 0 if queue is None else read(queue)

    return register


READS: dict[str, Callable[[NetValues], int]] = {
    "device_feature_select": lambda v: v.dfselect,
    "device_feature": _device_feature,
    "driver_feature_select": lambda v: v.gfselect,
    "driver_feature": _driver_feature,
    "config_msix_vector": lambda v: v.config_vector,
    "num_queues": lambda v: 2 * v.max_queue_pairs + 1,
    "device_status": lambda v: v.status,
    "queue_select": lambda v: v.queue_sel,
    "queue_size": _of_queue(lambda q: q.num),
    "queue_msix_vector": _of_queue(lambda q: q.vector),
    "queue_enable": _of_queue(lambda q: q.programmed.enabled),
    "queue_desc": _of_queue(lambda q: q.programmed.desc),
    "queue_driver": _of_queue(lambda q: q.programmed.avail),
    "queue_device": _of_queue(lambda q: q.programmed.used),
}


def _set_device_feature_select(values: NetValues, value: int) -> None:
    values.dfselect = value & _U32


def _set_driver_feature_select(values: NetValues, value: int) -> None:
    values.gfselect = value & _U32


def _set_driver_feature(values: NetValues, value: int) -> None:
    if values.gfselect >= 4 or values.status & S_FEATURES_OK:
        return
    values.driver_words[values.gfselect] = value & _U32
    values.set_features(sum(word << 32 * i for i, word in enumerate(values.driver_words)))


def _vector(values: NetValues, value: int) -> int:
    """A vector that the device has not got reads back as none (virtio 1.3, 4.1.5.1.2.1)."""
    return value if value < 2 * values.max_queue_pairs + 2 else NO_VECTOR


def _set_config_msix_vector(values: NetValues, value: int) -> None:
    values.config_vector = _vector(values, value & _U16)


def _set_queue_select(values: NetValues, value: int) -> None:
    if value < QUEUE_MAX:
        values.queue_sel = value


def _set_queue_size(values: NetValues, value: int) -> None:
    queue = selected(values)
    if queue is not None and 0 < value <= SIZE_MAX:
        queue.num = queue.programmed.num = value


def _set_queue_vector(values: NetValues, value: int) -> None:
    queue = selected(values)
    if queue is not None:
        queue.vector = _vector(values, value & _U16)


def _set_queue_enable(values: NetValues, value: int) -> None:
    """qemu: virtio_pci_common_write: the addresses take effect; writing anything but 1 is forbidden."""
    queue = selected(values)
    if queue is None or value != 1:
        return
    programmed = queue.programmed
    programmed.num = queue.num
    programmed.enabled = 1
    queue.desc, queue.avail, queue.used = programmed.desc, programmed.avail, programmed.used


def _address(name: str) -> Callable[[NetValues, int], None]:
    def register(values: NetValues, value: int) -> None:
        queue = selected(values)
        if queue is not None:
            setattr(queue.programmed, name, value & _U64)

    return register


WRITES: dict[str, Callable[[NetValues, int], None]] = {
    "device_feature_select": _set_device_feature_select,
    "driver_feature_select": _set_driver_feature_select,
    "driver_feature": _set_driver_feature,
    "config_msix_vector": _set_config_msix_vector,
    "queue_select": _set_queue_select,
    "queue_size": _set_queue_size,
    "queue_msix_vector": _set_queue_vector,
    "queue_enable": _set_queue_enable,
    "queue_desc": _address("desc"),
    "queue_driver": _address("avail"),
    "queue_device": _address("used"),
}
