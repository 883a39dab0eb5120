"""What is kept of texts: found again, bounded by number and by bytes, the last used ones."""

from __future__ import annotations

from vnetmig.stream.kept import Kept


def counting(made: list[bytes], *, entries: int = 3, size: int = 100) -> Kept[bytes]:
    def make(text: bytes) -> bytes:
        made.append(text)
        return text.upper()

    return Kept(make, entries=entries, size=size)


def test_made_once() -> None:
    made: list[bytes] = []
    kept = counting(made)
    assert [kept(bytes(bytearray(b"text"))) for _ in range(3)] == [b"TEXT"] * 3
    assert made == [b"text"]


def test_the_one_used_longest_ago_goes_first() -> None:
    made: list[bytes] = []
    kept = counting(made)
    for text in (b"a", b"b", b"c", b"a", b"d", b"a", b"b"):
        kept(text)
    assert made == [b"a", b"b", b"c", b"d", b"b"]
    assert len(kept) == 3


def test_bounded_by_bytes() -> None:
    made: list[bytes] = []
    kept = counting(made)
    kept(b"a" * 60)
    kept(b"b" * 30)
    kept(b"c" * 50)
    assert len(kept) == 2
    kept(b"b" * 30)
    assert len(made) == 3


def test_a_text_too_long_is_never_kept() -> None:
    made: list[bytes] = []
    kept = counting(made)
    kept(b"a")
    for _ in range(2):
        assert kept(b"b" * 101) == b"B" * 101
    assert (len(kept), len(made)) == (1, 3)
