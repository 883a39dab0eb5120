"""The package's own names."""

from __future__ import annotations

import importlib
import pickle
from importlib import metadata

import pytest

import vnetmig
from vnetmig import _version
from vnetmig.errors import StreamError


def test_the_version_is_the_installed_one() -> None:
    assert vnetmig.__version__ == metadata.version("vnetmig")


def test_a_tree_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    assert _version.version() == "0+unknown"


def test_completion_sees_names_that_are_not_loaded_yet() -> None:
    assert {"load", "check", "StreamError", "__version__"} <= set(dir(vnetmig))


def test_who_imports_the_command_does_not_run_it() -> None:
    """As pydoc does."""
    assert importlib.import_module("vnetmig.__main__").main


def test_an_error_crosses_processes_without_its_stream() -> None:
    error = StreamError("bad", offset=7, section="slirp", expected="1", got="2", hint="look", code="malformed")
    error.stream = vnetmig.load(vnetmig.sample())
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert (again.offset, again.code, again.stream) == (7, "malformed", None)
