"""The workloads' bytes once more, written down by hand for the peers: rows of (name, code) in wire order.

A code is that of the ``struct`` module, big-endian; (name, count, rows) is an array of structures. Nothing here comes
from the package's own descriptions: that both give the same bytes is checked before anything is timed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Row = tuple[str, str] | tuple[str, int, "Rows"]
Rows = tuple[Row, ...]

QUEUE: Rows = (
    ("num", "I"),
    ("num_default", "I"),
    ("align", "I"),
    ("desc", "Q"),
    ("avail", "Q"),
    ("used", "Q"),
    ("last_avail_idx", "H"),
    ("shadow_avail_idx", "H"),
    ("used_idx", "H"),
    ("signalled_used", "H"),
    ("last_avail_wrap_counter", "B"),
    ("shadow_avail_wrap_counter", "B"),
    ("used_wrap_counter", "B"),
    ("signalled_used_valid", "B"),
    ("notification", "B"),
    ("enabled", "B"),
    ("inuse", "I"),
    ("vector", "H"),
    ("tx_waiting", "I"),
    ("tx_timer", "Q"),
)

DEVICE: Rows = (
    ("status", "B"),
    ("isr", "B"),
    ("queue_sel", "H"),
    ("guest_features", "Q"),
    ("mac", "6s"),
    ("net_status", "H"),
    ("mergeable_rx_bufs", "I"),
    ("has_vnet_hdr", "I"),
    ("has_ufo", "B"),
    ("promisc", "B"),
    ("allmulti", "B"),
    ("alluni", "B"),
    ("nomulti", "B"),
    ("nouni", "B"),
    ("nobcast", "B"),
    ("max_queue_pairs", "H"),
    ("curr_queue_pairs", "H"),
    ("curr_guest_offloads", "Q"),
    ("mac_table_in_use", "I"),
    ("mac_table_first_multi", "I"),
    ("mac_table_multi_overflow", "B"),
    ("mac_table_uni_overflow", "B"),
    ("mac_table", "384s"),
    ("vlans", "512s"),  # little-endian words: bytes to everybody
    ("rss_enabled", "B"),
    ("rss_redirect", "B"),
    ("rss_populate_hash", "B"),
    ("rss_hash_types", "I"),
    ("rss_indirections_len", "H"),
    ("rss_default_queue", "H"),
    ("rss_key", "40s"),
    ("rss_indirections_table", "128H"),
)

DESCRIPTOR: Rows = (("addr", "Q"), ("len", "I"), ("id", "H"), ("flags", "H"))


def of_pairs(pairs: int) -> Rows:
    """A device of so many queue pairs and the control queue."""
    return (*DEVICE, ("vq", 2 * pairs + 1, QUEUE))


NET4 = of_pairs(4)
NET256: Rows = (*DEVICE, ("vq", 513, (*QUEUE, ("inflight", 256, DESCRIPTOR))))

# The sample's section. A subsection's header (mark, name, version) is bytes to the peers: they need not look it up.
SECTION_HEAD: Rows = (
    ("pci_version_id", "I"),
    ("pci_config", "256s"),
    ("pci_irq_state", "4I"),
    ("msix", "160s"),
    ("msix_pba", "2s"),
    ("config_vector", "H"),
    ("status", "B"),
    ("isr", "B"),
    ("queue_sel", "H"),
    ("guest_features_low", "I"),
    ("config_len", "I"),
    ("config", "10s"),
    ("num_queues", "I"),
    ("vq", 9, (("num", "I"), ("desc", "Q"), ("last_avail_idx", "H"), ("vector", "H"))),
    ("mac", "6s"),
    ("tx_waiting", "I"),
    ("mergeable_rx_bufs", "I"),
    ("net_status", "H"),
    ("promisc", "B"),
    ("allmulti", "B"),
    ("mac_table_in_use", "I"),
    ("mac_table", "18s"),
    ("vlans", "512s"),
    ("has_vnet_hdr", "I"),
    ("overflow_multi", "B"),
    ("overflow_uni", "B"),
    ("alluni", "B"),
    ("nomulti", "B"),
    ("nouni", "B"),
    ("nobcast", "B"),
    ("has_ufo", "B"),
    ("max_queue_pairs", "H"),
    ("curr_queue_pairs", "H"),
    ("tx_waiting_of_pair", "3I"),
    ("curr_guest_offloads", "Q"),
    ("64bit_features_header", "27s"),
    ("guest_features", "Q"),
    ("virtqueues_header", "23s"),
)
SECTION_RING: Rows = (("avail", "Q"), ("used", "Q"))
SECTION_MIDDLE: Rows = (
    ("extra_state_header", "24s"),
    ("modern_state_header", "29s"),
    ("dfselect", "I"),
    ("gfselect", "I"),
    ("modern_guest_features", "2I"),
)
SECTION_QUEUE: Rows = (
    ("num", "H"),
    ("unused", "B"),
    ("enabled", "B"),
    ("desc", "2I"),
    ("avail", "2I"),
    ("used", "2I"),
)
SECTION_TAIL: Rows = (("started_header", "20s"), ("started", "B"))
SECTION: Rows = (
    *SECTION_HEAD,
    ("rings", 1024, SECTION_RING),
    *SECTION_MIDDLE,
    ("queues", 1024, SECTION_QUEUE),
    *SECTION_TAIL,
)

SHAPES: dict[str, Rows] = {"net4": NET4, "net256": NET256, "section": SECTION}

_CODE = re.compile(r"(\d*)([BHIQs])")
WIDTHS = {"B": 1, "H": 2, "I": 4, "Q": 8, "s": 1}


@dataclass(frozen=True)
class Cell:
    """One row, taken apart: ``count`` numbers of ``width`` bytes, or as many bytes, or structures of ``rows``."""

    name: str
    kind: str
    width: int
    count: int
    rows: Rows = ()


def cells(rows: Rows) -> list[Cell]:
    found = []
    for row in rows:
        if len(row) == 3:
            found.append(Cell(row[0], "struct", 0, row[1], row[2]))
            continue
        match = _CODE.fullmatch(row[1])
        assert match is not None
        count = int(match[1] or 1)
        found.append(Cell(row[0], "bytes" if match[2] == "s" else "uint", WIDTHS[match[2]], count))
    return found


def code(rows: Rows) -> str:
    """All of ``rows`` as one format of the ``struct`` module, without the byte order."""
    return "".join(code(row[2]) * row[1] if len(row) == 3 else row[1] for row in rows)


def dtype(rows: Rows, order: str) -> np.dtype[np.void]:
    """``rows`` as a packed numpy structure, numbers in ``order`` ("<", ">" or "=")."""
    parts: list[tuple[str, npt.DTypeLike, int]] = []
    for cell in cells(rows):
        if cell.kind == "struct":
            parts.append((cell.name, dtype(cell.rows, order), cell.count))
        elif cell.kind == "bytes":
            parts.append((cell.name, np.dtype("u1"), cell.count))
        else:
            parts.append((cell.name, np.dtype(f"{order}u{cell.width}"), cell.count))
    return np.dtype([(name, kind, (count,)) if count != 1 else (name, kind) for name, kind, count in parts])


@lru_cache(maxsize=8)
def permutation(rows: Rows) -> npt.NDArray[np.intp]:
    """Where each byte of the wire lies in native memory of a little-endian host, and the other way round."""
    places: list[npt.NDArray[np.intp]] = []
    at = 0
    for cell in cells(rows):
        if cell.kind == "struct":
            inner = permutation(cell.rows)
            block = np.arange(cell.count)[:, None] * len(inner) + inner
        else:
            width = cell.width
            block = np.arange(cell.count * width).reshape(-1, width)[:, ::-1]
        places.append(at + block.ravel())
        at += block.size
    return np.concatenate(places)
