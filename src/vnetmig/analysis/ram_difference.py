"""The RAM of two streams beside each other: blocks, and how many pages differ.

Knows what a stream's words leave in memory; looks into no page.
"""

from __future__ import annotations

from dataclasses import dataclass

from vnetmig.document.stream import Stream
from vnetmig.errors import StreamError
from vnetmig.stream.ram_image import RamImage


@dataclass(frozen=True, slots=True)
class RamDifference:
    """``pages`` that both streams carry, ``differ`` of them with another content; those that only one of them carries.

    ``blocks``: (name, used length in a, in b), where the block lists differ; 0: not there. ``unknown``: why pages
    could not be compared.
    """

    pages: int = 0
    differ: int = 0
    only_a: int = 0
    only_b: int = 0
    blocks: tuple[tuple[str, int, int], ...] = ()
    unknown: str | None = None

    @property
    def identical(self) -> bool:
        return not (self.differ or self.only_a or self.only_b or self.blocks or self.unknown)


def ram_difference(a: Stream, b: Stream) -> RamDifference:
    """Page by page, as the words leave them. Which pages differ is a matter of time: it makes no two machines."""
    try:
        ours, theirs = _image(a), _image(b)
    except StreamError as error:  # a delta of a page that came another way, as multifd channels bring them
        return RamDifference(unknown=error.message)
    names = dict.fromkeys((*ours.blocks, *theirs.blocks))
    lengths = ((name, _length(ours, name), _length(theirs, name)) for name in names)
    pages = differ = only_a = only_b = 0
    for name in dict.fromkeys((*ours.pages, *theirs.pages)):
        first, second = ours.pages.get(name, {}), theirs.pages.get(name, {})
        both = first.keys() & second.keys()
        pages += len(both)
        only_a += len(first) - len(both)
        only_b += len(second) - len(both)
        differ += sum(first[address] != second[address] for address in both)
    return RamDifference(pages, differ, only_a, only_b, tuple(one for one in lengths if one[1] != one[2]))


def _length(image: RamImage, name: str) -> int:
    return image.blocks[name].used_length if name in image.blocks else 0


def _image(stream: Stream) -> RamImage:
    image = RamImage()
    for section in stream.sections:
        if section.idstr == "ram":
            for event in section.payloads:
                image.apply_payload(event.payload)
    return image
