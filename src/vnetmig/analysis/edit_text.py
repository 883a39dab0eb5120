"""What people write in an edit: targets, numbers, members, features.

Knows spellings; changes nothing. Every fault is a FieldError that says what would have been right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from vnetmig.errors import FieldError
from vnetmig.virtio import features
from vnetmig.vmstate.value import Value

T = TypeVar("T")

Settable = Value | Iterable[int | str]
"""A value as a program has it; sets of VLAN ids and of addresses are iterables."""

_SWITCH = {"on": 1, "yes": 1, "true": 1, "off": 0, "no": 0, "false": 0}
_NOTHING = ("", "none")


def split_target(text: str) -> tuple[str, str]:
    """(device, path): split at the first ``:`` behind the last ``/`` that has one behind it.

    >>> split_target("0000:00:03.0/virtio-net:mac_table.macs[0]")
    ('0000:00:03.0/virtio-net', 'mac_table.macs[0]')
    >>> split_target("virtio-net:virtio/64bit_features")
    ('virtio-net', 'virtio/64bit_features')
    """
    slash = text.rfind("/")
    while True:
        colon = text.find(":", slash + 1)
        if colon > 0:
            device, path = text[:colon], text[colon + 1 :]
            if path:
                return device, path
        if slash < 0:
            raise FieldError(f"'{text}' names no field: write DEVICE:PATH, such as virtio-net:mac")
        slash = text.rfind("/", 0, slash)


def split_assignment(text: str) -> tuple[str, str, str]:
    """(device, path, value) of ``DEVICE:PATH=VALUE``, split at the first ``=``."""
    target, mark, value = text.partition("=")
    if not mark:
        raise FieldError(f"'{text}' sets nothing: write DEVICE:PATH=VALUE, such as virtio-net:mac=52:54:00:12:34:56")
    return *split_target(target), value.strip()


def written(value: Settable) -> str:
    """A value as people would write it.

    >>> written({5, 2}), written(True), written(b"\\x01\\xff"), written(("a", "b"))
    ('2,5', '1', '01ff', 'a,b')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, int):
        return str(int(value))
    members = sorted(value) if isinstance(value, set | frozenset) else value
    return ",".join(str(int(one)) if isinstance(one, bool) else str(one) for one in members)


def split_index(path: str) -> tuple[str, int]:
    """(list, index) of ``mac_table.macs[2]``."""
    name, bracket, number = path.rpartition("[")
    if not bracket or not number.endswith("]") or not number[:-1].isdecimal():
        raise FieldError(f"'{path}' names no entry of a list: write a place, such as {path.partition('[')[0]}[0]")
    return name, int(number[:-1])


def number(path: str, text: str) -> int:
    """An integer, decimal or 0x..., or on/off.

    >>> number("vq[0].num", "0x100"), number("promisc", "on")
    (256, 1)
    """
    if text.lower() in _SWITCH:
        return _SWITCH[text.lower()]
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return int(text, 10)  # with leading zeros
    except ValueError:
        raise FieldError(f"'{path}' takes a number (decimal or 0x...), not {text!r}") from None


def content(path: str, text: str) -> bytes:
    """Bytes in hexadecimal; blanks and colons may stand between them."""
    try:
        return bytes.fromhex(text.removeprefix("0x").replace(":", " "))
    except ValueError:
        raise FieldError(f"'{path}' takes bytes in hexadecimal, not {text!r}") from None


def words(text: str) -> list[str]:
    """What stands between commas; none for ``none`` and for nothing."""
    return [] if text.strip() in _NOTHING else [word.strip() for word in text.split(",")]


def members(path: str, text: str, now: Sequence[T], read: Callable[[str], T]) -> list[T]:
    """The members of a set or list: ``A,B`` are all; ``+A,-B`` is ``now`` with A behind it and without B.

    What is there already is not put in again, what is not there need not be taken out: one edit fits many streams.

    >>> members("vlans", "+42,-5", [2, 5], int)
    [2, 42]
    """
    given = words(text)
    signed = [word for word in given if word[:1] in ("+", "-")]
    if not signed:
        return [read(word) for word in given]
    if len(signed) != len(given):
        raise FieldError(f"'{path}' takes all members, or each with + or -, not {text!r}")
    made = list(now)
    for word in signed:
        member = read(word[1:])
        if word[0] == "+" and member not in made:
            made.append(member)
        elif word[0] == "-" and member in made:
            made.remove(member)
    return made


def feature(device: str, name: str) -> int:
    """The bit of a feature by its name, also without what stands in front of ``_F_``, or by ``bit N``.

    >>> feature("virtio-net", "mq"), feature("virtio-net", "VIRTIO_NET_F_MQ"), feature("virtio-net", "bit 54")
    (22, 22, 54)
    """
    short = name.strip().upper().replace("BIT ", "bit ")
    known = {one.name: one.bit for one in features.features(device)}
    ends = [bit for full, bit in known.items() if full.endswith(f"_F_{short}")]
    if len(ends) == 1:
        return ends[0]
    return features.bits_of(device, [short]).bit_length() - 1


def feature_bits(device: str, path: str, text: str, now: int) -> int:
    """A set of features: a number, names, or ``+NAME,-NAME``."""
    try:
        return int(text, 0)
    except ValueError:
        pass
    held = [bit for bit in range(now.bit_length()) if now >> bit & 1]
    made = members(path, text, held, lambda name: feature(device, name))
    return sum(1 << bit for bit in dict.fromkeys(made))
