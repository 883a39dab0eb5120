"""The wheels of a release, tried on every Python of this machine: one command, short or long.

``python tools/wheel_matrix.py`` makes the sdist, and from it the native wheel (one for all CPythons) and the pure one.
It puts each into a clean environment of every CPython from 3.10 on that it finds (``python3.N`` on PATH, pyenv's, its
own), and runs the tests of the codec layers, the document and the command line there: on the C engine with the native
wheel, on the Python engine and with no compiler in reach with the pure one. ``--quick`` (as in CI) runs a few of them,
on the oldest Python and the newest. It prints a line per environment; the exit code is 1 when a test failed, or an
engine is not the one that the wheel should bring.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST = (3, 10)
TESTS = ("engine", "vmstate", "stream", "virtio", "document", "laws", "cli")
QUICK_TESTS = ("engine/test_choice.py", "vmstate/test_vectors.py", "laws/test_round_trip.py", "cli/test_start.py")
QUICK_PACKAGES = ("hypothesis>=6.100", "pytest>=8", "pytest-benchmark>=5")
ENGINES = {"native": "c", "pure": "python"}
COMPILERS = re.compile(r"(.*-)?(cc|c89|c99|gcc|g\+\+|c\+\+|clang|clang\+\+|tcc)(-[\d.]+)?")
ASK = "import sys, sysconfig; print(*sys.version_info[:3], sysconfig.get_config_var('Py_GIL_DISABLED') or 0)"


@dataclass
class Line:
    """What one environment did."""

    python: str
    wheel: str
    engine: str
    passed: int
    skipped: int
    failed: int
    seconds: float


def version_of(python: Path) -> tuple[int, int, int] | None:
    """None for one that does not start, is too old or has no GIL (which needs a wheel of its own)."""
    done = subprocess.run([python, "-c", ASK], capture_output=True, text=True)
    if done.returncode:
        return None
    major, minor, micro, free = map(int, done.stdout.split())
    return (major, minor, micro) if (major, minor) >= FIRST and not free else None


def pythons() -> dict[tuple[int, int, int], Path]:
    """One interpreter of each minor version that is installed."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    places = [*map(Path, os.environ["PATH"].split(os.pathsep)), *sorted(pyenv.glob("*/bin"))]
    named = [
        path for place in places for path in sorted(place.glob("python3.*")) if re.fullmatch(r"python3\.\d+", path.name)
    ]
    found: dict[tuple[int, int], tuple[tuple[int, int, int], Path]] = {}
    for path in [Path(sys.executable), *named]:
        version = version_of(path)
        if version and version[:2] not in found:
            found[version[:2]] = version, path
    return dict(sorted(found.values()))


def known(python: Path) -> tuple[tuple[int, int, int], Path]:
    version = version_of(python)
    if version is None:
        raise SystemExit(f"{python}: not a CPython from {FIRST[0]}.{FIRST[1]} on with a GIL")
    return version, python


def make(folder: Path) -> None:
    """The sdist, and from it the wheels."""
    build = [sys.executable, "-m", "build", "-q", "--outdir", folder]
    subprocess.run([*build, "--sdist", ROOT], check=True, stdout=subprocess.DEVNULL)
    [sdist] = folder.glob("*.tar.gz")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, sdist]
    subprocess.run(pip, check=True, env={**os.environ, "VNETMIG_REQUIRE_C": "1"})
    subprocess.run(pip, check=True, env={**os.environ, "VNETMIG_PURE_PYTHON": "1"})


