"""One value between native memory and Python: integers, MAC addresses, bytes, and registers in a buffer.

Knows types and registers; knows no layout.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from vnetmig.errors import FieldError
from vnetmig.vmstate.description import Field
from vnetmig.vmstate.layout import Node
from vnetmig.vmstate.overlay import Register
from vnetmig.vmstate.types import Type

Value = int | bool | str | bytes | tuple[int | bool | str, ...]

NATIVE = {
    ("uint", 1): struct.Struct("=B"),
    ("uint", 2): struct.Struct("=H"),
    ("uint", 4): struct.Struct("=I"),
    ("uint", 8): struct.Struct("=Q"),
    ("int", 1): struct.Struct("=b"),
    ("int", 2): struct.Struct("=h"),
    ("int", 4): struct.Struct("=i"),
    ("int", 8): struct.Struct("=q"),
    ("bool", 1): struct.Struct("=B"),
}
"""How a number of (form, size) stands in a record."""


def mac_text(data: bytes | bytearray | memoryview) -> str:
    """Six bytes as people write them.

    >>> mac_text(bytes.fromhex("525400123456"))
    '52:54:00:12:34:56'
    """
    return ":".join(f"{byte:02x}" for byte in data)


def mac_bytes(path: str, text: object) -> bytes:
    """The six bytes of a MAC address given as text or bytes. FieldError for anything else."""
    if isinstance(text, bytes | bytearray) and len(text) == 6:
        return bytes(text)
    parts = text.split(":") if isinstance(text, str) else []
    if len(parts) == 6 and all(len(p) == 2 and set(p) <= set("0123456789abcdefABCDEF") for p in parts):
        return bytes(int(part, 16) for part in parts)
    raise FieldError(f"'{path}' takes a MAC address such as 52:54:00:12:34:56, not {text!r}")


def decode(kind: Type, record: bytearray | memoryview, at: int) -> int | bool | str:
    """The value of ``kind`` at ``record[at:]`` (native byte order). A bool that is neither 0 nor 1 stays a number."""
    if kind.form == "mac":
        return mac_text(record[at : at + 6])
    value: int = NATIVE[kind.form, kind.size].unpack_from(record, at)[0]
    return bool(value) if kind.form == "bool" and value < 2 else value


def decode_array(kind: Type, record: bytearray | memoryview, at: int, count: int) -> tuple[int | bool | str, ...]:
    """``count`` values of ``kind``, one behind the other."""
    if kind.form in ("mac", "bool"):
        return tuple(decode(kind, record, at + i * kind.size) for i in range(count))
    return struct.unpack_from(f"={count}{NATIVE[kind.form, kind.size].format[-1]}", record, at)


def limits(form: str, size: int) -> tuple[int, int]:
    """Smallest and largest value of an integer of ``size`` bytes."""
    if form == "int":
        return -(1 << (8 * size - 1)), (1 << (8 * size - 1)) - 1
    return 0, (1 << (8 * size)) - 1


def _checked(path: str, value: object, form: str, size: int, name: str) -> int:
    if not isinstance(value, int):
        raise FieldError(f"'{path}' takes a number ({name}), not {value!r}")
    low, high = limits(form, size)
    if not low <= value <= high:
        raise FieldError(f"'{path}' takes {low} to {high} ({name}), not {value}")
    return int(value)


def encode(path: str, kind: Type, value: object) -> bytes:
    """Native bytes of ``value``. FieldError, naming ``path``, when it does not fit."""
    if kind.form == "mac":
        return mac_bytes(path, value)
    return NATIVE[kind.form, kind.size].pack(_checked(path, value, kind.form, kind.size, kind.name))


_REGISTER: dict[str, Callable[[bytes], Value]] = {
    "le": lambda data: int.from_bytes(data, "little"),
    "be": lambda data: int.from_bytes(data, "big"),
    "mac": mac_text,
    "string": lambda data: data.rstrip(b"\0").decode("ascii", "backslashreplace"),
}


def decode_register(data: bytes, register: Register) -> Value:
    """The value of a register inside a buffer."""
    piece = data[register.offset : register.offset + register.size]
    return _REGISTER.get(register.kind, bytes)(piece)


def encode_register(path: str, register: Register, value: object) -> bytes:
    """The bytes of a register. FieldError, naming ``path``, when ``value`` does not fit."""
    if register.kind in ("le", "be"):
        number = _checked(path, value, "uint", register.size, f"{register.size} bytes")
        return number.to_bytes(register.size, "little" if register.kind == "le" else "big")
    if register.kind == "mac":
        return mac_bytes(path, value)
    if register.kind == "string" and isinstance(value, str):
        value = value.encode("ascii", "replace").ljust(register.size, b"\0")
    if not isinstance(value, bytes | bytearray) or len(value) != register.size:
        raise FieldError(f"'{path}' takes {register.size} bytes, not {value!r}")
    return bytes(value)


def registers(node: Node, data: bytes) -> tuple[Register, ...]:
    """The registers of a buffer that has an overlay; empty for one that has none."""
    item = node.item
    return item.overlay(data) if isinstance(item, Field) and item.overlay is not None else ()


def find_register(node: Node, data: bytes, name: str, path: str) -> Register:
    """The register called ``name``. FieldError when the buffer has none of that name."""
    known = registers(node, data)
    for register in known:
        if register.name == name:
            return register
    there = ", ".join(r.name for r in known[:60])
    raise FieldError(f"no field '{path}'" + (f"; there is: {there}" if there else f": {node.path} has no parts"))
