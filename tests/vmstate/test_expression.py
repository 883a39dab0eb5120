"""Expressions: unsigned 64 bit in both engines and when they are folded, printable, and never a Python bool."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.errors import ProgramError
from vnetmig.vmstate import UINT8, UINT64, Const, Count, Expr, Field, Marker, Param, Program, Ref, Version, Vmsd
from vnetmig.vmstate.compiler import DescriptionError

MASK = (1 << 64) - 1
OPERATORS: dict[str, tuple[Callable[[Expr, Expr | int], Expr], Callable[[int, int], int]]] = {
    "+": (lambda x, y: x + y, lambda x, y: x + y),
    "-": (lambda x, y: x - y, lambda x, y: x - y),
    "*": (lambda x, y: x * y, lambda x, y: x * y),
    "//": (lambda x, y: x // y, lambda x, y: x // y if y else 0),
    "&": (lambda x, y: x & y, lambda x, y: x & y),
    "|": (lambda x, y: x | y, lambda x, y: x | y),
    "==": (lambda x, y: x == y, lambda x, y: int(x == y)),
    "!=": (lambda x, y: x != y, lambda x, y: int(x != y)),
    "<": (lambda x, y: x < y, lambda x, y: int(x < y)),
    "<=": (lambda x, y: x <= y, lambda x, y: int(x <= y)),
}
words = st.integers(0, MASK) | st.sampled_from((0, 1, MASK, 1 << 63))


def value_of(expr: Expr, x: int, y: int, engine: str) -> int:
    """What ``engine`` computes, told by a count that is over its limit of none."""
    vmsd = Vmsd("v", 1, (Field("x", UINT64), Field("y", UINT64), Field("a", UINT8, expr, limit=0)))
    error = Program(vmsd).load(x.to_bytes(8, "big") + y.to_bytes(8, "big"), engine=engine).error
    return 0 if error is None else int(error.got)  # type: ignore[call-overload]


@pytest.mark.parametrize("sign", list(OPERATORS))
def test_an_operator_means_the_same_compiled_and_folded(sign: str, engine: str) -> None:
    make, mean = OPERATORS[sign]

    @given(words, words)
    def check(x: int, y: int) -> None:
        expected = mean(x, y) & MASK
        assert value_of(make(Ref("x"), Ref("y")), x, y, engine) == expected
        folded = make(Const(x), Const(y)).fold({})
        assert isinstance(folded, Const)
        assert folded.value == expected

    check()


def test_not_is_logical(engine: str) -> None:
    assert [value_of(~Ref("x"), x, 0, engine) for x in (0, 1, 7)] == [1, 0, 0]


def test_parameters_fold_away_and_must_be_given() -> None:
    expr = Param("vectors") * 16
    assert str(expr) == "($vectors * 16)"
    assert str(expr.fold({"vectors": 3})) == "48"
    with pytest.raises(DescriptionError, match="parameter 'vectors' has no value"):
        Program(Vmsd("v", 1, (Field("a", UINT8, expr),)))


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        ((Ref("features") & 4) != 0, "((features & 4) != 0)"),
        (~(Ref("n") <= 5), "!(n <= 5)"),
        (Count("list") + Marker(), "(count(list) + marker)"),
        (Const(2) <= Version(), "(2 <= version)"),
    ],
)
def test_an_expression_prints_as_it_reads(expr: Expr, text: str) -> None:
    assert str(expr) == text


@pytest.mark.parametrize(
    "item",
    [
        Field("a", UINT8, Ref("later")),
        Field("a", UINT8, Marker()),
        Field("a", UINT8, Count("nothing")),
        Field("a", UINT8, Ref("array")),
    ],
)
def test_what_is_not_in_sight_cannot_be_named(item: Field) -> None:
    with pytest.raises(DescriptionError):
        Program(Vmsd("v", 1, (Field("array", UINT8, 3), item, Field("later", UINT8))))


def deep(depth: int) -> Program:
    expr: Expr = Ref("x")
    for _ in range(depth):
        expr = Ref("x") + expr  # the right side waits on the stack
    return Program(Vmsd("v", 1, (Field("x", UINT8), Field("a", UINT8, when=expr))))


def test_a_deep_expression_fits_the_stack_or_is_refused_before_it_runs(engine: str) -> None:
    assert deep(15).load(b"\0\0", engine=engine).error is None
    for depth in (16, 40):
        with pytest.raises(ProgramError, match=r"refused at op 1 \(expression\)"):
            deep(depth).load(b"\0\0", engine=engine)
