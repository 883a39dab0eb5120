"""Streams below a folder, whatever they are wrapped in; everything else is left."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

import vnetmig
from vnetmig.document import folder
from vnetmig.document.folder import streams_below


def test_streams_below(tmp_path: Path) -> None:
    stream = lzma.decompress(vnetmig.sample())
    (tmp_path / "b").mkdir()
    (tmp_path / "a").write_bytes(stream)
    (tmp_path / "b" / "packed.xz").write_bytes(vnetmig.sample())
    (tmp_path / "b" / "packed.gz").write_bytes(gzip.compress(stream[:100_000]))
    (tmp_path / "c").write_bytes(stream[:4])
    (tmp_path / "other.xz").write_bytes(lzma.compress(b"no stream"))
    (tmp_path / "broken.gz").write_bytes(gzip.compress(stream)[:3] + b"\xff" * 40)
    (tmp_path / "empty").touch()
    (tmp_path / "notes.txt").write_text("QEV")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "round").symlink_to(tmp_path)
    found = [str(Path(path).relative_to(tmp_path)) for path in streams_below(str(tmp_path))]
    assert found == ["a", "c", "link", "b/packed.gz", "b/packed.xz"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(streams_below(str(tmp_path / "absent")))


def test_a_file_that_cannot_be_read_is_not_left_out_in_silence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"no stream")
    monkeypatch.setattr(folder, "open_container", _denied)
    assert list(streams_below(str(tmp_path))) == [str(tmp_path / "a")]


def _denied(file: object) -> None:
    raise PermissionError(13, "Permission denied")
