"""Predicates and counts as data: closed, printable expressions over earlier fields.

Knows operators, references and parameters. Never a Python callable: both engines run the same compiled
form (engine.code.Insn), so they agree by construction. Arithmetic is unsigned 64 bit.

>>> from vnetmig.vmstate.expression import Ref
>>> print((Ref("guest_features_low") & 4) != 0)
((guest_features_low & 4) != 0)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vnetmig.engine.code import Insn
from vnetmig.engine.python_expression import COMBINE

_MASK = (1 << 64) - 1


class Expr:
    """Base of all expressions; operators build bigger ones (comparisons too, so never compare with ==)."""

    __slots__ = ()

    def _with(self, op: Insn, other: Expr | int) -> Expr:
        return Binary(op, self, other if isinstance(other, Expr) else Const(other))

    def __add__(self, other: Expr | int) -> Expr:
        return self._with(Insn.ADD, other)

    def __sub__(self, other: Expr | int) -> Expr:
        return self._with(Insn.SUB, other)

    def __mul__(self, other: Expr | int) -> Expr:
        return self._with(Insn.MUL, other)

    def __floordiv__(self, other: Expr | int) -> Expr:
        return self._with(Insn.DIV, other)

    def __and__(self, other: Expr | int) -> Expr:
        return self._with(Insn.AND, other)

    def __or__(self, other: Expr | int) -> Expr:
        return self._with(Insn.OR, other)

    def __eq__(self, other: Expr | int) -> Expr:  # type: ignore[override]
        return self._with(Insn.EQ, other)

    def __ne__(self, other: Expr | int) -> Expr:  # type: ignore[override]
        return self._with(Insn.NE, other)

    def __lt__(self, other: Expr | int) -> Expr:
        return self._with(Insn.LT, other)

    def __le__(self, other: Expr | int) -> Expr:
        return self._with(Insn.LE, other)

    def __invert__(self) -> Expr:
        """Logical not."""
        return Not(self)

    __hash__ = None  # type: ignore[assignment]

    def fold(self, params: Mapping[str, int]) -> Expr:
        """The same expression with parameters replaced and constant parts computed."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Const(Expr):
    value: int

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True, eq=False)
class Ref(Expr):
    """An integer field read earlier: looked up in its own struct first, then outwards."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True, eq=False)
class Param(Expr):
    """A value that is not on the wire; given when the program is compiled."""

    name: str

    def __str__(self) -> str:
        return f"${self.name}"

    def fold(self, params: Mapping[str, int]) -> Expr:
        return Const(params[self.name]) if self.name in params else self


@dataclass(frozen=True, slots=True, eq=False)
class Version(Expr):
    """The version being read: of the section, of the subsection, or the local one of a nested struct."""

    def __str__(self) -> str:
        return "version"


@dataclass(frozen=True, slots=True, eq=False)
class Marker(Expr):
    """The marker in front of the list element being read."""

    def __str__(self) -> str:
        return "marker"


@dataclass(frozen=True, slots=True, eq=False)
class Count(Expr):
    """The number of elements that a list read earlier holds."""

    path: str

    def __str__(self) -> str:
        return f"count({self.path})"


@dataclass(frozen=True, slots=True, eq=False)
class Not(Expr):
    operand: Expr

    def __str__(self) -> str:
        return f"!{self.operand}"

    def fold(self, params: Mapping[str, int]) -> Expr:
        inner = self.operand.fold(params)
        return Const(int(not inner.value)) if isinstance(inner, Const) else Not(inner)


@dataclass(frozen=True, slots=True, eq=False)
class Binary(Expr):
    op: Insn
    left: Expr
    right: Expr

    def __str__(self) -> str:
        return f"({self.left} {_SIGNS[self.op]} {self.right})"

    def fold(self, params: Mapping[str, int]) -> Expr:
        left, right = self.left.fold(params), self.right.fold(params)
        if isinstance(left, Const) and isinstance(right, Const):
            return Const(combine(self.op, left.value & _MASK, right.value & _MASK))
        return Binary(self.op, left, right)


_SIGNS = {
    Insn.ADD: "+",
    Insn.SUB: "-",
    Insn.MUL: "*",
    Insn.DIV: "//",
    Insn.AND: "&",
    Insn.OR: "|",
    Insn.EQ: "==",
    Insn.NE: "!=",
    Insn.LT: "<",
    Insn.LE: "<=",
}


def combine(op: int, x: int, y: int) -> int:
    """What both engines compute for a binary instruction."""
    return COMBINE[op](x, y) & _MASK
