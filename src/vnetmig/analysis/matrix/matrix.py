"""`matrix`: what becomes of a machine of each source on each destination.

Knows which checks make a cell; what they check is ``analysis.check``'s, what is imagined is ``imagined``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from vnetmig.analysis.check.check import check
from vnetmig.analysis.matrix.cell import Cell, Found, Outcome, of_a_stream, of_two_guests
from vnetmig.analysis.matrix.imagined import Guests, guests_of
from vnetmig.analysis.matrix.place import Place, columns_of, releases_of, row_of_stream, rows_of
from vnetmig.analysis.matrix.place_rules import does_not_start, missing_devices
from vnetmig.analysis.profile.from_stream import profile_of
from vnetmig.analysis.profile.narrowed import narrowed
from vnetmig.analysis.profile.on_release import on_release
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.release import Release
from vnetmig.document.load import Source, load
from vnetmig.document.stream import Stream
from vnetmig.errors import FieldError
from vnetmig.virtio import features
from vnetmig.virtio.section import SECTIONS

CELLS_MAX = 20_000


@dataclass(frozen=True)
class Matrix:
    """``cells``: row by row, one for each destination. ``words``: what is no row, and why."""

    sources: tuple[Place, ...]
    destinations: tuple[Place, ...]
    cells: tuple[Cell, ...]
    words: tuple[str, ...] = ()

    def cell(self, source: int, destination: int) -> Cell:
        """The cell of a row and a column, by their numbers."""
        return self.cells[source * len(self.destinations) + destination]

    @property
    def loads(self) -> bool:
        """Does every pair load, whatever the guests use?"""
        return all(cell.loads for cell in self.cells)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)


def matrix(
    profiles: Mapping[str, Profile] | Sequence[Profile],
    *,
    streams: Mapping[str, Stream | Source] | None = None,
    qemu: Iterable[str | Release] = (),
    engine: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Matrix:
    """Every source by every destination.

    ``profiles``: what sources and destinations are, by name (a sequence is named by their ``origin``), each on every
    release of ``qemu`` (default: the releases that were watched, and its own); a profile that leaves its machine type
    open is a source of each type. ``streams``: saved streams by name; then they are the sources, and a cell is their
    check. Without, a cell is what a guest of that source can have used: what only some guests meet is said with which.
    ``progress``: called with (cells done, of how many). FieldError when there is no source, or too many.

    >>> import vnetmig
    >>> from vnetmig.analysis.profile.cmdline import profile_of_command
    >>> line = b"qemu-system-x86_64 -M pc-i440fx-10.0 -nodefaults -nic user,model=virtio"
    >>> found = vnetmig.matrix({"vm": profile_of_command(line, "vm.sh")}, qemu=["10.0.13", "11.1"])
    >>> [(str(found.sources[cell.source].release), cell.verdict) for cell in found if cell.destination == 1]
    [('10.0.13', 'refused'), ('11.1', 'works')]
    """
    named = dict(profiles) if isinstance(profiles, Mapping) else _named(profiles)
    asked = [Release.parse(one) if isinstance(one, str) else one for one in qemu]
    rows: list[Place] = []
    columns: list[Place] = []
    words: list[str] = []
    for name, profile in named.items():
        releases = releases_of(profile, asked)
        columns += columns_of(name, profile, releases)
        if not streams:
            found, why = rows_of(name, profile, releases)
            rows += found
            words += why
    for name, given in (streams or {}).items():
        stream = given if isinstance(given, Stream) else load(given, partial=True, engine=engine)
        rows.append(row_of_stream(name, profile_of(stream), stream))
    if not rows or not columns:
        raise FieldError("\n".join(["no source: give the profile of a machine that has devices, or a stream", *words]))
    if len(rows) * len(columns) > CELLS_MAX:
        raise FieldError(f"{len(rows)} sources by {len(columns)} destinations: at most {CELLS_MAX} pairs; give --qemu")
    return Matrix(tuple(rows), tuple(columns), tuple(_cells(rows, columns, engine, progress)), tuple(words))


def _named(profiles: Iterable[Profile]) -> dict[str, Profile]:
    named: dict[str, Profile] = {}
    for number, profile in enumerate(profiles, 1):
        name = profile.origin or f"profile {number}"
        named[name if name not in named else f"{name} ({number})"] = profile
    return named


def _cells(
    rows: Sequence[Place],
    columns: Sequence[Place],
    engine: str | None,
    progress: Callable[[int, int], None] | None,
) -> Iterator[Cell]:
    total = len(rows) * len(columns)
    for row, source in enumerate(rows):
        guests = guests_of(source.profile) if source.stream is None else None
        for column, destination in enumerate(columns):
            there = _there(source, destination)
            found = _found(source, guests, there, engine)
            yield Cell(row, column, there.machine, found)
            if progress is not None:
                progress(row * len(columns) + column + 1, total)


def _there(source: Place, destination: Place) -> Profile:
    """The destination as it is for a machine of ``source``: an alias is the source's type, and a host without devices
    starts the source's own."""
    profile = destination.profile
    if profile.host is not None and not profile.devices and not profile.others:
        return narrowed(on_release(source.profile, destination.release, source.machine), profile.host)
    return on_release(profile, destination.release, source.machine)


def _found(source: Place, guests: Guests | None, there: Profile, engine: str | None) -> tuple[Found, ...]:
    stopped = tuple(map(Found, does_not_start(there)))
    if stopped:
        return stopped
    if guests is None:
        assert source.stream is not None
        return of_a_stream(check(source.stream, there, source=source.profile, engine=engine))
    lacking = tuple(map(Found, missing_devices(source.profile, there)))
    imagined = tuple(device for device in there.devices if device.kind in SECTIONS)
    there = replace(there, devices=imagined, command=None)  # made already, and not to be made again
    most, least = (check(stream, there, source=source.profile, engine=engine) for stream in (guests.most, guests.least))
    found = of_two_guests(most, least, _missing(source.profile, there))
    if any(one.finding.device is None and one.outcome == Outcome.REFUSED for one in found):
        return found  # the stream's head is refused, in front of all devices
    return lacking or found


def _missing(source: Profile, there: Profile) -> dict[str, str]:
    """idstr -> names of the features that its guest is offered at the source and not at the destination."""
    found = {}
    for device in source.devices:
        other = there.device(device.idstr)
        if device.host_features is None or other is None or other.host_features is None:
            continue
        missing = device.host_features & ~other.host_features
        if missing:
            found[device.idstr] = ", ".join(features.names(device.kind, missing))
    return found
