"""Numbers as people write them on a command line: `64M` for bytes.

Knows suffixes and limits; knows no option.
"""

from __future__ import annotations

import re
from typing import Any, Final

import click

#                      suffix    bytes
_SUFFIXES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
"""As QEMU counts in migrate-set-parameters: powers of 1024."""

_NUMBER = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)([kmg]?)", re.ASCII | re.IGNORECASE)


class Bytes(click.ParamType[int]):
    """A number of bytes from 1 on, with k, M or G behind it or not.

    >>> Bytes().convert("1.5M", None, None), Bytes().convert("200", None, None)
    (1572864, 200)
    """

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = _NUMBER.fullmatch(str(value))
        size = int(float(found[1]) * _SUFFIXES[found[2].lower()]) if found else 0
        if size < 1:
            self.fail(f"{value!r}: expected a number of bytes such as 500k, 64M or 1.5G", param, ctx)
        return size
