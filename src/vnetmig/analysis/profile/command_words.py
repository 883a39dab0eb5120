"""The words of a QEMU command line, out of whatever file it was kept in.

Knows shell quoting, libvirt's log and /proc/PID/cmdline; knows no option. Nothing is run and nothing expanded.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final

from vnetmig.errors import FieldError

TEXT_MAX: Final = 4 << 20
"""Bytes of a file with a command line; the longest that Linux takes is 128 KiB a word and 2 MiB in all."""
_LINES_MAX: Final = 100
"""Lines that one quoted word may go over."""

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_TELLING: Final = frozenset({"M", "machine", "device", "netdev", "nic", "nodefaults", "m", "drive", "net", "name"})
"""Options, at least one of which makes a line a QEMU command line."""
_TELLS = re.compile(rf"(?:^|\s)--?(?:{'|'.join(sorted(_TELLING))})(?:\s|$)")


def command_words(data: bytes, where: str) -> list[str]:
    """Program and arguments of the last QEMU command in ``data``; ``where`` names it in errors.

    >>> command_words(b"# my VM\\nLC_ALL=C qemu-system-x86_64 \\\\\\n  -m 1G -nodefaults\\n", "vm.sh")
    ['qemu-system-x86_64', '-m', '1G', '-nodefaults']
    """
    if len(data) > TEXT_MAX:
        raise FieldError(f"{where}: {len(data)} bytes; a command line has {TEXT_MAX} at most")
    text = data.decode("utf-8", "surrogateescape")
    if "\0" in text:  # /proc/PID/cmdline: no shell has to be undone
        found = [text.rstrip("\0").split("\0")]
    else:
        found = list(_commands(text))
    commands = [words for words in found if any(_option(word) in _TELLING for word in words)]
    if not commands:
        raise FieldError(f"{where}: no QEMU command line is in it (expected a line with -machine, -device, -m ...)")
    return _program(commands[-1], where)


def _option(word: str) -> str | None:
    return word.lstrip("-") if word.startswith("-") else None


def _program(words: list[str], where: str) -> list[str]:
    """From the program on: what stands before it are assignments, and commands that start others (sudo, exec)."""
    first = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
    start = max(first - 1, 0)
    if first and ("=" in words[start] and _ASSIGNMENT.match(words[start])):
        raise FieldError(f"{where}: expected a program before {words[first] if first < len(words) else 'the end'!r}")
    return words[start:]


def _commands(text: str) -> Iterator[list[str]]:
    """The words of each command: a line with those that it goes on in, by backslash or inside of quotes."""
    lines = text.replace("\\\r\n", "\\\n").replace("\\\n", "").splitlines()
    index = 0
    while index < len(lines):
        most = _LINES_MAX if _TELLS.search(lines[index]) else 1  # a log's apostrophe opens nothing
        for end in range(index + 1, min(index + most, len(lines)) + 1):
            try:
                words = shlex.split("\n".join(lines[index:end]), comments=True)
            except ValueError:  # an open quote: a word over several lines
                continue
            yield words
            index = end
            break
        else:
            index += 1
