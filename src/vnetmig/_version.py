"""The installed version of the package; a leaf of the import graph."""

from __future__ import annotations


def version() -> str:
    """The version in the package metadata, or ``0+unknown`` for a source tree that is not installed."""
    from importlib import metadata  # slow to import, and few ask

    try:
        return metadata.version("vnetmig")
    except metadata.PackageNotFoundError:
        return "0+unknown"
