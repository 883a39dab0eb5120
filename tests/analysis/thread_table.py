"""The thread's own measurement: loading four devices with virtio-net of four queue pairs on vhost, five runs each.

Milliseconds, as posted by J. Palmer to qemu-devel on 2025-07-24 in "[RFC 0/6] virtio-net: initial iterative live
migration support"; mean, variance and sigma as printed there.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    samples: tuple[float, ...]
    mean: float
    variance: float
    sigma: float


#                  (without, with virtio-iterative)
TABLE = {
    "vga": (
        Row((1.47, 1.28, 1.55, 1.36, 1.22), 1.37, 0.0182, 0.135),
        Row((1.50, 1.39, 1.37, 1.50, 1.63), 1.47, 0.0109, 0.104),
    ),
    "virtio-console": (
        Row((13.39, 13.40, 14.37, 13.93, 13.36), 13.69, 0.2007, 0.448),
        Row((13.78, 14.24, 13.74, 13.89, 13.60), 13.85, 0.0583, 0.241),
    ),
    "virtio-net": (
        Row((18.52, 17.77, 17.52, 15.52, 17.32), 17.33, 1.2305, 1.109),
        Row((13.91, 13.52, 13.09, 13.59, 13.37), 13.49, 0.0904, 0.301),
    ),
    "virtio-scsi": (
        Row((13.35, 13.94, 15.17, 16.01, 14.08), 14.51, 1.1352, 1.065),
        Row((18.71, 13.96, 14.05, 16.55, 14.30), 15.51, 4.3299, 2.081),
    ),
}

MODES = {
    mode: [{name: rows[side].samples[run] * 1e6 for name, rows in TABLE.items()} for run in range(5)]
    for side, mode in enumerate(("stock", "iterative"))
}
"""The same as runs, in nanoseconds; that the n-th samples of all devices are of one run is how the table reads."""
