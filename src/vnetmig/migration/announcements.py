"""Whether any installed package announces an entry point of a group, without importlib.metadata: loading that takes a
tenth of an `inspect`, and hardly anybody has such a package.

Knows how installed packages lie in the folders of sys.path. Where that may not be all of them (archives, eggs, finders
of their own) the answer is yes, and importlib.metadata has to say.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

_INSTALLED = (".dist-info", ".egg-info")


def may_be_announced(group: str) -> bool:
    """False when no package of this process's sys.path has an entry point of ``group``.

    >>> may_be_announced("console_scripts")
    True
    """
    if any(finder is not PathFinder and hasattr(finder, "find_distributions") for finder in sys.meta_path):
        return True
    return any(_announces(folder or os.curdir, f"[{group}]".encode()) for folder in sys.path)


def _announces(folder: str, header: bytes) -> bool:
    try:
        names = os.listdir(folder)
    except NotADirectoryError:
        return True
    except OSError:
        return False  # no packages lie where nothing can be listed
    return any(
        name.endswith(".egg") or (name.endswith(_INSTALLED) and _has(os.path.join(folder, name), header))
        for name in names
    )


def _has(package: str, header: bytes) -> bool:
    try:
        with open(os.path.join(package, "entry_points.txt"), "rb") as file:
            return header in file.read()
    except OSError:
        return False
