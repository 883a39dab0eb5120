"""The RAM of real streams: the same bytes again, and as many pages as QEMU counted."""

from __future__ import annotations

import json
from collections import Counter
from itertools import repeat
from pathlib import Path

import pytest
from ram_arrival import arrive
from ram_captures import chunks_of, grammar_of, stream_of

from vnetmig.engine import engines
from vnetmig.stream.payload import Decoded
from vnetmig.stream.ram import RamDecoder, RamWords
from vnetmig.stream.ram_words import Page, Xbzrle, Zero
from vnetmig.stream.xbzrle import xbzrle_apply, xbzrle_encode


def named(captures: list[Path], name: str) -> Path:
    """The first capture whose name starts with ``name``."""
    for path in captures:
        if path.name.startswith(name):
            return path
    pytest.skip(f"no {name}* below VNETMIG_STREAMS")


def test_words_are_written_again(capture: Path) -> None:
    if capture.name.startswith("mapped-ram"):
        pytest.skip("its pages are not words")
    data = stream_of(capture)
    decoder = RamDecoder(grammar_of(data))
    kinds: Counter[str] = Counter()
    payloads = 0
    others = [chunks_of(data, RamDecoder(decoder.grammar, engine=name)) for name in engines()[1:]]
    for position, chunk in chunks_of(data, decoder):
        assert all(next(other) == (position, chunk) for other in others)
        assert isinstance(chunk.payload, RamWords)
        assert chunk.payload.encode() == data[position : position + chunk.size]
        kinds.update(chunk.payload.kinds())
        payloads += chunk.last
    assert kinds["BlockList"] == 1
    assert kinds["EndOfSection"] == payloads
    assert decoder.blocks
    guest = decoder.blocks.get("pc.ram") or decoder.blocks.get("ram0")
    assert guest is not None
    assert guest.used_length >= 16 << 20
    assert (guest.gpa == 0) is decoder.grammar.ignore_shared
    if capture.name.startswith("rfc-"):
        return  # other START sections follow: the walk ends after the first payload
    assert payloads > 1
    truth = json.loads((capture / "truth.json").read_text())["capture"]["migrate"]["ram"]
    if "multifd" not in capture.name:
        assert kinds["Page"] == truth["normal"]
        assert kinds["Zero"] == truth["duplicate"]


@pytest.mark.parametrize("size", [1, 7, 4104, 100_000])
def test_a_capture_may_arrive_in_any_pieces(captures: list[Path], size: int) -> None:
    data = stream_of(named(captures, "full-fw"))
    at_once = RamDecoder()
    piecewise = RamDecoder()
    collected: list[Decoded] = []
    for position, chunk in chunks_of(data, at_once):
        collected.append(chunk)
        if chunk.last:
            start = position + chunk.size - sum(part.size for part in collected)
            payload = data[start : position + chunk.size]
            assert arrive(payload, piecewise, repeat(size), start, patient=True) == collected
            collected = []
    assert piecewise == at_once


def test_every_delta_fits_its_page(captures: list[Path]) -> None:
    data = stream_of(named(captures, "full-linux-xbzrle"))
    pages: dict[tuple[str, int], bytes] = {}
    deltas = 0
    for _, chunk in chunks_of(data, RamDecoder()):
        assert isinstance(chunk.payload, RamWords)
        for word in chunk.payload.words():
            if isinstance(word, Page):
                pages[word.block, word.address] = word.data
            elif isinstance(word, Zero):
                pages[word.block, word.address] = bytes([word.fill]) * 4096
            elif isinstance(word, Xbzrle):
                deltas += 1
                old = pages[word.block, word.address]
                new = xbzrle_apply(old, word.data)
                assert new != old
                # QEMU's encoder may cut the runs elsewhere; ours must make the same page.
                assert xbzrle_apply(old, xbzrle_encode(old, new)) == new
                pages[word.block, word.address] = new
    assert deltas > 100
