"""What an experiment did, in a few lines: its figures are another verb's.

Knows runs as they are kept; computes no more than a median.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from vnetmig.report.blocks import Block, Note, Table, columns

_COLUMNS = columns("arm", ">migrations", ">median", ">min", ">max")


def experiment_blocks(
    runs: Iterable[Mapping[str, Any]], labels: tuple[str, str], resumed: int, failures: Iterable[Mapping[str, Any]]
) -> list[Block]:
    """``labels``: what A and B are."""
    kept = list(runs)
    rows: list[tuple[str, ...]] = []
    for on, label in enumerate(labels):
        took = [run["downtime_ms"] for run in kept if run["on"] == bool(on) and run["downtime_ms"] is not None]
        figures = (f"{median(took):g}", str(min(took)), str(max(took))) if took else ("", "", "")
        rows.append((label, str(len(took)), *figures))
    blocks: list[Block] = [Table("downtime as query-migrate says it (ms)", _COLUMNS, rows)]
    if resumed:
        blocks.append(Note(f"{resumed} of the migrations were there already"))
    blocks.extend(
        Note(f"run {failure['k']}, attempt {failure['attempt']}: {failure['reason']}") for failure in failures
    )
    return blocks
