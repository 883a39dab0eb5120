"""QEMU's options: which words of a command line belong together, and key=value text as a mapping.

Knows option syntax (qemu: util/qemu-option.c, qemu-options.hx); knows no option's meaning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vnetmig.errors import FieldError

_NO_VALUES = """h help version S s snapshot nodefaults no-user-config nodefconfig nographic curses full-screen daemonize
usb no-acpi no-hpet no-fd-bootchk no-reboot no-shutdown enable-kvm no-kvm enable-fips only-migratable preconfig
mem-prealloc singlestep one-insn-per-tb win2k-hack rtc-td-hack show-cursor no-frame alt-grab ctrl-grab no-quit sdl
portrait semihosting old-param xen-attach xen-domid-restrict"""
_WITHOUT_ARGUMENT: Final = frozenset(_NO_VALUES.split())


@dataclass(frozen=True, slots=True)
class Option:
    """``name`` without its dashes; ``value``: "" of one that takes none."""

    name: str
    value: str


def options(words: list[str]) -> Iterator[Option]:
    """The options among the words after the program."""
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "-":
            yield Option("hda", word)  # a bare word is a disk image
            continue
        name = word[2:] if word.startswith("--") else word[1:]
        if name in _WITHOUT_ARGUMENT:
            yield Option(name, "")
            continue
        value = next(rest, None)
        if value is None:
            raise FieldError(f"option {word}: expected a value, got the end of the command line")
        yield Option(name, value)


def keys_of(option: Option, implied: str = "") -> dict[str, str]:
    """The keys of an option's value: "k=v,k=v", where "," in a value is written ",,", or JSON; ``implied`` is the key
    of a first word without "=". Switches come as "on" and "off".

    >>> keys_of(Option("device", "virtio-net-pci,netdev=n0,mq"), "driver")
    {'driver': 'virtio-net-pci', 'netdev': 'n0', 'mq': 'on'}
    """
    if option.value.lstrip().startswith("{"):
        return _from_json(option)
    keys: dict[str, str] = {}
    for index, part in enumerate(_parts(option.value)):
        key, equals, value = part.partition("=")
        if equals:
            keys[key] = value
        elif index == 0 and implied:
            keys[implied] = part
        elif part.startswith("no") and len(part) > 2:  # "nowait" is wait=off
            keys[part[2:]] = "off"
        elif part:
            keys[part] = "on"
    return keys


def _parts(text: str) -> list[str]:
    """Split at single commas; two are one that belongs to the value."""
    return [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]


def _from_json(option: Option) -> dict[str, str]:
    try:
        value = json.loads(option.value)
    except (ValueError, RecursionError) as error:
        raise FieldError(f"-{option.name}: expected JSON: {error}") from error
    return {str(key): _text(item) for key, item in value.items()}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else json.dumps(value)


def number_of(keys: Mapping[str, str], key: str, default: int, where: str) -> int:
    """The number at ``key``; ``where`` names the option in the error."""
    text = keys.get(key)
    if text is None:
        return default
    try:
        return int(text, 0)
    except ValueError as error:
        raise FieldError(f"{where}: {key}={text!r}: expected a number") from error


SIZE_MAX: Final = 1 << 60
_UNITS: Final = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def size_of(text: str, unit: str = "") -> int | None:
    """Bytes of "96M"; ``unit`` of a number without one. None when it is no size."""
    found = re.fullmatch(r"(\d{1,18})(?:\.(\d{1,6}))?([bBkKmMgGtT]?)", text)
    if found is None:
        return None
    factor = _UNITS[(found[3] or unit).lower()]
    size = int(found[1]) * factor + int(found[2] or 0) * factor // 10 ** len(found[2] or "")
    return size if size <= SIZE_MAX else None
