"""What a release would upload, looked at: ``python tools/check_artefacts.py dist``.

The sdist holds every file of the checkout and nothing that was made there; each wheel holds the package and nothing
else, the native one with the extension module, the pure one without and with the reason why. Then come the tools that
know their part of it: ``twine check --strict`` (the metadata, and that the README renders), ``check-wheel-contents``,
``abi3audit``. Prints a line per artefact; the exit code is 1 when one is not as it must be.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
MADE = (
    "build",
    "dist",
    ".venv*",
    ".git",
    "__pycache__",
    ".*_cache",
    ".benchmarks",
    ".hypothesis",
    "*.so",
    ".coverage*",
)
"""Names of what is made in a checkout: not looked for, and not wanted, in an sdist."""
ONLY_BUILT = {"vnetmig/engine/_ffi.c"}
"""Sources of the package that a wheel has no use for."""


def made(path: PurePosixPath) -> bool:
    return any(fnmatch(part, pattern) for part in path.parts for pattern in MADE)


def checkout(folder: Path) -> set[str]:
    paths = [PurePosixPath(path.relative_to(folder).as_posix()) for path in folder.rglob("*") if path.is_file()]
    return {str(path) for path in paths if not made(path)}


def differences(holds: set[str], wanted: set[str]) -> Iterator[str]:
    yield from (f"is missing {name}" for name in sorted(wanted - holds))
    yield from (f"has no use for {name}" for name in sorted(holds - wanted))


def sdist_faults(sdist: Path) -> Iterator[str]:
    top = sdist.name.removesuffix(".tar.gz")
    with tarfile.open(sdist) as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
    yield from (f"has {name} outside of {top}" for name in names if not name.startswith(f"{top}/"))
    yield from differences({name.removeprefix(f"{top}/") for name in names}, checkout(ROOT) | {"PKG-INFO"})


def wheel_faults(wheel: Path) -> Iterator[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    holds = {name for name in names if not PurePosixPath(name).parts[0].endswith(".dist-info")}
    native = "-none-any" not in wheel.name
    modules = {name for name in holds if fnmatch(name, "vnetmig/engine/_ffi*.so")}
    if native and len(modules) != 1:
        yield f"has {len(modules)} extension modules, not one"
    wanted = checkout(ROOT / "src") - ONLY_BUILT | (modules if native else {"vnetmig/engine/_build.py"})
    yield from differences(holds, wanted)


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    sdists, wheels = (sorted(Path(sys.argv[1]).glob(pattern)) for pattern in ("*.tar.gz", "*.whl"))
    if not sdists or not wheels:
        print(f"{sys.argv[1]}: no sdist or no wheel")
        return 1
    wrong = 0
    for path in [*sdists, *wheels]:
        faults = list((wheel_faults if path.suffix == ".whl" else sdist_faults)(path))
        wrong += len(faults)
        print(f"{path.name}: {path.stat().st_size} bytes", *(f"  {fault}" for fault in faults), sep="\n")
    for command in (
        ["twine", "check", "--strict", *sdists, *wheels],
        ["check_wheel_contents", *wheels],
        ["abi3audit", "--strict", *(path for path in wheels if "-abi3-" in path.name)],
    ):
        print("$", *(getattr(part, "name", part) for part in command), flush=True)
        wrong += subprocess.run([sys.executable, "-m", *command]).returncode != 0
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
