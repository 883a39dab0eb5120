"""Many streams checked side by side: what one call takes, and results in the order of the paths.

Knows executors and batches; knows no rule. Paths and profiles go to a worker, frozen results come back: nothing else
crosses a process.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice

from vnetmig.analysis.check.check import check
from vnetmig.analysis.finding import CheckResult, Severity
from vnetmig.analysis.profile.from_stream import OfStream
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.release import Release
from vnetmig.analysis.worker_pool import WorkerPool
from vnetmig.document.load import load
from vnetmig.errors import VnetmigError

BATCH = 16
"""Streams that a worker takes at once: the way to it costs as much as a check."""
IN_FLIGHT = 4
"""Batches per worker that are under way, so that none waits; no more, so that a million paths take no memory."""

DIED = "the process that checked it died"

Destination = Profile | OfStream
Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class FileChecked:
    """``results``: one for each destination and release that was asked for. ``error``: why there are none."""

    path: str
    results: tuple[CheckResult, ...] = ()
    error: str | None = None

    @property
    def worst(self) -> Severity | None:
        """Over all results; None when the file could not be read."""
        return max((result.worst for result in self.results), default=None)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of every stream."""

    against: tuple[Destination, ...]
    releases: tuple[Release | None, ...]
    source: Destination | None
    engine: str | None


def check_files(
    paths: Iterable[Path],
    against: Destination | Sequence[Destination] | None = None,
    *,
    qemu: str | Release | Sequence[str | Release] | None = None,
    source: Destination | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    batch: int = BATCH,
    engine: str | None = None,
) -> Generator[FileChecked, None, None]:
    """``check`` of every stream of ``paths``, in their order, as soon as they are there.

    ``against`` and ``qemu`` may be several: a result for each pair of them. ``executor``: any of concurrent.futures',
    also Dask's (``Client(address).get_executor()``), it stays open; None: ``workers`` processes (default: as many as
    processors; 1: this process). A worker that dies takes the streams of its batch along, which say so in ``error``,
    as does a file that cannot be read; the rest goes on. ``paths`` may be an endless iterator: few batches are under
    way at a time, whose paths are taken when there is room. Closing the iterator cancels what has not begun.

    As with every pool of processes, a script that calls this needs its ``if __name__ == "__main__":``.

    >>> import vnetmig
    >>> [found] = vnetmig.check_files(["/no/such/stream"], qemu=["7.2", "11.1"], workers=1)
    >>> found.results, found.error
    ((), 'No such file or directory')
    """
    many = (against,) if against is None or isinstance(against, Profile | OfStream) else tuple(against)
    several = (qemu,) if qemu is None or isinstance(qemu, str | Release) else tuple(qemu) or (None,)
    asked = _Asked(
        tuple(OfStream() if one is None else one for one in many),
        tuple(Release.parse(one) if isinstance(one, str) else one for one in several),
        source,
        engine,
    )
    if batch < 1 or (workers is not None and workers < 1):
        raise ValueError("batch and workers: expected at least 1")
    return _checked((os.fspath(path) for path in paths), asked, executor, workers or os.cpu_count() or 1, batch)


def _checked(
    paths: Iterator[str], asked: _Asked, executor: Executor | None, workers: int, batch: int
) -> Generator[FileChecked, None, None]:
    if executor is None and workers == 1:
        for path in paths:
            yield _check_file(path, path, asked)
        return
    batches = iter(lambda: tuple(islice(paths, batch)), ())
    pool = WorkerPool(executor, workers)
    under_way: deque[tuple[tuple[str, ...], Future[list[FileChecked]]]] = deque()
    try:
        while True:
            while len(under_way) < IN_FLIGHT * pool.workers and (taken := next(batches, None)):
                under_way.append((taken, _submit(pool, taken, asked)))
            if not under_way:
                return
            taken, future = under_way.popleft()
            try:
                made = future.result()
            except BrokenProcessPool:
                # Who did it is not said, and all that was under way is lost: each batch once more, by itself.
                lost = [taken, *(later for later, _ in under_way)]
                under_way.clear()
                pool.renew()
                for again in lost:
                    yield from _alone(pool, again, asked)
                continue
            except (Exception, CancelledError) as error:  # whatever an executor has to say of a lost worker
                made = _lost(taken, error)
            yield from made
    finally:
        for _, future in under_way:
            future.cancel()
        pool.close()


def _submit(pool: WorkerPool, paths: tuple[str, ...], asked: _Asked) -> Future[list[FileChecked]]:
    return pool.submit(_check_batch, paths, tuple(map(os.path.abspath, paths)), asked)


def _alone(pool: WorkerPool, paths: tuple[str, ...], asked: _Asked) -> Iterator[FileChecked]:
    """A batch that may have killed its worker, and then each of its streams: only the one that did it is lost."""
    try:
        yield from _submit(pool, paths, asked).result()
    except BrokenProcessPool:
        pool.renew()
        if len(paths) == 1:
            yield FileChecked(paths[0], error=DIED)
            return
        for path in paths:
            yield from _alone(pool, (path,), asked)


def _lost(paths: tuple[str, ...], error: BaseException) -> list[FileChecked]:
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return [FileChecked(path, error=f"lost with its worker: {reason}") for path in paths]


def _check_batch(paths: tuple[str, ...], opened: tuple[str, ...], asked: _Asked) -> list[FileChecked]:
    """In the worker, which may have another current directory."""
    return [_check_file(path, place, asked) for path, place in zip(paths, opened, strict=True)]


def _check_file(path: str, opened: str, asked: _Asked) -> FileChecked:
    try:
        stream = load(opened, partial=True, engine=asked.engine)
        if stream.error is not None and not stream.input:  # nothing came out of what is around the stream
            return FileChecked(path, error=str(stream.error))
        results = [
            check(stream, against, qemu=release, source=asked.source, engine=asked.engine)
            for against in asked.against
            for release in asked.releases
        ]
    except OSError as error:
        return FileChecked(path, error=error.strerror or str(error))
    except VnetmigError as error:
        return FileChecked(path, error=str(error))
    except Exception as error:  # a fault of ours: the streams beside this one are not to be lost with it
        return FileChecked(path, error=f"not checked: {type(error).__name__}: {error}")
    return FileChecked(path, tuple(results))
