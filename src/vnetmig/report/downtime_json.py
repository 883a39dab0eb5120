"""What trace logs say about downtime, as JSON: every sample, every statistic, every p.

Knows measured downtimes; computes statistics of samples, tests nothing. Microseconds.
"""

from __future__ import annotations

from dataclasses import asdict

from vnetmig.analysis.downtime.compared import Against
from vnetmig.analysis.downtime.downtime import Downtime
from vnetmig.analysis.downtime.hop import INTERVALS, Hop
from vnetmig.analysis.downtime.quantity import Quantity, Samples
from vnetmig.analysis.downtime.words import verdict
from vnetmig.analysis.significance import interval
from vnetmig.migration.timeline import Statistics
from vnetmig.report.json import Json


def downtime_json(found: Downtime) -> dict[str, Json]:
    return {
        "device": found.device,
        "arms": list(found.arms),
        "series": list(found.series),
        "migrations": [_hop(hop) for hop in found.hops],
        "left_out": [hop.name for hop in found.left_out],
        "notes": list(found.notes),
        "verdict": [{"about": title, "sentences": list(said)} for title, said in verdict(found)],
        "quantities": [_quantity(quantity) for quantity in found.quantities],
        "against": [_against(row) for row in found.against],
        "outliers": [
            {
                "migration": outlier.hop,
                "arm": outlier.arm,
                "side": outlier.quantity.side,
                "name": outlier.quantity.name,
                "us": outlier.value,
                "median": outlier.median,
            }
            for outlier in found.outliers
        ],
        "ping": _ping(found),
    }


def _hop(hop: Hop) -> Json:
    return {
        "series": hop.series,
        "number": hop.number,
        "arm": hop.arm,
        "block": hop.block,
        **{name: hop.between(name) for name in INTERVALS},
    }


def _quantity(quantity: Quantity) -> Json:
    entry = quantity.entry
    return {
        "kind": quantity.kind,
        "side": quantity.side,
        "name": quantity.name,
        "entry": None if entry is None else asdict(entry),
        "arms": {arm: statistics_json(samples) for arm, samples in quantity.samples.items()},
    }


def statistics_json(samples: Samples) -> dict[str, Json]:
    found = Statistics.of(samples.values)
    reach = interval(found)
    return {
        **asdict(found),
        "low": None if reach is None else reach[0],
        "high": None if reach is None else reach[1],
        "us": list(samples.values),
        "migrations": list(samples.hops),
    }


def _against(row: Against) -> Json:
    compared = row.welch
    return {
        "side": row.quantity.side,
        "name": row.quantity.name,
        "kind": row.quantity.kind,
        "arm": row.arm,
        "difference": compared.difference,
        "low": compared.low,
        "high": compared.high,
        "level": compared.level,
        "t": compared.t,
        "degrees_of_freedom": compared.degrees_of_freedom,
        "p": compared.p,
        "p_holm": row.holm,
        "effect": row.effect,
        "pairs": row.pairs,
        "p_ranks": row.wilcoxon,
        "p_ranks_holm": row.wilcoxon_holm,
        "p_signs": row.sign_flip,
    }


def _ping(found: Downtime) -> Json:
    if found.ping is None:
        return None
    return {
        "replies": found.ping.replies,
        "interval": found.ping.interval,
        "outages": [asdict(outage) for outage in found.ping.outages],
        "migrations": [
            {
                "migration": dark.hop,
                "stopped": dark.stopped,
                "started": dark.started,
                "blackout": dark.blackout,
                "outage": None if dark.outage is None else dark.outage.length,
                "after_start": dark.afterwards,
            }
            for dark in found.dark
        ],
    }
