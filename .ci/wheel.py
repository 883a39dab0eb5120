"""An installed wheel must load, rewrite, edit and show real streams: .ci/wheel.py c|python FOLDER

``c``, ``python``: the engine that it must bring. The pure wheel must do with it what it can alone: no dependency may be
installed.
"""

from __future__ import annotations

import gzip
import importlib.util
import lzma
import platform
import sys
import tempfile
from pathlib import Path

import vnetmig
from vnetmig.report.html.explorer import explorer_page

OPEN = {".xz": lzma.open, ".gz": gzip.open}


def plain(path: Path) -> bytes:
    with OPEN.get(path.suffix, open)(path, "rb") as file:
        return bytes(file.read())


def is_stream(path: Path) -> bool:
    return path.is_file() and plain(path)[:4] == b"QEVM"


DEPENDENCIES = ("cffi", "numpy", "click", "rich")

engine, folder = sys.argv[1:]
assert vnetmig.engine == engine, vnetmig.engines()
if engine == "python":
    assert tuple(vnetmig.engines()) == ("python",), vnetmig.engines()
    present = [name for name in DEPENDENCIES if importlib.util.find_spec(name)]
    assert not present, f"this check wants an environment without {present}"

paths = [path for path in sorted(Path(folder).rglob("*")) if path.suffix != ".py" and is_stream(path)]
assert paths, f"no stream below {folder}"
edited = 0
with tempfile.TemporaryDirectory() as scratch:
    out = Path(scratch, "out.qemu")
    for path in paths:
        stream = vnetmig.load(path)
        stream.save(out)
        assert out.read_bytes() == plain(path), f"{path}: other bytes"
        for net in stream.nets():
            net.mac = "52:54:00:aa:bb:cc"
            stream.save(out)
            assert vnetmig.load(out).device(net.idstr).mac == "52:54:00:aa:bb:cc", path
            edited += 1
assert edited, "no virtio-net among them"
shown = min(map(plain, paths), key=len)  # the parts of a page are files in the package
assert "makeTree" in explorer_page(vnetmig.load(shown), shown, name="shown")
done = f"{len(paths)} streams the same byte for byte, {edited} edited"
print(f"Python {platform.python_version()}, engine {engine}: {done}")
