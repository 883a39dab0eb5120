"""How the bytes of a RAM payload reach a decoder: whole, or in any pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vnetmig.stream.payload import Decoded, Decoder
from vnetmig.stream.ram import RamWords
from vnetmig.stream.ram_words import Word


def wire(text: str) -> bytes:
    """Annotated hex, one field per line; what stands behind # is for people."""
    return bytes.fromhex("".join(line.split("#")[0] for line in text.splitlines()))


def no_end(position: int) -> bool | None:
    """RAM payloads end by themselves: nobody needs to be asked."""
    return None


def arrive(
    payload: bytes, decoder: Decoder, sizes: Iterator[int], offset: int = 0, patient: bool = False
) -> list[Decoded]:
    """The chunks of one payload whose bytes arrive in pieces of ``sizes``.

    With ``patient`` it is called only when as many are there as it wanted, which is what readers do.
    """
    chunks: list[Decoded] = []
    start = have = 0
    while True:
        # A copy that dies with the call: a decoder must not keep what it was given.
        data = memoryview(bytearray(payload[start:have]))
        result = decoder.decode(data, no_end, kind=1, offset=offset + start, final=have == len(payload))
        data.release()
        if result is None:
            assert decoder.wanted > have - start
            if have == len(payload):
                raise EOFError(f"{decoder.wanted - (have - start)} more bytes wanted")
            have = min(len(payload), have + next(sizes))
            while patient and have < min(start + decoder.wanted, len(payload)):
                have = min(len(payload), have + next(sizes))
            continue
        chunks.append(result)
        start += result.size
        if result.last:
            return chunks


def whole(payload: bytes, decoder: Decoder, offset: int = 0) -> list[Decoded]:
    """The chunks of a payload that arrived in one piece."""
    return arrive(payload, decoder, iter([len(payload)]), offset)


def words_of(chunks: Sequence[Decoded]) -> list[Word]:
    """The words of chunks that are nothing but words."""
    words: list[Word] = []
    for chunk in chunks:
        assert isinstance(chunk.payload, RamWords)
        words += chunk.payload.words()
    return words
