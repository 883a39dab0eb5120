"""Descriptions into programs: one pass that lays out the record and emits the flat ops side by side.

Knows descriptions and op codes; knows no bytes and no engine internals. Fixed fields that stand next to
each other become one SPAN; an array whose element is one SPAN becomes a repeated SPAN, so that 1,024
queue entries cost one op.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vnetmig.engine.code import (
    LITTLE,
    NODE_HEADER,
    SIGNED,
    SLOT_BYTES,
    SUBSECTION_HEADER,
    Flat,
    Insn,
    Op,
    OpRow,
)
from vnetmig.errors import VnetmigError
from vnetmig.vmstate.description import Check, Field, Item, List, Optional, Struct, Vmsd
from vnetmig.vmstate.expression import Binary, Const, Count, Expr, Marker, Not, Param, Ref, Version
from vnetmig.vmstate.layout import Kind, Node, subsection_name
from vnetmig.vmstate.types import Type


class DescriptionError(VnetmigError):
    """A description that cannot be compiled: an unknown reference, a parameter without a value."""


@dataclass(slots=True)
class _Frame:
    """A record of its own: the root, an element, a list node, a subsection."""

    depth: int
    size: int = 0
    subsection: bool = False
    is_list: bool = False

    def take(self, size: int) -> int:
        at = self.size
        self.size += size
        return at


@dataclass(slots=True)
class _Scope:
    """Names that an expression can see, and the version that `since` is compared with."""

    frame: _Frame
    parent: _Scope | None
    version: int | None
    names: dict[str, tuple[_Frame, int, int]] = field(default_factory=dict)

    def define(self, path: str, at: int, width: int) -> None:
        self.names[path] = (self.frame, at, width)

    def find(self, path: str) -> tuple[_Frame, int, int]:
        scope: _Scope | None = self
        while scope is not None:
            if path in scope.names:
                return scope.names[path]
            scope = scope.parent
        raise DescriptionError(f"no field '{path}' before this place")


@dataclass(slots=True)
class Compiled:
    """What the compiler gives to ``Program``. ``parts``: op -> (wire offset in one pass, node) of its leaves;
    ``owners``: op -> the node that opens its frames."""

    flat: Flat
    children: list[Node]
    parts: dict[int, list[tuple[int, Node]]]
    owners: dict[int, Node]
    sub_nodes: dict[int, Node]


class _Compiler:
    def __init__(self, params: Mapping[str, int]) -> None:
        self.params = params
        self.ops: list[OpRow] = []
        self.runs: list[tuple[int, int]] = []
        self.insns: list[tuple[int, int, int, int]] = []
        self.consts: list[int] = []
        self.subs: list[tuple[int, int, int, int, int, int]] = []
        self.names = bytearray()
        self.parts: dict[int, list[tuple[int, Node]]] = {}
        self.owners: dict[int, Node] = {}
        self.sub_nodes: dict[int, Node] = {}
        self.pending: list[tuple[int, Vmsd, _Scope, Node]] = []
        self.barrier = 0  # ops before this one may be jump targets: no merging across

    # expressions

    def expression(self, expr: Expr, scope: _Scope) -> int:
        first = len(self.insns)
        self._push(expr.fold(self.params), scope)
        self.insns.append((Insn.END, 0, 0, 0))
        return first

    def _constant(self, value: int) -> None:
        value &= (1 << 64) - 1
        if value not in self.consts:
            self.consts.append(value)
        self.insns.append((Insn.CONST, self.consts.index(value), 0, 0))

    def _push(self, expr: Expr, scope: _Scope) -> None:
        if isinstance(expr, Const):
            self._constant(expr.value)
        elif isinstance(expr, Ref):
            frame, at, width = scope.find(expr.path)
            self.insns.append((Insn.LOAD, at, scope.frame.depth - frame.depth, width))
        elif isinstance(expr, Count):
            frame, at, _ = scope.find(expr.path + "#")
            self.insns.append((Insn.LOAD, at, scope.frame.depth - frame.depth, 4))
        elif isinstance(expr, Version):
            if scope.version is not None:
                self._constant(scope.version)
            else:
                self._header(scope, "subsection", 8)
        elif isinstance(expr, Marker):
            self._header(scope, "is_list", 4)
        elif isinstance(expr, Not):
            self._push(expr.operand, scope)
            self.insns.append((Insn.NOT, 0, 0, 0))
        elif isinstance(expr, Binary):
            self._push(expr.left, scope)
            self._push(expr.right, scope)
            self.insns.append((expr.op, 0, 0, 0))
        elif isinstance(expr, Param):
            raise DescriptionError(f"parameter '{expr.name}' has no value")
        else:
            raise DescriptionError(f"not an expression: {expr!r}")

    def _header(self, scope: _Scope, kind: str, at: int) -> None:
        found: _Scope | None = scope
        while found is not None and not getattr(found.frame, kind):
            found = found.parent
        if found is None:
            raise DescriptionError("a marker or a version is used outside of its list or subsection")
        self.insns.append((Insn.LOAD, at, scope.frame.depth - found.frame.depth, 4))

    # items

    def body(self, vmsd: Vmsd, scope: _Scope, prefix: str) -> list[Node]:
        """Compile fields and subsections of ``vmsd`` in ``scope``; returns the nodes."""
        nodes: list[Node] = []
        opened: tuple[str, int, int] | None = None  # text of the open condition, its IF op, its expression
        for item in vmsd.fields:
            condition = self._condition(item, scope)
            if isinstance(condition, Const):
                if not condition.value:
                    continue
                condition = None
            text = str(condition) if condition is not None else None
            if opened is not None and opened[0] != text:
                self._close(opened[1])
                opened = None
            if condition is not None and text is not None and opened is None:
                expr = self.expression(condition, scope)
                opened = (text, len(self.ops), expr)
                self.ops.append(OpRow(Op.IF, expr=expr))
                self.barrier = len(self.ops)
            node = self.item(item, vmsd, scope, prefix)
            if node is not None:
                node.when = opened[2] if opened is not None else None
                nodes.append(node)
        if opened is not None:
            self._close(opened[1])
        if vmsd.subsections:
            nodes.append(self.subsections(vmsd, scope, prefix))
        return nodes

    def _condition(self, item: Item, scope: _Scope) -> Expr | None:
        if isinstance(item, Check | Optional):
            return None
        when = item.when.fold(self.params) if item.when is not None else None
        since = getattr(item, "since", 0)
        if since:
            exists: Expr = Const(since) <= Version()
            if scope.version is not None:
                exists = Const(int(since <= scope.version))
            when = exists if when is None else Binary(Insn.AND, exists, Not(Not(when)))
            when = when.fold(self.params)
        return when

    def _close(self, op: int) -> None:
        row = self.ops[op]
        self.ops[op] = OpRow(row.kind, expr=row.expr, next=len(self.ops))
        self.barrier = len(self.ops)

    def item(self, item: Item, vmsd: Vmsd, scope: _Scope, prefix: str) -> Node | None:
        if isinstance(item, Check):
            got, expected = self.expression(item.got, scope), self.expression(item.expected, scope)
            self.owners[len(self.ops)] = Node(Kind.STRUCT, "", prefix, 0, vmsd, item)
            self.ops.append(OpRow(Op.CHECK, flags=item.relation, expr=got, a=expected))
            return None
        if isinstance(item, Field):
            return self.leaf(item, vmsd, scope, prefix)
        if isinstance(item, Struct):
            count = item.count.fold(self.params) if isinstance(item.count, Expr) else item.count
            if isinstance(count, Const):
                count = count.value
            if count is None:
                return self.struct(item, vmsd, scope, prefix)
            return self.elements(item, item.body, vmsd, scope, prefix, count, item.limit)
        if isinstance(item, Optional):
            return self.elements(item, item.body, vmsd, scope, prefix, Not(Not(item.when.fold(self.params))), 1)
        return self.list(item, vmsd, scope, prefix)

    def leaf(self, item: Field, vmsd: Vmsd, scope: _Scope, prefix: str) -> Node:
        kind = item.type
        count = item.count.fold(self.params) if isinstance(item.count, Expr) else item.count
        if isinstance(count, Const):
            count = count.value
        node = Node(Kind.LEAF, item.name, prefix + item.name, 0, vmsd, item, kind, kind.size)
        if isinstance(count, Expr):
            node.kind = Kind.VLEAF
            node.count_expr = self.expression(count, scope)
            node.rec = scope.frame.take(SLOT_BYTES)
            first = len(self.runs)
            self.runs.append(_run(kind, 1))
            self.parts[len(self.ops)] = [(0, node)]
            self.owners[len(self.ops)] = node
            self.ops.append(
                OpRow(Op.VSPAN, item.limit, node.rec, node.count_expr, first, 1, kind.size)
            )  # fmt: skip
            self.barrier = len(self.ops)
            return node
        node.count = count
        total = kind.size * (1 if count is None else count)
        node.rec = scope.frame.take(total)
        self.span(node, _run(kind, 1 if count is None else count), total)
        if count is None and kind.form in ("uint", "int", "bool"):
            width = kind.size | (SIGNED if kind.form == "int" else 0)
            scope.define(item.name, node.rec, width)
        return node

    def span(self, node: Node, run: tuple[int, int], total: int) -> None:
        """Add a run behind the open SPAN, or open one."""
        last = len(self.ops) - 1
        row = self.ops[-1] if self.ops else None
        if (
            row is not None
            and last >= self.barrier
            and row.kind == Op.SPAN
            and row.expr == 1
            and row.rec + row.c == node.rec
            and row.a + row.b == len(self.runs)
        ):
            kind, count = self.runs[-1]
            if kind == run[0]:
                self.runs[-1] = (kind, count + run[1])
                runs = row.b
            else:
                self.runs.append(run)
                runs = row.b + 1
            self.parts[last].append((row.c, node))
            self.ops[last] = OpRow(Op.SPAN, rec=row.rec, expr=1, a=row.a, b=runs, c=row.c + total)
            return
        self.parts[len(self.ops)] = [(0, node)]
        self.ops.append(OpRow(Op.SPAN, rec=node.rec, expr=1, a=len(self.runs), b=1, c=total))
        self.runs.append(run)

    def struct(self, item: Struct, vmsd: Vmsd, scope: _Scope, prefix: str) -> Node:
        node = Node(Kind.STRUCT, item.name, prefix + item.name, scope.frame.size, vmsd, item)
        inner = _Scope(scope.frame, scope, item.body.version)
        node.children = self.body(item.body, inner, f"{node.path}." if item.name else prefix)
        for path, place in inner.names.items():
            scope.names[f"{item.name}.{path}"] = place
        return node

    def elements(
        self, item: Struct | Optional, body: Vmsd, vmsd: Vmsd, scope: _Scope, prefix: str, count: int | Expr, limit: int
    ) -> Node:
        node = Node(Kind.FIXED, item.name, prefix + item.name, 0, vmsd, item)
        counted = isinstance(count, Expr)
        if isinstance(count, Expr):
            node.kind = Kind.OPTIONAL if isinstance(item, Optional) else Kind.EACH
            node.count_expr = self.expression(count, scope)
            node.rec = scope.frame.take(SLOT_BYTES)
            scope.define(item.name + "#", node.rec + 4, 4)
        else:
            node.count = count
        start = len(self.ops)
        self.ops.append(OpRow(Op.EACH))
        self.barrier = len(self.ops)
        frame = _Frame(scope.frame.depth + 1)
        runs_before = len(self.runs)
        node.children = self.body(body, _Scope(frame, scope, body.version), "")
        node.size = frame.size
        ops = self.ops[start + 1 :]
        fused = len(ops) == 1 and ops[0].kind == Op.SPAN and ops[0].expr == 1 and ops[0].a >= runs_before
        if not counted:
            node.rec = scope.frame.take(node.size * node.count)  # type: ignore[operator]
        if fused:
            span = self.ops.pop()
            kind, repeat, flags = (Op.VSPAN, node.count_expr, limit) if counted else (Op.SPAN, node.count, 0)
            self.ops[start] = OpRow(kind, flags, node.rec, repeat or 0, span.a, span.b, span.c)
            self.parts[start] = self.parts.pop(start + 1)
        else:
            least = _least_bytes(self.ops, start + 1)
            row = (
                OpRow(Op.EACH, 0, node.rec, node.count_expr or 0, least, limit, node.size, len(self.ops))
                if counted
                else OpRow(Op.FIXED, 0, node.rec, node.count or 0, 0, 0, node.size, len(self.ops))
            )
            self.ops[start] = row
        self.owners[start] = node
        self.barrier = len(self.ops)
        return node

    def list(self, item: List, vmsd: Vmsd, scope: _Scope, prefix: str) -> Node:
        node = Node(Kind.LIST, item.name, prefix + item.name, scope.frame.take(SLOT_BYTES), vmsd, item)
        node.marker = item.marker
        scope.define(item.name + "#", node.rec + 4, 4)
        start = len(self.ops)
        self.ops.append(OpRow(Op.LIST))
        self.barrier = len(self.ops)
        frame = _Frame(scope.frame.depth + 1, NODE_HEADER, is_list=True)
        node.children = self.body(item.body, _Scope(frame, scope, item.body.version), "")
        node.size = frame.size
        least = item.marker + _least_bytes(self.ops, start + 1)
        self.ops[start] = OpRow(Op.LIST, item.marker, node.rec, 0, least, item.limit, node.size, len(self.ops))
        self.owners[start] = node
        self.barrier = len(self.ops)
        return node

    def subsections(self, vmsd: Vmsd, scope: _Scope, prefix: str) -> Node:
        node = Node(Kind.SUBSECTIONS, "", prefix, scope.frame.take(SLOT_BYTES), vmsd)
        node.first_sub = len(self.subs)
        prefix_at = len(self.names)
        self.names += vmsd.name.encode()
        for sub in vmsd.subsections:
            index = len(self.subs)
            name = sub.name.encode()
            self.subs.append((len(self.names), len(name), 0, 0, sub.version, sub.minimum_version))
            self.names += name
            child = Node(Kind.SUBSECTION, subsection_name(vmsd, sub), subsection_name(vmsd, sub), 0, sub)
            node.children.append(child)
            self.sub_nodes[index] = child
            self.pending.append((index, sub, scope, child))
        self.owners[len(self.ops)] = node
        self.ops.append(
            OpRow(
                Op.SUBSECTIONS,
                rec=node.rec,
                expr=len(vmsd.name.encode()),
                a=node.first_sub,
                b=len(vmsd.subsections),
                c=prefix_at,
            )
        )
        self.barrier = len(self.ops)
        return node

    def finish_subsections(self) -> None:
        while self.pending:
            index, sub, scope, node = self.pending.pop(0)
            first = len(self.ops)
            self.barrier = first
            frame = _Frame(scope.frame.depth + 1, SUBSECTION_HEADER, subsection=True)
            node.children = self.body(sub, _Scope(frame, scope, None), "")
            node.size = frame.size
            self.ops.append(OpRow(Op.END))
            name_at, length, _, _, version, minimum = self.subs[index]
            self.subs[index] = (name_at, length, first, frame.size, version, minimum)


def _run(kind: Type, count: int) -> tuple[int, int]:
    if kind.form in ("bytes", "mac"):
        return 1, kind.size * count
    return kind.size | (LITTLE if kind.order == "le" else 0), count


def _least_bytes(ops: list[OpRow], first: int) -> int:
    """Wire bytes that every element has at least: its unconditional spans before anything can jump."""
    total = 0
    index = first
    while index < len(ops):
        op = ops[index]
        if op.kind == Op.SPAN:
            total += op.c * op.expr
        elif op.kind == Op.LIST:
            total += op.flags
        elif op.kind == Op.CHECK:
            pass
        index = op.next if op.kind in (Op.IF, Op.EACH, Op.FIXED, Op.LIST) and op.next > index else index + 1
    return total


def compile_description(vmsd: Vmsd, params: Mapping[str, int], version: int | None = None) -> Compiled:
    """Compile ``vmsd`` as the payload of a section of ``version`` (default: the description's own)."""
    compiler = _Compiler(params)
    root = _Frame(0)
    scope = _Scope(root, None, vmsd.version if version is None else version)
    children = compiler.body(vmsd, scope, "")
    compiler.ops.append(OpRow(Op.END))
    compiler.finish_subsections()
    flat = Flat(
        tuple(compiler.ops),
        tuple(compiler.runs),
        tuple(compiler.insns),
        tuple(compiler.consts),
        tuple(compiler.subs),
        bytes(compiler.names),
        root.size,
    )
    return Compiled(flat, children, compiler.parts, compiler.owners, compiler.sub_nodes)
