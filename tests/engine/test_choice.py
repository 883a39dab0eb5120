"""VNETMIG_ENGINE decides at import; every call can name an engine; the name in use can be asked for."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from importlib import import_module

import pytest

import vnetmig
from vnetmig.engine import describe, engines, get, name
from vnetmig.errors import EngineError

chosen = import_module("vnetmig.engine")


def fresh(code: str, wanted: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "VNETMIG_ENGINE": wanted}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


def test_the_default_is_the_first_of_the_list() -> None:
    assert vnetmig.engine == name == engines()[0]
    assert vnetmig.engines() == engines()
    assert get() is get(engines()[0])
    assert describe().startswith(f"engine: {name}")


@pytest.mark.parametrize("wanted", ["python", "auto", ""])
def test_the_variable_chooses(wanted: str) -> None:
    run = fresh("import vnetmig; print(vnetmig.engine, *vnetmig.engines())", wanted)
    assert run.returncode == 0, run.stderr
    chosen, *found = run.stdout.split()
    assert chosen == found[0]
    assert chosen == "python" if wanted == "python" else chosen in ("c", "python")
    assert "python" in found


def test_python_never_loads_the_extension() -> None:
    code = """
import sys, vnetmig
vnetmig.load(vnetmig.sample())
assert not [m for m in sys.modules if "_ffi" in m or "cffi" in m], "loaded"
"""
    run = fresh(code, "python")
    assert run.returncode == 0, run.stderr


def test_c_is_an_import_error_with_the_cause_where_it_is_missing() -> None:
    code = """
import sys
sys.modules["vnetmig.engine._ffi"] = None
try:
    import vnetmig.engine
except ImportError as error:
    print(error)
"""
    run = fresh(code, "c")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("the C engine is not available: ")


def test_an_engine_that_is_none_is_told_with_the_ones_there_are() -> None:
    run = fresh("import vnetmig; vnetmig.engine", "rust")
    assert "VNETMIG_ENGINE=rust: there is auto, c, python" in run.stderr
    with pytest.raises(EngineError, match=r"engine 'rust' is not available \(there is: .*python"):
        get("rust")
    with pytest.raises(EngineError):
        vnetmig.load(vnetmig.sample(), engine="rust")


def test_the_subpackage_does_not_hide_the_name() -> None:
    import vnetmig.engine.code  # binds vnetmig.engine, were it a plain attribute

    assert isinstance(vnetmig.engine, str)


def test_why_there_is_no_c_engine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a build without it left behind, and what `--version` then says."""
    module = types.ModuleType("vnetmig.engine._build")
    module.CAUSE = "no C compiler"  # type: ignore[attr-defined]
    monkeypatch.delattr(chosen, "_build", raising=False)  # an installation without the C engine has one
    monkeypatch.setitem(sys.modules, "vnetmig.engine._build", None)
    assert chosen._build_note() == ""
    monkeypatch.setitem(sys.modules, "vnetmig.engine._build", module)
    assert chosen._build_note() == "no C compiler"
    monkeypatch.setattr(chosen, "name", "python")
    monkeypatch.setattr(chosen, "missing_cause", "no C compiler")
    assert describe() == "engine: python (C engine not built: no C compiler)"
