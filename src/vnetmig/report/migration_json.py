"""The report of `vnetmig migrate` as JSON: the same content as the tables, and every run.

Knows which key holds what; all numbers come from the modules of the tables. Nanoseconds and bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Final, cast

from vnetmig.analysis.significance import LEVEL, interval
from vnetmig.migration.timeline import NOTE, Statistics
from vnetmig.report.afterwards import afterwards_json
from vnetmig.report.against_first import Against, against_first, single_devices, words
from vnetmig.report.frames import frames_of
from vnetmig.report.json import Json
from vnetmig.report.map_costs import MapModel, map_json
from vnetmig.report.measured import Measured, Value
from vnetmig.report.migration import ring_lines
from vnetmig.report.run import Run, Runs, complete
from vnetmig.report.stop_to_start import stop_to_start

SCHEMA: Final = 1
"""Goes up when a key changes its meaning or goes away; new ones may come."""

VALUES: Final[tuple[Value, ...]] = ("downtime", "save", "load", "bytes", "early_save", "early_load", "early_bytes")


def runs_json(runs: Runs, maps: MapModel | None = None) -> dict[str, Json]:
    """``complete``: every run was a good one. ``modes``: by mode, with ``devices`` and groups of them by name.
    ``against``: groups against the first mode; ``against_devices``: one by one."""
    measured = Measured.of(runs)
    compared = len(measured.modes) > 1
    return {
        "schema": SCHEMA,
        "complete": complete(runs),
        "note": NOTE,
        "unit": "ns",
        "level": LEVEL,
        "modes": {mode: _mode(measured, mode, each) for mode, each in runs.items()},
        "against": [_against(row) for row in against_first(measured, measured.groups())] if compared else [],
        "against_devices": [_against(row) for row in single_devices(measured)] if compared else [],
        "words": cast("dict[str, Json]", words(measured)),
        "map_costs": map_json(maps, measured) if maps is not None else None,
    }


def _mode(measured: Measured, mode: str, runs: Sequence[Run]) -> dict[str, Json]:
    found: dict[str, Json] = {"groups": {}, "devices": {}, "clock": {}}
    if mode in measured.modes:
        found["groups"] = {title: _values(measured, mode, names) for title, names in measured.groups()}
        found["devices"] = {name: _values(measured, mode, (name,)) for name in measured.devices}
        found["clock"] = _clock(measured.runs[mode])
    frames = frames_of({mode: runs}).get(mode)
    return {
        "runs": [_run(run) for run in runs],
        **found,
        "frames": None
        if frames is None
        else {
            "forms": dict(frames.forms),
            "resends": list(frames.resends),
            "changed": dict(frames.changed.most_common()),
            "forced": dict(frames.forced.most_common()),
        },
        "rings": list(ring_lines(runs)),
    }


def _values(measured: Measured, mode: str, names: Iterable[str] | None) -> dict[str, Json]:
    listed = None if names is None else tuple(names)
    return {value: _statistics(measured.samples(mode, listed, value)) for value in VALUES}


def _statistics(samples: Sequence[float]) -> dict[str, Json]:
    found = Statistics.of(samples)
    low, high = interval(found) or (None, None)
    return {
        "n": found.n,
        "mean": found.mean,
        "variance": found.variance,
        "sigma": found.sigma,
        "low": low,
        "high": high,
        "median": found.median,
        "min": found.minimum,
        "max": found.maximum,
    }


def _clock(runs: Sequence[Run]) -> dict[str, Json]:
    found = [phases for run in runs if (phases := stop_to_start(run.outcome.timeline)) is not None]
    if not found:
        return {}
    whole = _statistics([float(sum(phases.values())) for phases in found])
    return {"downtime": whole, **{name: _statistics([float(each[name]) for each in found]) for name in found[0]}}


def _against(row: Against) -> dict[str, Json]:
    found = row.found
    return {
        "mode": row.mode,
        "devices": row.devices,
        "difference": found.difference,
        "standard_error": found.standard_error,
        "low": found.low,
        "high": found.high,
        "t": found.t,
        "degrees_of_freedom": found.degrees_of_freedom,
        "p": found.p,
        "p_holm": row.adjusted,
        "p_paired": row.paired,
    }


def _run(run: Run) -> dict[str, Json]:
    outcome, line = run.outcome, run.outcome.timeline
    return {
        "good": run.good,
        "state": outcome.state,
        "owner": outcome.owner,
        "error": outcome.error,
        "faults": list(run.faults()),
        "engine": line.engine,
        "bytes": line.stream_bytes,
        "downtime": line.downtime_ns,
        "phases": cast("Json", stop_to_start(line)),
        "differences": [
            {"idstr": d.idstr, "instance_id": d.instance_id, "message": d.message, "offset": d.offset}
            for d in outcome.differences
        ],
        "sections": [
            {"idstr": d.name, "bytes": d.size, "save": d.save_ns, "load": d.load_ns, "early": d.early}
            for d in line.devices
        ],
        "finals": [
            {
                "idstr": final.idstr,
                "instance_id": final.instance_id,
                "form": final.form,
                "resends": final.resends,
                "changed": list(final.changed),
            }
            for final in outcome.finals
        ],
        "here": cast("Json", asdict(run.here)) if run.here is not None else None,
        "there": afterwards_json(run.there) if run.there is not None else None,
    }
