"""The bytes of one leaf from nothing but its value, size and type: a second, independent encoder for the tests."""

from __future__ import annotations

from vnetmig.vmstate.fields import Field

LITTLE = {"le", "le16", "le32", "le64"}


def value_bytes(field: Field, stands: bytes) -> bytes:
    """``field`` as it must stand in the stream. ``stands``: what does stand there, for texts padded with NUL."""
    value, size = field.value, field.size
    if field.type == "subsection":
        name = str(value).encode()
        return bytes((5, len(name))) + name
    if isinstance(value, bytes):
        return value
    if isinstance(value, str) and value.count(":") == 5 and size == 6:
        return bytes.fromhex(value.replace(":", ""))
    if isinstance(value, str):  # a register of text, padded: the text is all there is to compare
        return stands if stands.rstrip(b"\0").decode("ascii", "backslashreplace") == value else b""
    assert isinstance(value, int)
    order = "little" if field.type in LITTLE else "big"
    return (value & (1 << 8 * size) - 1).to_bytes(size, order)
