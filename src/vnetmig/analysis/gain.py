"""Did one device gain, and did the others pay for it?

The question of the RFC's thread (M. S. Tsirkin on qemu-devel, 2025-07: a device that loads faster may have pushed
something else out of the cache). Knows runs as tables of names and nanoseconds; knows no migration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vnetmig.analysis.significance import LEVEL, Comparison, holm, sign_flip, welch
from vnetmig.analysis.verdict import is_significant, movement, probability, share, verdict
from vnetmig.errors import FieldError
from vnetmig.stream.iterative import IDSTR_SUFFIX

Run = Mapping[str, float]
"""Device name -> nanoseconds, of one migration."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Mode ``after`` against mode ``before``. ``others`` and ``total`` compare each run's sums.

    ``each`` has every other device that all runs of both modes hold and that can be tested, with its p ``adjusted`` for
    their number. ``paired``: sign-flip p of the total, run by run; None when the modes have different numbers of runs.
    """

    device: str
    before: str
    after: str
    own: Comparison
    others: Comparison
    total: Comparison
    each: Mapping[str, Comparison]
    adjusted: Mapping[str, float]
    paired: float | None


def gains(
    modes: Mapping[str, Sequence[Run]], device: str = "virtio-net", level: float = LEVEL, *, paired: bool = True
) -> dict[str, Gain]:
    """Every mode against the first one; FieldError when no run has the device, or a mode no run.

    ``device`` is a device's whole name or the part behind the last ``/``: all that bear it count together, and so do
    their iterative sections. A device that a run does not have took no time in it. ``paired``: the n-th runs of all
    modes took turns.

    >>> stock = [{"virtio-net": 950, "vga": 200}, {"virtio-net": 940, "vga": 220}, {"virtio-net": 930, "vga": 210}]
    >>> early = [{"virtio-net": 430, "vga": 230}, {"virtio-net": 420, "vga": 200}, {"virtio-net": 440, "vga": 215}]
    >>> found = gains({"stock": stock, "iterative": early})["iterative"]
    >>> found.own.difference, found.others.difference, found.total.difference
    (-510.0, 5.0, -505.0)
    """
    for mode, runs in modes.items():
        if not runs:
            raise FieldError(f"mode {mode}: expected at least one run, got none")
    names = list(dict.fromkeys(name for runs in modes.values() for run in runs for name in run))
    own = {name for name in names if bears(name, device)}
    if not own:
        raise FieldError(f"no run has a device '{device}'; there are {', '.join(names) or 'none'}")
    first, *rest = modes
    return {mode: _gain(device, own, (first, modes[first]), (mode, modes[mode]), level, paired) for mode in rest}


def _gain(
    device: str,
    own: set[str],
    before: tuple[str, Sequence[Run]],
    after: tuple[str, Sequence[Run]],
    level: float,
    paired: bool,
) -> Gain:
    runs = before[1], after[1]

    def compared(belongs: Callable[[str], bool]) -> Comparison:
        sums = [[sum(time for name, time in run.items() if belongs(name)) for run in side] for side in runs]
        return welch(sums[0], sums[1], level)

    each, p_values = {}, []
    for name in runs[0][0]:
        if name not in own and all(name in run for side in runs for run in side):
            alone = compared(name.__eq__)
            if alone.p is not None:
                each[name] = alone
                p_values.append(alone.p)
    pairs = [(sum(first.values()), sum(second.values())) for first, second in zip(*runs, strict=False)]
    return Gain(
        device,
        before[0],
        after[0],
        own=compared(own.__contains__),
        others=compared(lambda name: name not in own),
        total=compared(lambda name: True),
        each=each,
        adjusted=dict(zip(each, holm(p_values), strict=True)),
        paired=sign_flip(pairs) if paired and len(runs[0]) == len(runs[1]) else None,
    )


def sentences(gain: Gain) -> Iterator[str]:
    """Three: the device itself, all others, the total."""
    yield f"{gain.device}, {gain.after} against {gain.before}: {verdict(gain.own)}."
    yield f"All other devices: {'; '.join([verdict(gain.others), *_paid(gain), *_alone(gain)])}."
    paired = "" if gain.paired is None else f"; paired by run, {probability(gain.paired)} (sign flips)"
    yield f"All devices: {verdict(gain.total)}{paired}."


def _paid(gain: Gain) -> Iterator[str]:
    """What of the device's gain the others took, or may have taken."""
    won = -gain.own.difference
    if won <= 0 or not is_significant(gain.own) or gain.others.high is None:
        return
    if is_significant(gain.others):
        if gain.others.difference > 0:
            yield f"they took back {share(gain.others.difference / won)} of the gain"
    elif gain.others.high >= won:
        yield "that they took back all of the gain is not excluded"
    else:  # no difference to be seen: the interval reaches above 0
        yield f"they took back {share(gain.others.high / won)} of the gain at most"


def _alone(gain: Gain) -> Iterator[str]:
    """Other devices that changed even when as many tests as there are devices are allowed for."""
    moved = [name for name, p in gain.adjusted.items() if is_significant(gain.each[name], p)]
    for name in moved:
        yield f"{name} {movement(gain.each[name])} ({probability(gain.adjusted[name])} after Holm)"
    if gain.adjusted and not moved:
        yield f"none of the {len(gain.adjusted)} moved alone, after Holm"


def bears(name: str, device: str) -> bool:
    """Is ``device`` the whole of ``name``, or its part behind the last slash? A device's iterative section is its own.

    >>> bears("0000:00:03.0/virtio-net#1", "virtio-net"), bears("0000:00:03.0/virtio-net-iterative", "virtio-net")
    (True, True)
    """
    bare = name.partition("#")[0].removesuffix(IDSTR_SUFFIX)
    return device in (name, bare, bare.rpartition("/")[2])
