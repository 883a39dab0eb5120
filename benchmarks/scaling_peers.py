"""What people would write for many devices, or for many queues. As in ``peers``: each was tried, none checks anything.

``struct``        objects with an attribute per field, one device after the other
``numpy-take``    all devices in one array, their bytes put in another order at once
``numpy-copyto``  all devices in one array of structures, copied to big-endian ones at once
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapes
from peers import device_bytes, device_of

from vnetmig.document.workload import Workload

PEERS = ("struct", "numpy-take", "numpy-copyto")


def peers_of(workload: Workload, pairs: int, devices: int) -> dict[str, Callable[[], object]]:
    """Calls that save ``devices`` devices of ``pairs`` queue pairs to bytes."""
    rows, wire = shapes.of_pairs(pairs), workload.wire * devices
    states = [device_of(workload.wire, 2 * pairs + 1, 0) for _ in range(devices)]
    order, native, big = shapes.permutation(rows), shapes.dtype(rows, "="), shapes.dtype(rows, ">")
    memory = np.frombuffer(wire, np.uint8).reshape(devices, -1).take(order, axis=1)
    structures = np.empty(devices, native)
    np.copyto(structures, np.frombuffer(wire, big))

    def copied() -> bytes:
        output = np.empty(devices, big)
        np.copyto(output, structures)
        return output.tobytes()

    calls: dict[str, Callable[[], object]] = {
        "struct": lambda: [device_bytes(state) for state in states],
        "numpy-take": lambda: memory.take(order, axis=1).tobytes(),
        "numpy-copyto": copied,
    }
    assert b"".join(map(device_bytes, states)) == calls["numpy-take"]() == calls["numpy-copyto"]() == wire
    return calls
