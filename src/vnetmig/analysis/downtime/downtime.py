"""`vnetmig.downtime`: trace logs in, statistics and what they prove out.

Knows where the parts are; reads files, writes none. Microseconds throughout.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Final

from vnetmig.analysis.downtime.blackout import Dark, darks
from vnetmig.analysis.downtime.compared import Against, against_first
from vnetmig.analysis.downtime.hop import Hop
from vnetmig.analysis.downtime.outlier import Outlier, outliers
from vnetmig.analysis.downtime.ping import Ping, read_ping
from vnetmig.analysis.downtime.quantity import Kind, Quantity, quantities
from vnetmig.analysis.downtime.query_migrate import read_query_migrate
from vnetmig.analysis.downtime.run_folder import OFF_ON, Folder, read_folder, sort
from vnetmig.analysis.downtime.side import Role, Side
from vnetmig.analysis.downtime.trace_log import Log, read_log
from vnetmig.errors import FieldError, StreamError

Source = str | os.PathLike[str] | bytes

ARMS_MAX: Final = 64
"""Each is compared with the first one, in every quantity."""


@dataclass(frozen=True)
class Downtime:
    """``arms``: what is compared, the first one is what the others are compared with. ``hops`` count; ``left_out`` are
    of the warm-up. ``notes``: what could not be used, in words."""

    device: str
    arms: tuple[str, ...]
    hops: tuple[Hop, ...]
    left_out: tuple[Hop, ...]
    notes: tuple[str, ...]
    quantities: tuple[Quantity, ...]
    against: tuple[Against, ...]
    outliers: tuple[Outlier, ...]
    ping: Ping | None = None
    dark: tuple[Dark, ...] = ()

    def quantity(self, name: str, side: str = "", kind: Kind | None = None) -> Quantity:
        """By name, or by the part of it behind the last slash; FieldError when there is none."""
        named = [found for found in self.quantities if found.side == side and kind in (None, found.kind)]
        for found in named:
            if found.name == name:
                return found
        for found in named:
            if found.name.rpartition("/")[2] == name:
                return found
        raise FieldError(f"nothing is called '{name}'{f' on the side of {side}' if side else ''}")

    def row(self, name: str, side: str = "", arm: str | None = None) -> Against:
        """The comparison of ``quantity(name, side)``; of the second arm unless another is named."""
        wanted = self.quantity(name, side)
        for row in self.against:
            if row.quantity is wanted and arm in (None, row.arm):
                return row
        raise FieldError(f"'{name}' is not compared: there is {', '.join(self.arms)}")

    @property
    def series(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(hop.series for hop in self.hops))


def downtime(
    source: Source | None = None,
    destination: Source | None = None,
    *,
    runs: Sequence[str | os.PathLike[str]] = (),
    query_migrate: Source | None = None,
    ping: Source | None = None,
    device: str = "virtio-net",
    series: str | None = None,
    warm_up: int | None = None,
) -> Downtime:
    """What the trace logs of both sides say: ``source`` and ``destination`` (paths, or bytes of logs), or folders of
    ``runs``.

    One log may hold both sides. Several folders that are chains are arms: the first one is what the others are compared
    with. ``series``: only the runs of that name (`1q` of `1q-runs.jsonl`); ``warm_up``: migrations at the beginning of
    each series that do not count, by default 2 of runs in blocks of two, none of a chain or of two logs. ``device``:
    whose gain the comparison is about. Folders of one name are told apart by the paths that were given.

    StreamError for a log without migrations, and for more than ARMS_MAX arms; OSError for a file that is not there.

    >>> found = downtime(
    ...     b"vmstate_downtime_save type=non-iterable idstr=0000:00:03.0/virtio-net instance_id=0 downtime=356\\n",
    ...     b"vmstate_downtime_load type=non-iterable idstr=0000:00:03.0/virtio-net instance_id=0 downtime=673\\n",
    ... )
    >>> [(quantity.side, quantity.name, list(quantity.samples["all"].values)) for quantity in found.quantities[:2]]
    [('load', '0000:00:03.0/virtio-net', [673]), ('load', 'all devices', [673])]
    """
    if bool(runs) == (source is not None or destination is not None):
        raise FieldError("expected the logs of a source and a destination, or folders of runs")
    folder = _folders(list(map(Path, runs)), warm_up) if runs else _of_logs(source, destination, warm_up or 0)
    hops = [hop for hop in folder.hops if series in (None, hop.series)]
    if not hops:
        raise FieldError(f"no series '{series}'; there are {', '.join(sorted({hop.series for hop in folder.hops}))}")
    if query_migrate is not None:
        with _open(query_migrate) as file:
            hops = _told(hops, read_query_migrate(file, _name(query_migrate)))
    arms = _arms(hops)
    found = tuple(quantities(hops, device))
    pinged = None
    if ping is not None:
        with _open(ping) as file:
            pinged = read_ping(file, _name(ping))
    return Downtime(
        device,
        arms,
        tuple(hops),
        tuple(hop for hop in folder.left_out if series in (None, hop.series)),
        (*folder.broken, *_clocks(hops)),
        found,
        tuple(against_first(hops, arms, found)),
        tuple(outliers(found)),
        pinged,
        () if pinged is None else tuple(darks(hops, pinged)),
    )


def _arms(hops: Iterable[Hop]) -> tuple[str, ...]:
    """In the order in which they come; but `on` is compared with `off`."""
    arms = dict.fromkeys(hop.arm for hop in hops)
    if len(arms) > ARMS_MAX:
        raise StreamError("too many arms", expected=f"at most {ARMS_MAX} to compare", got=str(len(arms)))
    return OFF_ON if arms.keys() == set(OFF_ON) else tuple(arms)


def _clocks(hops: Sequence[Hop]) -> Iterator[str]:
    apart = sum(hop.clocks_differ for hop in hops)
    if apart:
        yield (
            f"{apart} migrations end before they begin, by the clocks of both hosts: set the clocks (NTP); what lies"
            " between the sides is not told of them"
        )


def _folders(paths: Sequence[Path], warm_up: int | None) -> Folder:
    places = [path.resolve() for path in paths]
    for place, path in zip(places, paths, strict=True):
        if places.count(place) > 1:
            raise FieldError(f"{path}: the same folder twice: there is nothing to compare")
    whole = Folder()
    given = [place.name for place in places]
    for path, name in zip(paths, given, strict=True):
        found = read_folder(path, warm_up, name if given.count(name) == 1 else str(path))
        taken = {hop.series for hop in (*whole.hops, *whole.left_out)}
        for into, hops in ((whole.hops, found.hops), (whole.left_out, found.left_out)):
            into.extend(replace(hop, series=f"{path}/{hop.series}") if hop.series in taken else hop for hop in hops)
        whole.broken.extend(found.broken)
    return whole


def _of_logs(source: Source | None, destination: Source | None, warm_up: int) -> Folder:
    logs = [_log(log) for log in (source, destination) if log is not None]
    first, last = logs[0], logs[-1]
    saves = first.of(Role.SOURCE) if source is not None else []
    loads = last.of(Role.DESTINATION)
    if not saves and not loads:
        raise StreamError(
            f"{' and '.join(log.name for log in logs)}: no downtime events of a migration that got through",
            expected="lines of vmstate_downtime_save, _load and _checkpoint",
            got=f"{sum(log.skipped for log in logs)} that were cut" if any(log.skipped for log in logs) else "none",
            hint="QEMU 8.2 and later write them with -trace 'vmstate_downtime_*' -D FILE on each side",
        )
    folder = Folder()
    pairs = list(_paired(saves, loads))
    sort((Hop("log", number, "all", save, load) for number, (save, load) in enumerate(pairs)), warm_up, folder)
    if not folder.hops:
        raise FieldError(f"all {len(pairs)} migrations are of the warm-up")
    alone = len(saves) + len(loads) - sum((save is not None) + (load is not None) for save, load in pairs)
    if alone:
        folder.broken.append(f"{alone} sides of migrations have no other side")
    folder.broken.extend(f"{log.name}: {log.skipped} events were cut" for log in logs if log.skipped)
    return folder


def _paired(saves: Sequence[Side], loads: Sequence[Side]) -> Iterable[tuple[Side | None, Side | None]]:
    """In order; where one side has more, its last ones: what failed before was tried again."""
    if not saves or not loads:
        return [(save, None) for save in saves] or [(None, load) for load in loads]
    number = min(len(saves), len(loads))
    return list(zip(saves[-number:], loads[-number:], strict=True))


def _told(hops: Sequence[Hop], answers: Sequence[dict[str, float]]) -> list[Hop]:
    if len(answers) != len(hops):
        raise FieldError(f"query-migrate: expected an answer for each of {len(hops)} migrations, got {len(answers)}")
    return [replace(hop, told=answer) for hop, answer in zip(hops, answers, strict=True)]


def _log(source: Source) -> Log:
    with _open(source) as file:
        return read_log(file, _name(source))


def _open(source: Source) -> IO[bytes]:
    return BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")


def _name(source: Source) -> str:
    return "log" if isinstance(source, bytes) else str(source)
