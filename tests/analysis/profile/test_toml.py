"""Profiles as TOML: what is written is read back equal, and nothing else is read."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_streams import document, every_committed_capture
from recorded_offers import offers, profile_of_start

from vnetmig.analysis.profile.from_stream import profile_of
from vnetmig.analysis.profile.net_backend import Host
from vnetmig.analysis.profile.profile import DeviceProfile, Profile
from vnetmig.analysis.profile.toml import SIZE_MAX, from_toml, to_toml
from vnetmig.analysis.release import Release
from vnetmig.errors import FieldError

MINIMAL = 'qemu = "7.2"\n'
DEVICE = MINIMAL + '[[device]]\nidstr = "0000:00:02.0/virtio-net"\n'


@every_committed_capture
def test_every_capture_round_trips(folder: Path) -> None:
    profile = profile_of(document(folder))
    text = to_toml(profile)
    assert from_toml(text.encode(), "x.toml") == profile
    assert to_toml(from_toml(text.encode(), "x.toml")) == text


def test_profiles_of_command_lines_round_trip() -> None:
    for start in offers()[::50]:
        profile = replace(profile_of_start(start), capabilities=frozenset({"xbzrle", "events"}))
        assert from_toml(to_toml(profile).encode(), "x.toml") == profile


texts = st.text(st.characters(codec="utf-8"), max_size=20)
optional_flags = st.none() | st.booleans()
bits = st.integers(0, (1 << 128) - 1)


@st.composite
def devices(draw: st.DrawFn) -> DeviceProfile:
    offered = draw(st.none() | bits)
    return DeviceProfile(
        draw(texts) + "/virtio-net",
        "virtio-net",
        host_features=offered,
        assumed_features=(offered or 0) & draw(bits),
        backend=draw(st.none() | texts),
        vhost=draw(st.booleans()),
        queue_pairs=draw(st.none() | st.integers(1, 256)),
        queue_sizes=draw(st.none() | st.lists(st.integers(0, 1024), max_size=4).map(tuple)),
        vectors=draw(st.none() | st.integers(0, 2048)),
        has_ufo=draw(optional_flags),
        mac=draw(st.none() | texts),
        pci_ids=draw(st.none() | st.tuples(*[st.integers(0, 65535)] * 3)),
        properties=draw(st.dictionaries(texts, texts, max_size=3)),
        assumed=draw(st.lists(texts, max_size=3).map(tuple)),
    )


@given(
    st.lists(devices(), max_size=3, unique_by=lambda device: device.idstr),
    texts,
    st.dictionaries(texts, st.integers(0, 1 << 60), max_size=3),
    st.builds(Host, texts, optional_flags, optional_flags, optional_flags, vhost_features=st.none() | bits) | st.none(),
)
def test_anything_round_trips(made: list[DeviceProfile], text: str, ram: dict[str, int], host: Host | None) -> None:
    profile = Profile(Release(10, 0, 13), machine=text, devices=tuple(made), ram=ram, host=host, origin=text)
    assert from_toml(to_toml(profile).encode(), "x.toml") == profile


def test_it_can_be_read() -> None:
    """One feature a line, numbers beside names: people correct these files."""
    text = to_toml(profile_of_start(next(start for start in offers() if "pc-q35-8.2" in start["argv"])))
    assert '    "VIRTIO_NET_F_MRG_RXBUF",\n' in text and "host_features = [  # 0x10179bf8064\n" in text
    assert "# MSI-X" in text and text.startswith("# A destination of migrations")


def test_features_as_a_number() -> None:
    (device,) = from_toml((DEVICE + "host_features = 0x10179bf8064").encode(), "x.toml").devices
    assert device.host_features == 0x10179BF8064


def test_bytes_that_are_no_text() -> None:
    """A command line may hold any byte; TOML may not."""
    assert from_toml(to_toml(Profile(Release(7, 2), origin="a\udcffb")).encode(), "x.toml").origin == "a\ufffdb"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "qemu: expected a QEMU version"),
        ("qemu = 7.2", 'qemu: expected a QEMU version such as "7.2", got 7.2'),
        ('qemu = "new"', "qemu: expected a QEMU version"),
        ("qemu = ", "expected TOML"),
        (MINIMAL + "qemo = 1", "unknown key qemo; there is: assumed, capabilities, complete"),
        (DEVICE + "vektors = 4", r"unknown key device\[0\]\.vektors"),
        (DEVICE + 'vectors = "4"', r"device\[0\]\.vectors: expected a number 0 to 2048, got '4'"),
        (DEVICE + "vectors = true", r"device\[0\]\.vectors: expected a number"),
        (DEVICE + "vectors = 99999", r"device\[0\]\.vectors: expected a number 0 to 2048, got 99999"),
        (DEVICE + "vhost = 1", r"device\[0\]\.vhost: expected true or false"),
        (DEVICE + "queue_sizes = 4", r"device\[0\]\.queue_sizes: expected a list of numbers"),
        (DEVICE + "queue_sizes = [-1]", r"device\[0\]\.queue_sizes: expected a number"),
        (DEVICE + "pci_ids = [1]", r"device\[0\]\.pci_ids: expected three"),
        (DEVICE + 'host_features = ["MAGIC"]', r"device\[0\]\.host_features: virtio-net has no feature called 'MAGIC'"),
        (DEVICE + 'host_features = ["bit 128"]', r"device\[0\]\.host_features: a feature's bit is 0 to 127"),
        (DEVICE + "host_features = [5]", r"device\[0\]\.host_features: expected a string"),
        (DEVICE + 'assumed_features = ["bit 3"]', r"device\[0\]\.assumed_features: not among host_features"),
        (DEVICE + "properties = 1", r"device\[0\]\.properties: expected a table of strings"),
        (DEVICE + DEVICE[len(MINIMAL) :], "device: '0000:00:02.0/virtio-net' is there twice"),
        (MINIMAL + "[[device]]\n", r"device\[0\]\.idstr: expected a section's name"),
        (MINIMAL + "device = 4", "device: expected at most"),
        (MINIMAL + "device = [4]", r"device\[0\]: expected a table, got int"),
        (MINIMAL + "host = []", "host: expected a table"),
        (MINIMAL + "host = {ufo = 3}", "host.ufo: expected true or false"),
        (MINIMAL + 'ram = {"pc.ram" = -1}', "ram.pc.ram: expected a number"),
        (MINIMAL + "ram = 3", "ram: expected a table"),
        (MINIMAL + "others = [1]", "others: expected a string"),
        (MINIMAL + "a = " + "[" * 50_000, "expected TOML"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(FieldError, match=rf"^x\.toml: {words}"):
        from_toml(text.encode(), "x.toml")


def test_too_much() -> None:
    with pytest.raises(FieldError, match="a profile has"):
        from_toml(bytes(SIZE_MAX + 1), "x.toml")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_profile_or_an_error(data: bytes) -> None:
    with suppress(FieldError):
        from_toml(MINIMAL.encode() + data, "x.toml")
