"""Hypothesis strategies: descriptions of every kind of item, nested, and bytes for them, fitting and damaged."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import strategies as st
from reference import Invented, Refused, leaves

from vnetmig.engine.code import Relation
from vnetmig.vmstate import (
    BITMAP,
    BOOL,
    BUFFER,
    INT8,
    INT16,
    INT32,
    INT64,
    LE16,
    LE32,
    LE64,
    MAC,
    NULLPTR,
    TIMER,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    UNUSED,
    Check,
    Const,
    Count,
    Expr,
    Field,
    List,
    Marker,
    Optional,
    Ref,
    Struct,
    Version,
    Vmsd,
)
from vnetmig.vmstate.description import Item

INTEGERS = (UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, BOOL, LE16, LE32, LE64, TIMER, NULLPTR)
TYPES = (*INTEGERS, MAC, BUFFER, UNUSED, BITMAP)
VMSD_NAMES = ("v", "v/a", "va", "w")
"""Some are prefixes of others: the rule of who owns a subsection must be put to the test."""


PLAIN = ("field",) * 5 + ("array",) * 2
NESTING = ("check", "struct", "each", "optional", "list")


@dataclass
class Sight:
    """What an expression may name at some place of a description."""

    numbers: itertools.count = field(default_factory=itertools.count)  # type: ignore[type-arg]
    integers: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    in_list: bool = False

    def inside(self, in_list: bool = False) -> Sight:
        return Sight(self.numbers, list(self.integers), list(self.lists), self.in_list or in_list)


@st.composite
def values(draw: st.DrawFn, sight: Sight) -> Expr:
    """An expression over what is in sight."""
    choices: list[Expr] = [Const(draw(st.integers(0, 5))), Version()]
    choices += [Ref(name) for name in sight.integers[-6:]]
    choices += [Count(name) for name in sight.lists[-2:]]
    if sight.in_list:
        choices.append(Marker())
    left = draw(st.sampled_from(choices))
    if draw(st.booleans()):
        return left
    right = draw(st.sampled_from(choices))
    ops = (
        lambda: left + right, lambda: left - right, lambda: left * right, lambda: left // right,
        lambda: left & right, lambda: left | right, lambda: left == right, lambda: left != right,
        lambda: left < right, lambda: left <= right, lambda: ~left,
    )  # fmt: skip
    return draw(st.sampled_from(ops))()


@st.composite
def counts(draw: st.DrawFn, sight: Sight) -> int | Expr | None:
    if draw(st.integers(0, 2)) == 0:
        return draw(st.integers(0, 4))
    value = draw(values(sight))
    count = draw(st.sampled_from((value & 3, value // 50, value, (value & 7) + 1)))
    fixed = count.fold({})
    return count if not isinstance(fixed, Const) or 0 <= fixed.value <= 9 else 1


@st.composite
def items(draw: st.DrawFn, sight: Sight, depth: int) -> Item:
    number = next(sight.numbers)
    kind = draw(
        st.sampled_from(
            ("field",) * 5 + ("array",) * 2 + (("check", "struct", "each", "optional", "list") if depth else ())
        )
    )
    when = draw(st.none() | values(sight))
    since = draw(st.sampled_from((0, 0, 0, 1, 2, 3)))
    limit = draw(st.sampled_from((2, 12, 40)))
    if kind == "field":
        chosen = draw(st.sampled_from(TYPES))
        item = Field(f"f{number}", chosen, None, when, since)
        if chosen in INTEGERS and not since and not (when is not None and isinstance(when.fold({}), Const)):
            sight.integers.append(item.name)  # what is never there cannot be named
        return item
    if kind == "array":
        return Field(f"a{number}", draw(st.sampled_from(TYPES)), draw(counts(sight)), when, since, limit)
    if kind == "check":
        relation = draw(st.sampled_from(Relation))
        return Check(draw(values(sight)) & 3, Const(3 if relation else 0), "{got}, not {expected}", relation)
    if kind == "optional":
        return Optional(f"o{number}", draw(vmsds(sight.inside(), depth - 1)), draw(values(sight)))
    if kind == "list":
        body = draw(vmsds(sight.inside(in_list=True), depth - 1))
        item_ = List(f"l{number}", body, draw(st.sampled_from((1, 4))), draw(st.sampled_from((2, 40))), when)
        if when is None:
            sight.lists.append(item_.name)
        return item_
    count = draw(counts(sight)) if kind == "each" else None
    inner = sight.inside()
    body = draw(vmsds(inner, depth - 1))
    if count is None and when is None and not since:
        sight.integers += [f"s{number}.{name}" for name in inner.integers if name not in sight.integers]
    return Struct(f"s{number}", body, count, when, since, limit)


@st.composite
def vmsds(draw: st.DrawFn, sight: Sight, depth: int, name: str | None = None) -> Vmsd:
    """A description of up to six items and up to three subsections."""
    own = name or draw(st.sampled_from(VMSD_NAMES))
    version = draw(st.integers(0, 3))
    fields = tuple(draw(items(sight, depth)) for _ in range(draw(st.integers(0 if depth < 3 else 2, 6))))
    subsections = []
    if depth and draw(st.booleans()):
        for _ in range(draw(st.integers(1, 3))):
            sub_name = f"{own}{draw(st.sampled_from(('/', '.', '')))}n{next(sight.numbers)}"
            subsections.append(draw(vmsds(sight.inside(), depth - 1, sub_name)))
    return Vmsd(own, version, fields, tuple(subsections), draw(st.integers(0, version)))


def descriptions() -> st.SearchStrategy[Vmsd]:
    return st.deferred(lambda: st.builds(Sight).flatmap(lambda sight: vmsds(sight, 3)))


def fitting(vmsd: Vmsd, rng: random.Random) -> bytes | None:
    """Bytes that ``vmsd`` can read, mostly; None when what came up runs into one of its limits."""
    source = Invented(rng)
    try:
        for _ in leaves(vmsd, source):
            if source.at > 20_000:
                return None
    except Refused:
        return bytes(source.out)
    return bytes(source.out)


def names_of(vmsd: Vmsd) -> Iterator[bytes]:
    """The names of all subsections below ``vmsd``."""
    for item in vmsd.fields:
        if isinstance(item, Struct | Optional | List):
            yield from names_of(item.body)
    for sub in vmsd.subsections:
        yield sub.name.encode()
        yield from names_of(sub)


def damaged(vmsd: Vmsd, data: bytes, rng: random.Random) -> bytes:
    """``data`` with one thing wrong: cut, bits flipped, bytes or a subsection put in or taken out."""
    kind = rng.randrange(5)
    at = rng.randrange(len(data) + 1)
    if kind == 0:
        return data[:at]
    if kind == 1 and data:
        out = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 3))):
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
        return bytes(out)
    if kind == 2:
        name = rng.choice([*names_of(vmsd), b"v", b"v/", b"va/no", b"w/none"])
        header = bytes((5, len(name))) + name + rng.randrange(5).to_bytes(4, "big")
        return data[:at] + header[: rng.choice((1, 2, len(header) - 2, len(header)))] + data[at:]
    if kind == 3:
        return data[:at] + rng.randbytes(rng.randrange(1, 9)) + data[at:]
    return data[:at] + data[at + rng.randrange(1, 9) :]
