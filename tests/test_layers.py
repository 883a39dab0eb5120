"""Imports point down only, and `import vnetmig` loads little."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "vnetmig"

# Top to bottom. Names on one line never import each other; everything may import what stands below it.
LAYERS = [
    {"cli"},
    {"vnetmig"},  # the public names of the package root: only the cli may lean on them
    {"report"},
    {"qemu"},
    {"analysis"},
    {"document"},
    {"migration"},
    {"model"},
    {"channel", "backend", "virtio", "stream"},
    {"vmstate"},
    {"engine"},
    {"errors", "_version"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
EXEMPT = {"__init__.py", "__main__.py"}  # of the package root: they put the layers together


def layer(module: str) -> str:
    """`vnetmig.stream.ram` -> `stream`; the package root -> `vnetmig`."""
    return [*module.split("."), "vnetmig"][1]


def imports(tree: ast.AST, package: str, layers: frozenset[str]) -> Iterator[tuple[int, str]]:
    """(line, module) of every import of this package below ``tree``, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                # `from vnetmig import errors` means the module, `from vnetmig import load` the root
                is_layer = base == "vnetmig" and alias.name in layers
                yield node.lineno, f"{base}.{alias.name}" if is_layer else base


def faults(path: str, text: str, layers: frozenset[str] = frozenset(RANK)) -> list[str]:
    """What the module at ``path`` (relative to the package) imports that it must not."""
    parts = ["vnetmig", *Path(path).with_suffix("").parts]
    package = ".".join(parts[:-1])
    own = layer(".".join(parts))
    if own not in RANK:
        return [f"{path}: {own} has no place in the layers"]
    found = []
    for line, module in imports(ast.parse(text), package, layers):
        if module.split(".")[0] != "vnetmig":
            continue
        other = layer(module)
        if other not in RANK:
            found.append(f"{path}:{line}: {other} has no place in the layers")
        elif other != own and RANK[other] <= RANK[own]:
            found.append(f"{path}:{line}: {own} must not import {other}")
    return found


MODULES = sorted(
    str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if str(path.relative_to(SOURCE)) not in EXEMPT
)


@pytest.mark.parametrize("path", MODULES)
def test_imports_point_down(path: str) -> None:
    assert not faults(path, (SOURCE / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("path", "text", "fault"),
    [
        ("stream/reader.py", "from ..document import load", "stream must not import document"),
        ("stream/reader.py", "from vnetmig.virtio.net import X", "stream must not import virtio"),
        ("stream/reader.py", "def f():\n    import vnetmig.cli.main", "stream must not import cli"),
        ("stream/sub/reader.py", "from ...channel import tcp", "stream must not import channel"),
        ("errors.py", "from . import engine", "errors must not import engine"),
        ("report/text.py", "from vnetmig import load", "report must not import vnetmig"),
        ("report/text.py", "from .. import load", "report must not import vnetmig"),
        ("oddments.py", "", "oddments has no place"),
        ("cli/main.py", "from vnetmig import oddments, load", None),
        ("cli/main.py", "import vnetmig", None),
        ("stream/__init__.py", "from .reader import X\nfrom ..vmstate import Y\nimport os", None),
        ("engine/native.py", "from ..errors import E\nfrom vnetmig import _version", None),
    ],
)
def test_the_walk_sees_an_arrow_that_points_up(path: str, text: str, fault: str | None) -> None:
    found = faults(path, text)
    assert [fault] == [line.split(": ")[1][: len(fault)] for line in found] if fault else not found


def modules_after(code: str) -> set[str]:
    """Top-level names in sys.modules of a fresh interpreter that ran ``code``."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.splitlines()[-1].split())


HEAVY = {"numpy", "matplotlib", "dask", "distributed", "qemu", "zstandard", "cffi", "pycparser"}


def test_import_is_light() -> None:
    assert not modules_after("import vnetmig") & (HEAVY | {"click", "rich"})


def test_help_is_light() -> None:
    code = """
import sys
from vnetmig.cli import main
sys.argv = ["vnetmig", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code
"""
    assert not modules_after(code) & HEAVY
