"""The pure wheel, installed alone, must load, rewrite, edit and show real streams: .ci/pure_wheel.py FOLDER"""

from __future__ import annotations

import gzip
import importlib.util
import lzma
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


absent = [name for name in ("cffi", "numpy", "click", "rich") if importlib.util.find_spec(name) is None]
assert absent == ["cffi", "numpy", "click", "rich"], "this check wants an environment without dependencies"
assert tuple(vnetmig.engines()) == ("python",), vnetmig.engines()

paths = [path for path in sorted(Path(sys.argv[1]).rglob("*")) if path.suffix != ".py" and is_stream(path)]
assert paths, f"no stream below {sys.argv[1]}"
edited = 0
with tempfile.TemporaryDirectory() as folder:
    out = Path(folder, "out.qemu")
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
print(f"pure Python, no dependencies: {len(paths)} streams the same byte for byte, {edited} edited")
