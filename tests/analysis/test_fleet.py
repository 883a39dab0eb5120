"""Many streams at once: whoever does the work, results are the same and in order, and none is lost with another."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from fleet_files import fill, of_kind

import vnetmig
from vnetmig.analysis import fleet, worker_pool
from vnetmig.analysis.profile.from_stream import OfStream, profile_of
from vnetmig.analysis.profile.net_backend import Host


def told(found: vnetmig.FileChecked) -> tuple[object, ...]:
    return found.path, found.error, [(result.qemu, result.verdict, list(result)) for result in found.results]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return fill(tmp_path, 12)


@pytest.fixture
def expected(files: list[Path]) -> list[tuple[object, ...]]:
    return [told(found) for found in vnetmig.check_files(files, qemu=["10.0.2", "10.0.13"], workers=1)]


def test_one_after_the_other(files: list[Path], expected: list[tuple[object, ...]]) -> None:
    assert [path for path, *_ in expected] == list(map(str, files))
    by_name = {Path(str(path)).name: (error, results) for path, error, results in expected}
    assert by_name["0000-absent.qemu"] == ("No such file or directory", [])
    verdicts = {name: [verdict for _, verdict, _ in results] for name, (_, results) in by_name.items()}  # type: ignore[misc, has-type]
    assert verdicts["0000.qemu"] == ["loads", "loads"]
    assert verdicts["0001-refused.qemu"] == ["refused", "refused"]
    assert verdicts["0002-cut.qemu"] == ["refused", "refused"]
    assert verdicts["0003-none.qemu"] == ["refused", "refused"]


@pytest.mark.parametrize(
    "make", [lambda: ThreadPoolExecutor(3), lambda: ProcessPoolExecutor(2)], ids=["threads", "processes"]
)
def test_an_executor(make: Callable[[], Executor], files: list[Path], expected: list[tuple[object, ...]]) -> None:
    with make() as executor:
        found = vnetmig.check_files(files, qemu=["10.0.2", "10.0.13"], executor=executor, batch=2)
        assert [told(one) for one in found] == expected
        assert executor.submit(abs, -1).result() == 1, "it stays open"


def test_processes_of_its_own(files: list[Path], expected: list[tuple[object, ...]]) -> None:
    found = vnetmig.check_files(files, qemu=["10.0.2", "10.0.13"], workers=2, batch=3)
    assert [told(one) for one in found] == expected


def test_a_dask_cluster(files: list[Path], expected: list[tuple[object, ...]]) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        made = vnetmig.check_files(
            files, qemu=["10.0.2", "10.0.13"], executor=client.get_executor(), workers=2, batch=3
        )
        found = list(made)
    assert [one.error for one in found] == [error for _, error, _ in expected]
    assert [told(one) for one in found] == expected


def test_paths_mean_what_they_mean_here(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a worker that was started elsewhere."""
    with ProcessPoolExecutor(1) as executor:
        executor.submit(os.chdir, "/").result()
        monkeypatch.chdir(files[1].parent)
        (found,) = vnetmig.check_files([files[1].name], executor=executor)
    assert (found.path, found.error) == (files[1].name, None)


def test_several_destinations(files: list[Path]) -> None:
    own = vnetmig.load(of_kind(0))
    against = [profile_of(own), OfStream(), OfStream(Host(vnet_hdr=False))]
    (found,) = vnetmig.check_files([files[1]], against, qemu="10.0.13", workers=1)
    assert [result.verdict for result in found.results] == ["loads", "loads", "refused"]
    assert found.results[2].refusing is not None and found.results[2].refusing.rule == "vnet-hdr"


def test_a_release_that_is_none_is_said_at_once() -> None:
    with pytest.raises(vnetmig.FieldError, match="no QEMU version"):
        vnetmig.check_files([], qemu="seven")
    with pytest.raises(ValueError, match="at least 1"):
        vnetmig.check_files([], workers=0)


def test_results_cross_processes(files: list[Path]) -> None:
    (found,) = vnetmig.check_files([files[2]], workers=1)
    again = pickle.loads(pickle.dumps(found))
    assert again == found
    assert [result.assumed for result in again.results] == [result.assumed for result in found.results] != [()]


# few at a time


def endless(path: Path, taken: list[int]) -> Iterator[Path]:
    for number in itertools.count():
        taken.append(number)
        yield path


