"""The codec tests on a Python of another kind: big-endian (s390x) or with 32 bits (i386), on an x86-64 Linux.

``python tools/foreign.py s390x`` unpacks Debian's Python for that processor into build/foreign (nothing is installed),
cross-builds the C engine for it, and runs the tests of engine, vmstate and laws there on both engines: i386 as it is,
s390x in QEMU's user emulation, some ten times slower. What follows the name goes to pytest: ``tools/foreign.py s390x
tests/engine -x``. Packages (Debian): mmdebstrap; for s390x gcc-s390x-linux-gnu and qemu-user-static; for i386
gcc-i686-linux-gnu.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITE = "bookworm"
VERSION = "3.11"
"""Of the suite's Python."""
DEBIAN = ("python3", "python3-cffi-backend", "python3-numpy", "libpython3-dev")
"""What has a compiled part; the rest is the same on every processor."""
PACKAGES = ("click", "hypothesis", "pycparser", "pytest>=8", "pytest-benchmark>=5", "rich")
TESTS = ("tests/engine", "tests/vmstate", "tests/laws")

# The emulator finds the root's files by their own names; without one the loader is told where everything is.
EMULATED = """#!/bin/sh
export PYTHONHOME=/usr LD_LIBRARY_PATH={own}
exec {emulator} -L {root} -0 "$0" {root}/usr/bin/python{version} "$@"
"""
NATIVE = """#!/bin/sh
export PYTHONHOME={root}/usr
exec {root}/lib/ld-linux.so.2 --library-path {own} --argv0 "$0" {root}/usr/bin/python{version} "$@"
"""


@dataclass(frozen=True)
class Kind:
    """How one processor's programs are built and started."""

    compiler: str
    libraries: str
    launcher: str
    emulator: str = ""
    order: str = "little"
    bits: int = 64


KINDS = {
    "s390x": Kind("s390x-linux-gnu-gcc", "s390x-linux-gnu", EMULATED, "qemu-s390x-static", order="big"),
    "i386": Kind("i686-linux-gnu-gcc", "i386-linux-gnu", NATIVE, bits=32),
}


def need(programs: Iterable[str]) -> None:
    missing = [name for name in programs if name and not shutil.which(name)]
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}\n{__doc__}")


def mirror() -> str:
    """The one that apt uses: of the first source of packages, which is not the one of security updates."""
    command = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    sites = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return next(site for site in sites if "security" not in site)


def unpack(arch: str, root: Path) -> None:
    """Debian's Python, as files: none of its scripts are run."""
    fresh = root.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    options = ["--variant=extract", f"--architectures={arch}", f"--include={','.join(DEBIAN)}"]
    subprocess.run(["mmdebstrap", "--quiet", *options, SUITE, fresh, mirror()], check=True)
    fresh.rename(root)


def fetch(packages: Path) -> None:
    """Packages without a compiled part, for the other Python."""
    fresh = packages.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    only = ["--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none", f"--python-version={VERSION}"]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, *only, "--target", fresh, *PACKAGES], check=True)
    fresh.rename(packages)


def build(kind: Kind, root: Path, package: Path) -> None:
    """This checkout's package, with an extension module for the other processor."""
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "src", package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    engine = package / "vnetmig" / "engine"
    include = [f"-I{ROOT / 'csrc'}", f"-I{root}/usr/include/python{VERSION}", f"-I{root}/usr/include"]
    flags = ["-O2", "-std=gnu11", "-shared", "-fPIC", "-fvisibility=hidden", "-DPy_LIMITED_API=0x030a0000"]
    sources = [engine / "_ffi.c", *sorted((ROOT / "csrc").glob("*.c"))]
    subprocess.run([kind.compiler, *flags, *include, *sources, "-o", engine / "_ffi.abi3.so"], check=True)


def launch(kind: Kind, root: Path, launcher: Path) -> None:
    """A program that is the other Python, for its children too: they ask for ``sys.executable``."""
    inside = "" if kind.emulator else str(root)
    folders = ("lib", "usr/lib")
    own = [f"{inside}/{folder}/{kind.libraries}" for folder in folders]
    own += [f"{own[-1]}/{name}" for name in ("blas", "lapack")]  # where alternatives would lead
    text = kind.launcher.format(root=root, own=":".join(own), emulator=kind.emulator, version=VERSION)
    launcher.write_text(text, encoding="ascii")
    launcher.chmod(0o755)


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in KINDS:
        print(__doc__)
        return 2
    arch, *arguments = sys.argv[1:]
    kind = KINDS[arch]
    need(["apt-get", "mmdebstrap", kind.compiler, kind.emulator])
    work = ROOT / "build" / "foreign" / arch
    work.mkdir(parents=True, exist_ok=True)
    root, packages, package, python = (work / name for name in ("root", "packages", "package", "python3"))
    if not root.exists():
        unpack(arch, root)
    if not packages.exists():
        fetch(packages)
    build(kind, root, package)
    launch(kind, root, python)
    paths = os.pathsep.join(map(str, (package, packages)))
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    check = (
        f"import sys, vnetmig; assert (sys.byteorder, sys.maxsize.bit_length()) == ('{kind.order}', {kind.bits - 1})"
    )
    check += "; assert vnetmig.engine == 'c', vnetmig.engine; print(sys.version, sys.byteorder, vnetmig.engines())"
    subprocess.run([python, "-c", check], check=True, env=environment)
    pytest = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not qemu and not browser"]
    return subprocess.run([*pytest, *(arguments or TESTS)], cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
