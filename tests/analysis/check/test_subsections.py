"""Subsections behind a virtio device: one of them altered or cut, and what real QEMUs said to it."""

from __future__ import annotations

import pytest
from altered import NET, cut, put, refusals, valid

WRAPPED = "Loading VM subsection 'virtio/64bit_features' in 'virtio' failed: "
_NAME = b"\x05\x15virtio/64bit_features"


def named(length: int) -> bytes:
    """64bit_features with another length in front of its name."""
    return put("1q", "q72", "64bit_features.#name", bytes((_NAME[0], length)))


#   qemu   version written      QEMU's first line
VERSIONS = [
    (
        "q72",
        0,
        "vmstate-too-old",
        "virtio/64bit_features: incoming version_id 0 is too old for local minimum version_id  1",
    ),
    (
        "q111",
        0,
        "vmstate-too-old",
        WRAPPED + "virtio/64bit_features: incoming version_id 0 is too old for local minimum version_id 1",
    ),
    ("q72", 2, "vmstate-too-new", "virtio/64bit_features: incoming version_id 2 is too new for local version_id 1"),
    (
        "q72",
        0x7FFFFFFF,  # one byte of it is kept
        "vmstate-too-new",
        "virtio/64bit_features: incoming version_id 255 is too new for local version_id 1",
    ),
    (
        "q72",
        0x80000000,
        "vmstate-too-old",
        "virtio/64bit_features: incoming version_id 0 is too old for local minimum version_id  1",
    ),
]


@pytest.mark.parametrize(("qemu", "version", "rule", "message"), VERSIONS)
def test_a_version(qemu: str, version: int, rule: str, message: str, engine: str) -> None:
    data = put("1q", qemu, "64bit_features.#version", version.to_bytes(4, "big"))
    assert refusals("1q", qemu, data, engine) == [(rule, message)]


@pytest.mark.parametrize(
    ("length", "rule", "message"),
    [
        (0, "footer-missing", f"Missing section footer for {NET}"),
        (6, "footer-missing", f"Missing section footer for {NET}"),
        (7, "subsection-unknown", "Failed to load virtio-net:virtio"),
        (20, "subsection-unknown", "Failed to load virtio-net:virtio"),
        (  # the name is a C string: what is read as version stands behind it
            22,
            "vmstate-too-old",
            "virtio/64bit_features: incoming version_id 0 is too old for local minimum version_id  1",
        ),
        (
            255,
            "vmstate-too-old",
            "virtio/64bit_features: incoming version_id 0 is too old for local minimum version_id  1",
        ),
    ],
)
def test_a_length_in_front_of_a_name(length: int, rule: str, message: str, engine: str) -> None:
    assert (rule, message) in refusals("1q", "q72", named(length), engine)


#   path that the stream ends in, how far                rule             7.2's first line, 11.1's
CUTS = [
    ("64bit_features.#name", 0, "Failed to load virtio-net:virtio", None),
    ("64bit_features.#name", 12, "Failed to load virtio-net:virtio", None),
    (
        "64bit_features.guest_features",
        4,
        "Failed to load virtio/64bit_features:guest_features",
        WRAPPED + "Failed to load virtio/64bit_features state: stream error: -5",
    ),
    (
        "virtqueues.vq[0].avail",
        0,
        "Failed to load virtqueue_state:vring.avail",
        (
            "Loading VM subsection 'virtio/virtqueues' in 'virtio' failed: Failed to load virtqueue_state state: "
            "stream error: -5"
        ),
    ),
    (
        "started.#name",
        1,
        "Failed to load virtio_pci/modern_state:vqs",
        (
            "Loading VM subsection 'virtio_pci/modern_state' in 'virtio_pci' failed: Failed to load "
            "virtio_pci/modern_state state: stream error: -5"
        ),
    ),
    (
        "started.#name",
        5,
        "Failed to load virtio/extra_state:extra_state",
        (
            "Loading VM subsection 'virtio/extra_state' in 'virtio' failed: Failed to load virtio/extra_state state: "
            "stream error: -5"
        ),
    ),
    ("started.started", 0, "Failed to load virtio/started:started", None),
]


@pytest.mark.parametrize(("path", "inside", "before", "since"), CUTS)
def test_a_stream_that_ends_in_a_subsection(
    path: str, inside: int, before: str, since: str | None, engine: str
) -> None:
    assert refusals("1q", "q72", cut("1q", "q72", path, inside), engine)[-1] == ("stream-error", before)
    if since is not None:
        assert refusals("1q", "q111", cut("1q", "q111", path, inside), engine)[-1] == ("stream-error", since)


def test_without_a_mark_what_follows_is_no_subsection() -> None:
    """Rings are judged by what came: 7.2 finds avail and used rings at address 0."""
    data = put("1q", "q72", "virtqueues.#name", b"\0")
    first, *_, last = refusals("1q", "q72", data)
    assert first == (
        "queue-guest-index",
        "VQ 0 size 0x100 Guest index 0x0 inconsistent with Host index 0x6: delta 0xfffa",
    )
    assert last == ("footer-missing", f"Missing section footer for {NET}")


def test_a_subsection_twice_and_in_another_order_loads() -> None:
    found = valid("1q", "q72")
    at = found.places["64bit_features.#name"]
    end = found.places["virtqueues.#name"]
    assert refusals("1q", "q72", found.data[:end] + found.data[at:end] + found.data[end:]) == []


BACKEND = b"\x05\x19virtio-net-device/backend\0\0\0\0"


def with_backend(qemu: str, chunks: bytes, *, whole: bool) -> bytes:
    """vhost-user device state in front of the other subsections."""
    found = valid("1q", qemu)
    at = found.places["64bit_features.#name"]
    return found.data[:at] + BACKEND + chunks + (found.data[at:] if whole else b"")


def test_the_state_of_a_vhost_user_backend_is_passed_over(engine: str) -> None:
    assert refusals("1q", "q111", with_backend("q111", b"\0\0\0\4abcd\0\0\0\0", whole=True), engine) == []


@pytest.mark.parametrize("chunks", [b"", b"\0\0", b"\0\0\0\4ab", b"\0\0\0\4abcd", b"\x7f\xff\xff\xffabcd"])
def test_a_cut_in_the_state_of_a_vhost_user_backend(chunks: bytes, engine: str) -> None:
    data = with_backend("q111", chunks, whole=False)
    around = "Loading VM subsection 'virtio-net-device/backend' in 'virtio-net-device' failed: "
    message = f"{around}Failed to load virtio-net-device/backend state: stream error: -5"
    assert refusals("1q", "q111", data, engine) == [("stream-error", message)]


def test_a_chunk_before_a_subsection_that_is_refused(engine: str) -> None:
    data = with_backend("q111", b"\0\0\0\4abcd\0\0\0\0", whole=True)
    version = data.index(_NAME) + len(_NAME)
    altered = data[:version] + bytes(4) + data[version + 4 :]
    assert [rule for rule, _ in refusals("1q", "q111", altered, engine)] == ["vmstate-too-old"]
