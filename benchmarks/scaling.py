"""How the cost of a save grows: with the number of devices, and with the number of queue pairs of one device."""

from __future__ import annotations

from batches import CANDIDATES, Calls, saves_of
from scaling_peers import PEERS, peers_of

from vnetmig.document.workload import net4, of_pairs
from vnetmig.engine import engines

DEVICES = (1, 4, 16, 64, 256, 1024, 4096)
PAIRS = (1, 4, 16, 64, 256, 1024)
OF_DEVICES = (*CANDIDATES, *PEERS)
OF_PAIRS = (*engines(), *PEERS)


def of_devices(devices: int) -> Calls:
    """net4, many times."""
    return {**saves_of(net4(), devices), **peers_of(net4(), 4, devices)}


def of_queue_pairs(pairs: int) -> Calls:
    """One device, in one plain call; its control queue and the 1,260 bytes beside its queues count too."""
    workload = of_pairs(pairs)
    return {**{name: workload.saver(name) for name in engines()}, **peers_of(workload, pairs, 1)}


CURVES = {"devices": (DEVICES, of_devices, OF_DEVICES), "queue pairs": (PAIRS, of_queue_pairs, OF_PAIRS)}
"""What grows: how many of it, the calls for so many, their names."""
