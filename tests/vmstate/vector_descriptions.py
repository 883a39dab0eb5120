"""Descriptions that the hand-written vectors in tests/vectors are read by, one for each kind of item."""

from __future__ import annotations

from vnetmig.engine.code import Relation
from vnetmig.vmstate import (
    BITMAP,
    BOOL,
    BUFFER,
    BY_NAME,
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
    Field,
    List,
    Marker,
    Optional,
    Ref,
    Struct,
    Version,
    Vmsd,
)

_PAIR = Vmsd("pair", 3, (Field("a", UINT8), Field("b", UINT16)))

_INNER_SUB = Vmsd("inner/extra", 2, (Field("x", UINT8), Field("y", UINT8, since=2)), minimum_version=1)
_DEEP = Vmsd("outer/deep/deeper", 1, (Field("z", UINT16),))

DESCRIPTIONS: dict[str, Vmsd] = {
    "integers": Vmsd(
        "integers",
        1,
        (
            Field("u8", UINT8),
            Field("u16", UINT16),
            Field("u32", UINT32),
            Field("u64", UINT64),
            Field("i8", INT8),
            Field("i16", INT16),
            Field("i32", INT32),
            Field("i64", INT64),
            Field("l16", LE16),
            Field("l32", LE32),
            Field("l64", LE64),
        ),
    ),
    "special": Vmsd(
        "special",
        1,
        (
            Field("off", BOOL),
            Field("on", BOOL),
            Field("odd", BOOL),
            Field("timer", TIMER),
            Field("idle", TIMER),
            Field("number", BY_NAME["CPU_Double_U"]),
            Field("map", BITMAP, 2),
            Field("buffer", BUFFER, 3),
            Field("unused", UNUSED, 2),
            Field("null", NULLPTR),
            Field("mac", MAC),
            Field("fd", BY_NAME["fd"]),
        ),
    ),
    "equal": Vmsd(
        "equal",
        1,
        tuple(
            Field(name.replace(" ", "_"), BY_NAME[name])
            for name in ("uint8 equal", "uint16 equal", "uint32 equal", "int64 equal", "int32 equal", "int32 le")
        ),
    ),
    "arrays": Vmsd(
        "arrays",
        1,
        (
            Field("one", UINT16, 1),
            Field("three", UINT16, 3),
            Field("none", UINT32, 0),
            Field("grid", UINT8, 2 * 2),  # VMS_ARRAY of two dimensions: row by row
            Struct("pairs", _PAIR, 2),
        ),
    ),
    "counted": Vmsd(
        "counted",
        1,
        (
            Field("n8", UINT8),
            Field("n16", UINT16),
            Field("n32", UINT32),
            Field("ni32", INT32),
            Field("by8", UINT16, Ref("n8"), limit=4, complaint="{got} entries, at most {expected}"),
            Field("by16", UINT8, Ref("n16")),
            Field("by32", MAC, Ref("n32")),
            Field("twice", UINT8, Ref("ni32") * 2),  # VMS_MULTIPLY_ELEMENTS
            Struct("pairs", _PAIR, Ref("n8")),
        ),
    ),
    "buffers": Vmsd(
        "buffers",
        1,
        (
            Field("size", INT32),
            Field("raw", BUFFER, Ref("size")),
            Field("wide", BUFFER, Ref("size") * 4),  # VMS_MULTIPLY
            Field("skipped", UNUSED, Ref("size")),
        ),
    ),
    "structs": Vmsd(
        "structs",
        1,
        (
            # A nested struct is read as of its own version (3), whatever the section's is.
            Struct("inner", Vmsd("inner", 3, (Field("old", UINT8), Field("new", UINT8, since=3)))),
            Field("late", UINT8, since=2),
            Struct("last", Vmsd("last", 1, (Field("never", UINT8, since=2), Field("always", UINT8)))),
        ),
    ),
    "exists": Vmsd(
        "exists",
        2,
        (
            Field("flags", UINT8),
            Field("big", UINT32, when=(Ref("flags") & 1) != 0),
            Field("both", UINT8, when=(Ref("flags") & 2) != 0, since=2),
            Struct("pair", _PAIR, when=(Ref("flags") & 4) != 0),
            Optional("apart", _PAIR, (Ref("flags") & 8) != 0),
            Field("end", UINT8),
        ),
    ),
    "checked": Vmsd(
        "checked",
        1,
        (
            Field("size", UINT8),
            Check(Ref("size"), Const(4), "size {got}, at most {expected}", Relation.AT_MOST),
            Field("version", UINT8),
            Check(Ref("version"), Version(), "version {got}, not {expected}"),
            Field("end", UINT8),
        ),
    ),
    "lists": Vmsd(
        "lists",
        1,
        (
            List("queue", _PAIR, limit=2),
            Field("total", UINT8),
            Check(Ref("total"), Count("queue"), "{got} elements told, {expected} there"),
            List("chunks", Vmsd("chunk", 0, (Field("data", BUFFER, Marker()),)), marker=4),
        ),
    ),
    "subsections": Vmsd(
        "outer",
        1,
        (
            Field("first", UINT8),
            Struct("inner", Vmsd("inner", 1, (Field("i", UINT8),), (_INNER_SUB,))),
            Field("second", UINT8, when=Const(0) < Ref("first")),
        ),
        (
            Vmsd("outer/a", 2, (Field("v", UINT16), Field("w", UINT8, since=2)), minimum_version=1),
            Vmsd("outer.b", 1, ()),
            Vmsd("outer/deep", 1, (Field("d", UINT8),), (_DEEP,)),
        ),
    ),
    "prefixes": Vmsd(
        "vga",
        1,
        (Struct("x", Vmsd("vga", 1, (Field("v", UINT8),), (Vmsd("vga/inner", 1, (Field("i", UINT8),)),))),),
        (Vmsd("vga.endian", 1, (Field("big", UINT8),)),),
    ),
    "nested": Vmsd(
        "nested",
        1,
        (
            Field("n", UINT8),
            Struct(
                "row",
                Vmsd(
                    "row",
                    1,
                    (
                        Field("m", UINT8),
                        Struct("cell", Vmsd("cell", 1, (Field("k", UINT8), Field("v", UINT8, Ref("k")))), Ref("m")),
                        List("notes", Vmsd("note", 1, (Field("text", BUFFER, Ref("m")),))),
                    ),
                ),
                Ref("n"),
            ),
        ),
    ),
}
