"""Text from a stream made harmless: names on the wire are bytes that anybody may have chosen.

Knows characters; knows no terminal. What comes out has no control character, no character that changes the direction
of writing, no lone surrogate and no line break.
"""

from __future__ import annotations


def safe(text: object) -> str:
    r"""``text`` with everything that does not print written as an escape.

    >>> safe("net\x1b[2J\n")
    'net\\x1b[2J\\n'
    """
    string = str(text)
    if string.isprintable():
        return string
    return "".join(c if c.isprintable() else _escaped(c) for c in string)


def _escaped(character: str) -> str:
    point = ord(character)
    if 0xDC80 <= point <= 0xDCFF:  # a byte that is not UTF-8, as surrogateescape keeps it
        return f"\\x{point - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
