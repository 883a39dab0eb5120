"""The vmdescription: the JSON behind the end of a stream that names every device and the size of its fields.

Knows where it stands and when its text is looked into: an outline is enough to read a stream (outline), the values
(vmdesc_json) are made when asked for. Must not know what a field means: compiling a description into a program is
vmstate's business. The text is regenerated from values in QEMU's two styles; where that does not give the same bytes
the original text is kept, and ``verbatim`` says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from mmap import mmap
from typing import Any

from vnetmig.errors import StreamError
from vnetmig.stream import framing
from vnetmig.stream.cursor import be
from vnetmig.stream.framing import DEFAULT_LIMITS
from vnetmig.stream.outline import DeviceDescription, Outline, lengths, named, number, outline, payload_size
from vnetmig.stream.vmdesc_json import DEPTH_MAX, VALUES_MAX, JsonObject, Style, parse, render

__all__ = [
    "DEPTH_MAX",
    "VALUES_MAX",
    "Description",
    "DeviceDescription",
    "JsonObject",
    "Style",
    "encode_section",
    "find",
    "payload_size",
    "render",
]

_MARK_SIZE = 1 + 4


class Description:
    """One vmdescription. What reading a stream needs comes from its outline, the values when they are asked for:
    ``parse`` raises what is wrong with the text."""

    __slots__ = ("_known", "_root", "_style", "_text", "_verbatim")

    def __init__(self, text: bytes) -> None:
        self._text: bytes | None = text
        self._known: Outline | None = None
        self._root: JsonObject | None = None
        self._style: Style | None = None
        self._verbatim: bool | None = None

    def known_as(self, other: Description) -> None:
        """Take over what is known of ``other``, if the text is the same."""
        if other._known is not None and self._text == other._text:
            self._known = other._known

    @classmethod
    def of(cls, root: JsonObject, style: Style = Style.COMPACT) -> Description:
        """A description made from values."""
        made = cls(b"")
        made._text, made._root, made._style, made._verbatim = None, root, style, False
        return made

    @property
    def _outline(self) -> Outline | None:
        if self._known is None and self._text is not None:
            self._known = outline(self._text)
        return self._known

    def parse(self) -> JsonObject:
        """The root object. Raises StreamError (offset within the text) if this is not such a JSON."""
        if self._root is None:
            assert self._text is not None
            self._root = parse(self._text)
        return self._root

    @property
    def root(self) -> JsonObject:
        return self.parse()

    @property
    def style(self) -> Style:
        if self._style is None:
            if self._outline is None:
                self.parse()
            assert self._text is not None
            self._style = Style.SPACED if self._text.startswith(b"{ ") else Style.COMPACT
        return self._style

    @property
    def verbatim(self) -> bool:
        """True when the values do not give these bytes again, so the text itself is written."""
        if self._verbatim is None:
            try:
                self._verbatim = self._render() != self._text
            except StreamError:
                self._verbatim = True
        return self._verbatim

    def _render(self) -> bytes:
        return render(self.parse(), self.style).encode("utf-8", "surrogatepass")

    @property
    def fault(self) -> StreamError | None:
        """Why the text cannot be parsed; QEMU skips it unread, so a stream with such a text still loads."""
        if self._outline is not None:
            return None
        try:
            self.parse()
        except StreamError as error:
            return error
        return None

    @property
    def text(self) -> bytes:
        """The text as it came; of a description made from values, as ``encode`` gives it."""
        return self._text if self._text is not None else self.encode()

    def encode(self) -> bytes:
        """The text: from values unless ``verbatim``."""
        if not self.verbatim:
            return self._render()
        assert self._text is not None
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Description) and self.encode() == other.encode()

    def __hash__(self) -> int:
        return hash(self.encode())

    def __repr__(self) -> str:
        return f"Description({len(self.text)} bytes)"

    @property
    def page_size(self) -> int | None:
        found = self._outline
        return found.page_size if found is not None else number(self.root.get("page_size"))

    @property
    def configuration(self) -> JsonObject | None:
        """Description of the configuration section; written by QEMU 10.0 and later, not by 7.2."""
        found = self.root.get("configuration")
        return found if isinstance(found, JsonObject) else None

    @property
    def has_configuration(self) -> bool:
        """Is ``configuration`` there? Needs no parsing of a text that was seen before."""
        found = self._outline
        return found.has_configuration if found is not None else self.configuration is not None

    @property
    def devices(self) -> tuple[DeviceDescription, ...]:
        """FULL sections in stream order. Entries that name no section are left out."""
        found = self._outline
        return found.devices if found is not None else tuple(device for device, _ in self._named())

    @property
    def by_key(self) -> Mapping[tuple[str, int, int], DeviceDescription]:
        """The devices by idstr, instance_id and occurrence."""
        found = self._outline
        if found is not None:
            return found.by_key
        return {(one.name, one.instance_id, one.occurrence): one for one in self.devices}

    @property
    def versions(self) -> Mapping[tuple[str, int, int], int | None] | None:
        """version_ids by idstr, instance_id and occurrence; None when the text is not one that QEMU writes."""
        found = self._outline
        return found.versions if found is not None else None

    def lengths(self) -> Mapping[tuple[str, int], Sequence[int]]:
        """For ``StreamReader(lengths=...)``: payload sizes per (idstr, instance_id), in stream order."""
        found = self._outline
        return found.lengths if found is not None else lengths(self._named())

    def _named(self) -> Iterator[tuple[DeviceDescription, Mapping[str, Any]]]:
        entries = self.root.get("devices")
        return named((entry, entry) for entry in (entries if isinstance(entries, list) else []))


def known(data: bytes) -> bytes | None:
    """What ``find`` would find, if it is a text that was read before: told by comparing, without a search."""
    for text in outline.texts():
        if data.endswith(text) and b"\x06" not in text:
            before = bytes((framing.EOF, framing.VMDESCRIPTION)) + len(text).to_bytes(4, "big")
            return text if data.endswith(before, 0, len(data) - len(text)) else None
    return None


def find(data: bytes | bytearray | mmap, limit: int = DEFAULT_LIMITS.vmdescription) -> tuple[int, int] | None:
    """(offset, length) of the text in a seekable buffer whose last byte is the text's last byte.

    Searches backwards for an EOF byte, 0x06, a length that reaches exactly the end, and an opening brace.
    The text itself holds no byte 0x06, so the first one found is the mark or one of the length bytes.
    """
    end = len(data)
    floor = max(0, end - limit - _MARK_SIZE - 1)
    position = end
    for _ in range(_MARK_SIZE):
        position = data.rfind(b"\x06", floor + 1, position)
        if position < 0:
            break
        length = int.from_bytes(data[position + 1 : position + _MARK_SIZE], "big")
        text = position + _MARK_SIZE
        if text + length == end and data[position - 1] == 0 and data[text : text + 1] == b"{":
            return text, length
    return None


def encode_section(text: bytes) -> bytes:
    """The whole 0x06 section around a text."""
    return bytes((framing.VMDESCRIPTION,)) + be(len(text), 4, "vmdescription length") + text