def without_compilers(folder: Path) -> str:
    """A PATH with all programs of this one but compilers."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            link = folder / program.name
            if not COMPILERS.fullmatch(program.name) and not link.is_symlink() and not program.is_dir():
                link.symlink_to(program.resolve())
    left = [name for name in ("cc", "gcc", "clang") if shutil.which(name, path=str(folder))]
    if left:
        raise SystemExit(f"{left}: compilers are still on PATH")
    return str(folder)


class Environment:
    """A clean virtual environment with one wheel, and the tests of the sdist run in it."""

    def __init__(self, python: Path, wheel: Path, folder: Path, path: str, quick: bool) -> None:
        self.python = folder / "bin" / "python"
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith("VNETMIG_")}
        self.variables["PATH"] = f"{folder / 'bin'}{os.pathsep}{path}"
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--prefer-binary"]
        wanted = [wheel, *QUICK_PACKAGES] if quick else [f"{wheel}[test]"]
        subprocess.run([*pip, *wanted], check=True, env=self.variables)

    def engine(self) -> str:
        code = "import vnetmig; print(vnetmig.engine, vnetmig.__file__)"
        asked = subprocess.run(
            [self.python, "-c", code], check=True, capture_output=True, text=True, cwd="/", env=self.variables
        )
        name, _, file = asked.stdout.strip().partition(" ")
        if not Path(file).is_relative_to(self.python.parent.parent):
            raise SystemExit(f"{file}: not the package of the wheel")
        return name

    def tests(self, tree: Path, which: Sequence[str]) -> tuple[dict[str, int], str]:
        command = [self.python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["-m", "not qemu and not browser"]
        command += [tree / "tests" / name for name in which]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tree, env=self.variables)
        counts = {name: int(number) for number, name in re.findall(r"(\d+) (passed|skipped|failed|error)", done.stdout)}
        if done.returncode and not counts.get("failed"):
            counts["failed"] = counts.get("error") or 1
        return counts, done.stdout + done.stderr


def lines(given: argparse.Namespace, work: Path) -> Iterator[tuple[Line, str]]:
    if not given.dist:
        make(work)
    [sdist], [native], [pure] = ((given.dist or work).glob(name) for name in ("*.tar.gz", "*-abi3-*.whl", "*-any.whl"))
    wheels = {"native": native, "pure": pure}
    with tarfile.open(sdist) as archive:
        archive.extractall(work)
    tree = work / sdist.name.removesuffix(".tar.gz")
    shutil.rmtree(tree / "src" / "vnetmig" / "engine")  # so that nothing takes the package from here
    bare = without_compilers(work / "bare")
    found = dict(map(known, given.python)) if given.python else pythons()
    if given.quick:
        found = {version: found[version] for version in (min(found), max(found))}
    for version, python in found.items():
        for kind in given.wheel or ENGINES:
            name = ".".join(map(str, version))
            path = bare if kind == "pure" else os.environ["PATH"]
            environment = Environment(python, wheels[kind], work / f"{name}-{kind}", path, given.quick)
            start = time.monotonic()
            counts, log = environment.tests(tree, given.tests or (QUICK_TESTS if given.quick else TESTS))
            numbers = [counts.get(key, 0) for key in ("passed", "skipped", "failed")]
            yield Line(name, kind, environment.engine(), *numbers, round(time.monotonic() - start, 1)), log
            shutil.rmtree(work / f"{name}-{kind}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few tests, on the oldest and the newest Python")
    parser.add_argument("--dist", type=Path, help="a folder with the sdist and both wheels, instead of making them")
    parser.add_argument("--python", type=Path, action="append", help="this interpreter only (may be given again)")
    parser.add_argument("--wheel", choices=ENGINES, action="append", help="only this wheel")
    parser.add_argument("--tests", action="append", help="a folder or file below tests (may be given again)")
    parser.add_argument("--log", type=Path, help="append a line of JSON per environment")
    given = parser.parse_args()
    # What a shell starts in the background ignores ^C, and so do its children: to some, tests send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    wrong = 0
    with tempfile.TemporaryDirectory() as work:
        for line, log in lines(given, Path(work)):
            counts = f"{line.passed} passed, {line.skipped} skipped, {line.failed} failed"
            print(f"{line.python:8} {line.wheel:7} engine {line.engine:7} {counts} in {line.seconds} s", flush=True)
            if given.log:
                with given.log.open("a") as out:
                    print(json.dumps(asdict(line)), file=out)
            if line.failed or line.engine != ENGINES[line.wheel] or not line.passed:
                wrong += 1
                print(log[-6000:], file=sys.stderr)
    print(f"{wrong} wrong" if wrong else "every wheel works on every Python found")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
