"""The quick look for entry points finds what is installed, or leaves it to importlib.metadata."""

from __future__ import annotations

import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from vnetmig.migration.announcements import may_be_announced

GROUP = "some.group"


def package(folder: Path, name: str, kind: str, entry: str) -> None:
    installed = folder / f"{name}{kind}"
    installed.mkdir()
    for file in ("METADATA", "PKG-INFO"):
        (installed / file).write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(entry)


@pytest.fixture(autouse=True)
def only_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "none")])
    plain = [
        finder for finder in sys.meta_path if not hasattr(finder, "find_distributions") or isinstance(finder, type)
    ]
    monkeypatch.setattr(sys, "meta_path", plain)


@pytest.mark.parametrize("kind", ["-1.0.dist-info", ".egg-info"])
def test_an_installed_package(tmp_path: Path, kind: str) -> None:
    assert not may_be_announced(GROUP)
    package(tmp_path, "other", kind, "[console_scripts]\nsome = some:main\n")
    assert not may_be_announced(GROUP) and may_be_announced("console_scripts")
    package(tmp_path, "some", kind, f"[{GROUP}]\nsome = some:main\n")
    assert may_be_announced(GROUP)


def test_what_it_cannot_look_into_may_have_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("nothing", "")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "archive.zip")])
    assert may_be_announced(GROUP)
    (tmp_path / "eggs" / "old.egg").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "eggs")])
    assert may_be_announced(GROUP)


def test_a_finder_of_its_own_may_know_more(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_distributions(self) -> None: ...

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert may_be_announced(GROUP)
