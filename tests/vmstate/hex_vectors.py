"""The loader of tests/vectors/*.hex: bytes written down by hand, one field per line, each with its path and value.

% description NAME         a description in vector_descriptions.py; or
% vmdesc { JSON }          one as QEMU writes it into a stream
% version 2                of the section, when it is not the description's own
% error CODE at OFFSET field PATH      what loading must come to; without it, it must be fine
00 00 01 00   # vq[0].num = 256        bytes, path, value; `= bytes`: the bytes themselves
; a remark
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from vector_descriptions import DESCRIPTIONS

from vnetmig.migration.described import program_of
from vnetmig.stream.vmdescription import Description
from vnetmig.vmstate import Program
from vnetmig.vmstate.fields import Field

FOLDER = Path(__file__).resolve().parent.parent / "vectors"


@dataclass
class Vector:
    name: str
    description: str = ""
    vmdesc: str = ""
    version: int | None = None
    error: tuple[str, int, str] | None = None
    lines: list[tuple[bytes, str, str]] = field(default_factory=list)
    """(bytes, path, value as text)"""

    @property
    def data(self) -> bytes:
        return b"".join(piece for piece, _, _ in self.lines)

    @property
    def program(self) -> Program:
        if self.vmdesc:
            text = f'{{"page_size": 4096, "devices": [{self.vmdesc}]}}'
            (device,) = Description(text.encode()).devices
            return program_of(device, len(self.data))
        return Program(DESCRIPTIONS[self.description], version=self.version)


def load(path: Path) -> Vector:
    vector = Vector(path.stem)
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith("%"):
            word, _, rest = line[1:].strip().partition(" ")
            if word == "error":
                code, _, at, _, where = rest.split()
                vector.error = code, int(at), where
            elif word == "version":
                vector.version = int(rest)
            else:
                assert word in ("description", "vmdesc"), f"{path.name}: {line}"
                setattr(vector, word, rest)
        elif line.strip() and not line.startswith(";"):
            digits, _, remark = line.partition("#")
            name, _, value = remark.strip().partition(" = ")
            vector.lines.append((bytes.fromhex(digits), name, value))
    return vector


def all_vectors() -> list[Vector]:
    return [load(path) for path in sorted(FOLDER.glob("*.hex"))]


def means(found: Field, piece: bytes, text: str) -> bool:
    """Is the value of ``found`` what the vector's line says?"""
    if text == "bytes":
        return found.value == piece
    if text in ("True", "False"):
        return found.value is (text == "True")
    if isinstance(found.value, str):
        return found.value == text
    return found.value == int(text, 0)
