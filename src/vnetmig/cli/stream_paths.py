"""Which streams the arguments of a verb name: files, folders, lists of paths.

Knows the forms FILE, FOLDER, @LIST and -; reads lists line by line, as they may be long or come slowly.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vnetmig.cli.source import Input, open_input
from vnetmig.stream import compression, framing, libvirt

_MARKS = (framing.FILE_MAGIC.to_bytes(4, "big"), libvirt.MAGIC, libvirt.MAGIC_PARTIAL)


@dataclass(frozen=True, slots=True)
class Given:
    """``single``: the one stream that is asked for, ``name`` how to call it. Else ``paths`` of many, ``total`` of them
    if that is known yet."""

    name: str = ""
    single: Input | None = None
    paths: Iterable[str] = ()
    total: int | None = None

    @classmethod
    def of(cls, arguments: tuple[str, ...]) -> Given:
        if arguments == ("-",):
            start = sys.stdin.buffer.readline()
            if start.startswith(_MARKS) or compression.recognise(start) is not None:
                return cls("-", start + sys.stdin.buffer.read())
            return cls(paths=_lines([start], sys.stdin.buffer))
        is_plain = not any(argument == "-" or argument[:1] == "@" or os.path.isdir(argument) for argument in arguments)
        if is_plain and len(arguments) == 1:
            return cls(arguments[0], open_input(arguments[0]))
        return cls(paths=_paths(arguments), total=len(arguments) if is_plain else None)


def _paths(arguments: tuple[str, ...]) -> Iterator[str]:
    from vnetmig.document.folder import streams_below

    for argument in arguments:
        if argument == "-":
            yield from _lines(sys.stdin.buffer)
        elif argument.startswith("@"):
            with open(argument[1:], "rb") as file:
                yield from _lines(file)
        elif os.path.isdir(argument):
            yield from streams_below(argument)
        else:
            yield argument


def _lines(*sources: Iterable[bytes]) -> Iterator[str]:
    """Paths, one a line; empty lines are none."""
    for source in sources:
        for line in source:
            path = line.rstrip(b"\r\n")
            if path:
                yield os.fsdecode(path)
