"""The one hot loop of a stream with guest RAM: stepping over the pages of one block.

Knows the two words that make up almost everything (a page, a zero page, both of the block of the
page before) and their sizes. Its C twin is csrc/scan.c. Must not know names, lists or any rare word: those are
stream/ram_read.py's.
"""

from __future__ import annotations

import struct

_WORD = struct.Struct(">Q")
_ZERO = struct.Struct(">QB")
_PAGE_CONTINUE = 0x28
_ZERO_CONTINUE = 0x22
_WORD_SIZE = 8
_ZERO_SIZE = 9


def scan_ram(
    data: bytes | bytearray | memoryview,
    position: int,
    limit_words: int,
    page_size: int,
    highest: int,
) -> tuple[int, int, int]:
    """Step over consecutive PAGE|CONTINUE and ZERO|CONTINUE words from ``position`` on.

    Returns ``(end_position, n_words, needs_more_at)``. It stops behind ``limit_words`` words, before
    any other word, before a page whose address lies above ``highest`` (the address of the block's last
    page, below 2^63; negative: none is legal), and where ``data`` ends inside a word: only then ``needs_more_at``
    is not 0 but the least length of ``data`` with which the word at ``end_position`` is complete, as
    far as the bytes at hand tell. ``page_size`` is a power of two, from 64 on: flags are the bits of a word below it.
    """
    # qemu: migration/ram.c:ram_load_precopy
    unpack_word = _WORD.unpack_from
    end = len(data)
    mask = page_size - 1
    page_word = _WORD_SIZE + page_size
    highest_page = highest + _PAGE_CONTINUE
    highest_zero = highest + _ZERO_CONTINUE
    words = 0
    while words < limit_words:
        behind = position + _WORD_SIZE
        if behind > end:
            return position, words, behind
        (word,) = unpack_word(data, position)
        flags = word & mask
        if flags == _PAGE_CONTINUE and word <= highest_page:
            behind = position + page_word
        elif flags == _ZERO_CONTINUE and word <= highest_zero:
            behind = position + _ZERO_SIZE
        else:
            break
        if behind > end:
            return position, words, behind
        position = behind
        words += 1
        if flags == _ZERO_CONTINUE:  # they come in runs: a cleared screen is thousands of them
            room = _ZERO_SIZE * min(limit_words - words, (end - position) // _ZERO_SIZE)
            for word, _ in _ZERO.iter_unpack(data[position : position + room]):
                if word & mask != _ZERO_CONTINUE or word > highest_zero:
                    break
                position += _ZERO_SIZE
                words += 1
    return position, words, 0