def test_an_endless_list_is_taken_as_there_is_room(files: list[Path]) -> None:
    taken: list[int] = []
    with ThreadPoolExecutor(2) as executor:
        found = vnetmig.check_files(endless(files[1], taken), executor=executor, batch=2)
        assert all(one.error is None for one in itertools.islice(found, 20))
        found.close()
    assert len(taken) <= 20 + 2 * 2 * (fleet.IN_FLIGHT + 1)


def test_closing_cancels_what_has_not_begun(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[object] = []
    real = fleet._check_file
    monkeypatch.setattr(fleet, "_check_file", lambda *args: (begun.append(args), real(*args))[1])
    with ThreadPoolExecutor(1) as executor:
        found = vnetmig.check_files([files[1]] * 100, executor=executor, batch=1)
        next(found)
        found.close()
    assert len(begun) <= 3


# what dies


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream whose name begins so kills whoever checks it; workers are forked, so that they know it."""
    real, context = fleet._check_file, multiprocessing.get_context("fork")

    def check_file(path: str, *rest: object) -> vnetmig.FileChecked:
        if Path(path).name.startswith("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(fleet, "_check_file", check_file)
    monkeypatch.setattr(worker_pool.multiprocessing, "get_context", lambda method: context)


@pytest.mark.parametrize("given", [False, True])
def test_only_the_stream_that_kills_is_lost(given: bool, deadly: None, files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "deadly").write_bytes(of_kind(0))
    paths = [*files[:5], tmp_path / "deadly", *files[5:], tmp_path / "deadly", files[1]]
    executor = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) if given else None
    found = list(vnetmig.check_files(paths, executor=executor, workers=2, batch=3))
    assert [one.path for one in found] == list(map(str, paths))
    lost = [one.path for one in found if one.error == fleet.DIED]
    assert lost == [str(tmp_path / "deadly")] * 2
    assert sum(bool(one.results) for one in found) == len(paths) - 3, "all but these and the one that is not there"
    if executor is not None:
        executor.shutdown()


class Failing(Executor):
    """As an executor of another kind loses a worker."""

    def submit(self, function, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        from concurrent.futures import Future

        future: Future[object] = Future()
        if any("0001" in path for path in args[0]):
            future.set_exception(RuntimeError("KilledWorker"))
        else:
            future.set_result(function(*args, **kwargs))
        return future


def test_a_lost_batch_is_told_with_its_paths(files: list[Path]) -> None:
    found = list(vnetmig.check_files(files, executor=Failing(), batch=4))
    assert [one.path for one in found] == list(map(str, files))
    lost = {number // 4 for number, one in enumerate(found) if one.error and "lost with its worker" in one.error}
    assert lost == {number // 4 for number, path in enumerate(files) if "0001" in path.name}


def test_a_fault_of_ours_is_one_line(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(fleet, "check", broken)
    found = list(vnetmig.check_files(files[:2], workers=1))
    assert [one.error for one in found] == ["No such file or directory", "not checked: KeyError: 'oops'"]


def test_a_file_that_cannot_be_unpacked_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.xz").write_bytes(b"\xfd7zXZ\0" + bytes(20))
    (found,) = vnetmig.check_files([tmp_path / "broken.xz"], workers=1)
    assert found.error is not None and not found.results


def test_a_stream_that_no_destination_can_be_made_for_is_one_line(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*args: object, **options: object) -> None:
        raise vnetmig.FieldError("no such machine")

    monkeypatch.setattr(fleet, "check", refused)
    (found,) = vnetmig.check_files(files[1:2], workers=1)
    assert found.error == "no such machine"


def test_an_executor_that_is_broken_says_so_in_the_future() -> None:
    class Broken(Executor):
        def submit(self, function, /, *args, **kwargs):  # type: ignore[no-untyped-def]
            raise BrokenProcessPool("gone")

    assert isinstance(worker_pool.WorkerPool(Broken(), 1).submit(abs, -1).exception(), BrokenProcessPool)


# memory


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_memory_stays_flat(engine: str, tmp_path: Path) -> None:
    paths = []
    for kind in range(24):
        paths.append(tmp_path / f"{kind}")
        paths[-1].write_bytes(of_kind(kind))
    count = 2000 if engine == "c" else 200
    many = itertools.islice(itertools.cycle(paths), count)
    assert all(one.error is None for one in vnetmig.check_files(paths * 2, qemu="10.0.13", workers=1, engine=engine))
    before = resident()
    assert (
        sum(bool(one.results) for one in vnetmig.check_files(many, qemu="10.0.13", workers=1, engine=engine)) == count
    )
    assert resident() - before < 4 << 20
