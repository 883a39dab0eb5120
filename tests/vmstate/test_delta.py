"""Deltas of payloads: real sections, what they cost on the wire, and errors for people."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_sections import virtio_sections
from real_streams import COMMITTED, every_committed_capture, sample

from vnetmig.engine import engines
from vnetmig.errors import StreamError
from vnetmig.vmstate.delta import apply_delta, identity, make_delta

SECTION = sample("linux-tap-4q-load-q72", "virtio-net")


def there_and_back(base: bytes, target: bytes) -> bytes:
    deltas = [make_delta(base, target, engine=name) for name in engines()]
    assert len(set(deltas)) == 1
    assert all(apply_delta(base, deltas[0], engine=name) == target for name in engines())
    return deltas[0]


def test_eight_ring_indices() -> None:
    record = SECTION.program.load(SECTION.payload).record
    for queue in range(8):
        record[f"vq[{queue}].last_avail_idx"] = record[f"vq[{queue}].last_avail_idx"] ^ 0x1234
    assert len(there_and_back(SECTION.payload, record.save())) <= 8 * 4 + 12


def test_a_subsection_that_goes_and_comes_costs_itself() -> None:
    record = SECTION.program.load(SECTION.payload).record
    record["vq[0].last_avail_idx"] = record["vq[0].last_avail_idx"] ^ 0x1234
    record.drop("started")
    without = record.save()
    assert len(without) == len(SECTION.payload) - 21  # mark, length, name, version, value
    assert len(there_and_back(SECTION.payload, without)) <= 20
    assert len(there_and_back(without, SECTION.payload)) <= 20 + 21


@every_committed_capture
def test_between_the_sections_of_a_real_stream(folder: Path) -> None:
    payloads = [section.config + section.rest[:60000] for section in virtio_sections(folder)] or [b"none"]
    for base, target in zip(payloads, [*payloads[1:], payloads[0]], strict=True):
        there_and_back(base, target)


def test_streams_have_virtio_sections() -> None:
    assert sum(bool(virtio_sections(folder)) for folder in COMMITTED.iterdir() if folder.is_dir()) >= 5


@pytest.mark.parametrize(
    ("delta", "text"),
    [
        ("", "Failed to apply a delta\n  at offset 0x0 (0): expected 1 bytes, got 0 bytes"),
        ("d2 00 00", "Failed to apply a delta\n  at offset 0x0 (0): expected 0xd1, got 0xd2"),
        ("d1 64 65", "Failed to apply a delta\n  at offset 0x2 (2): expected at most 0x64, got 0x65"),
        (
            "d1 64 00 02 00 00",
            "Failed to apply a delta\n  at offset 0x4 (4): expected the end of the delta, got 2 more bytes",
        ),
    ],
)
def test_what_is_wrong_with_a_delta(engine: str, delta: str, text: str) -> None:
    with pytest.raises(StreamError) as caught:
        apply_delta(bytes(100), bytes.fromhex(delta), engine=engine)
    assert str(caught.value) == text


@given(st.binary(max_size=80))
def test_any_bytes_give_a_payload_or_a_stream_error(data: bytes) -> None:
    for delta in (data, b"\xd1" + data, b"\xd1\x64\x00" + data):
        try:
            assert len(apply_delta(bytes(100), delta, limit=5000)) <= 5000
        except StreamError as error:
            assert 0 <= error.offset <= len(delta)  # noqa: PT017


def test_a_limit_of_the_caller(engine: str) -> None:
    delta = make_delta(b"", bytes(50), engine=engine)
    assert apply_delta(b"", delta, engine=engine, limit=50) == bytes(50)
    with pytest.raises(StreamError) as caught:
        apply_delta(b"", delta, engine=engine, limit=49)
    assert caught.value.code == "limit"


def test_an_identity_is_of_the_bytes() -> None:
    assert identity(SECTION.payload) == identity(bytes(bytearray(SECTION.payload)))
    assert len(identity(b"")) == 16 and identity(b"") != identity(b"\0")
