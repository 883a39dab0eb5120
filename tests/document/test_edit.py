"""Values can be set: checked, saved, loaded again equal; and nothing changes but what was set."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from real_streams import committed, document, read

import vnetmig
from vnetmig.document.net import NetDevice
from vnetmig.document.stream import Stream
from vnetmig.errors import FieldError
from vnetmig.vmstate import Record

LEGACY, PAIRS, PACKED, RSS = (
    "linux-user-legacy-q72",
    "linux-tap-4q-load-q72",
    "linux-tap-4q-packed-q111",
    "linux-tap-4q-rss-q100",
)
ALL = [LEGACY, PAIRS, PACKED, "microvm-mmio-q72", "linux-q35-pcie-q72", "linux-user-1q-ping-q52"]
each_stream = pytest.mark.parametrize("name", ALL)


def opened(name: str) -> tuple[Stream, NetDevice]:
    stream = document(committed(name))
    (net,) = stream.nets()
    return stream, net


def again(stream: Stream) -> NetDevice:
    """The device after writing and reading the stream."""
    (net,) = vnetmig.load(stream.encode()).nets()
    return net


def differing(old: bytes, new: bytes) -> set[int]:
    """Offsets of the bytes that differ, the two being of one length."""
    assert len(old) == len(new)
    return {i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b}


def places(net: NetDevice, *paths: str) -> set[int]:
    """Offsets of all bytes of the fields (or arrays, or buffers) called ``paths``."""
    return {
        offset
        for path, field in net.fields().leaves()
        if any(path == p or path.startswith((f"{p}[", f"{p}.")) for p in paths)
        for offset in range(field.offset, field.offset + field.size)
    }


# One value each, no byte moves

SETS: dict[str, tuple[Callable[[NetDevice], object], Callable[[NetDevice], bool], tuple[str, ...]]] = {
    "mac": (
        lambda net: setattr(net, "mac", "52:54:00:aa:bb:cc"),
        lambda net: net.mac == "52:54:00:aa:bb:cc",
        ("mac",),
    ),
    "mac as bytes": (
        lambda net: setattr(net, "mac", bytes.fromhex("525400AABBCC")),
        lambda net: net.mac == "52:54:00:aa:bb:cc",
        ("mac",),
    ),
    "status": (lambda net: setattr(net, "status", 0x4F), lambda net: net.status == 0x4F, ("status",)),
    "isr": (lambda net: setattr(net, "isr", 3), lambda net: net.isr == 3, ("isr",)),
    "queue_sel": (lambda net: setattr(net, "queue_sel", 77), lambda net: net.queue_sel == 77, ("queue_sel",)),
    "link down": (lambda net: setattr(net, "net_status", 2), lambda net: net.net_status == 2, ("net_status",)),
    "vlans": (
        lambda net: setattr(net, "vlans", {0, 1, 100, 4095}),
        lambda net: net.vlans == {0, 1, 100, 4095},
        ("vlans",),
    ),
    "all modes": (
        lambda net: [setattr(net.rx_mode, mode, not on) for mode, on in net.rx_mode.as_dict().items()],
        lambda net: net.rx_mode.alluni and net.rx_mode.nobcast,
        ("promisc", "allmulti", "alluni", "nomulti", "nouni", "nobcast"),
    ),
    "a queue": (
        lambda net: [setattr(net.queues[1], *pair) for pair in {"num": 128, "last_avail_idx": 65535}.items()],
        lambda net: (net.queues[1].num, net.queues[1].last_avail_idx) == (128, 65535),
        ("vq[1].num", "vq[1].last_avail_idx"),
    ),
    "a ring address": (
        lambda net: setattr(net.queues[0], "desc", 0x1234_5000),
        lambda net: net.queues[0].desc == 0x1234_5000,
        ("vq[0].desc",),
    ),
    "a register": (
        lambda net: net.__setitem__("config.mac", "02:00:00:00:00:01"),
        lambda net: net["config.mac"] == "02:00:00:00:00:01",
        ("config.mac",),
    ),
}


@each_stream
@pytest.mark.parametrize("kind", list(SETS))
def test_setting_one_value_changes_its_bytes_only(name: str, kind: str) -> None:
    stream, net = opened(name)
    change, holds, paths = SETS[kind]
    before = stream.encode()
    assert before == read(committed(name))
    change(net)
    assert holds(net)
    after = stream.encode()
    assert set() < differing(before, after) <= places(net, *paths)
    assert holds(again(stream))
    assert vnetmig.load(after).encode() == after


@each_stream
def test_setting_a_value_to_what_it_is_changes_nothing(name: str) -> None:
    stream, net = opened(name)
    for path in ("mac", "status", "vlans", "vq[0].num", "config", "pci.config", "mac_table.macs", "promisc"):
        if path in net:
            net[path] = net[path]
    net.mac_table.macs = net.mac_table.macs
    net.vlans, net.guest_features = net.vlans, net.guest_features
    assert stream.encode() == read(committed(name))


def test_guest_features_are_set_in_every_place_that_repeats_them() -> None:
    stream, net = opened(PAIRS)
    net.guest_features &= ~(1 << 5) & ~(1 << 40)
    named = ("guest_features_low", "64bit_features.guest_features", "extra_state.pci.modern_state.guest_features")
    assert differing(read(committed(PAIRS)), stream.encode()) <= places(net, *named)
    other = again(stream)
    assert other.guest_features == net.guest_features
    assert other["guest_features_low"] == net.guest_features & 0xFFFFFFFF
    assert other["64bit_features.guest_features"] == net.guest_features
    words = other["extra_state.pci.modern_state.guest_features"]
    assert words == (net.guest_features & 0xFFFFFFFF, net.guest_features >> 32)


def test_features_above_63_have_a_place_where_the_stream_has_one() -> None:
    stream, net = opened(PACKED)
    net.guest_features |= 1 << 65
    assert again(stream).guest_features >> 65 == 1


@pytest.mark.parametrize("bits", [-1, 1 << 128, "all", None])
def test_features_that_are_none_are_refused(bits: object) -> None:
    _, net = opened(PACKED)
    with pytest.raises(FieldError, match="guest_features takes a set of bits"):
        net.guest_features = bits  # type: ignore[assignment]


def test_a_feature_that_has_no_place_is_refused_by_name() -> None:
    _, net = opened("linux-user-1q-ping-q52")
    net.record.drop("64bit_features")
    with pytest.raises(FieldError, match="need the subsection 64bit_features: add it first"):
        net.guest_features = 1 << 32


@pytest.mark.parametrize("text", ["52:54:00:12:34", "52:54:00:12:34:5g", "525400123456", "", 5, None, b"12345"])
def test_what_is_no_mac_is_refused_with_an_example(text: object) -> None:
    _, net = opened(LEGACY)
    with pytest.raises(FieldError, match="takes a MAC address such as 52:54:00:12:34:56"):
        net.mac = text  # type: ignore[assignment]


@pytest.mark.parametrize("ids", [{4096}, {-1}, {"7"}, {1.5}])
def test_what_is_no_vlan_id_is_refused(ids: set[int]) -> None:
    _, net = opened(LEGACY)
    with pytest.raises(FieldError, match="vlans takes ids 0 to 4095"):
        net.vlans = ids  # type: ignore[assignment]


def test_a_unicast_address_among_multicast_ones_is_refused() -> None:
    _, net = opened(LEGACY)
    with pytest.raises(FieldError, match="takes multicast addresses, 52:54:00:00:00:01 is none"):
        net.mac_table.multicast = ["33:33:00:00:00:01", "52:54:00:00:00:01"]
    with pytest.raises(FieldError, match="takes unicast addresses, 33:33:00:00:00:01 is none"):
        net.mac_table.unicast = ["33:33:00:00:00:01"]


def test_an_unknown_field_is_told_with_the_ones_there_are() -> None:
    _, net = opened(LEGACY)
    with pytest.raises(FieldError, match=r"there is: .*status.*isr"):
        net["statsu"] = 1
    with pytest.raises(FieldError, match=r"there is: .*vendor_id"):
        net["pci.config.vendor"] = 1


def test_an_unknown_receive_mode_is_told_with_the_ones_there_are() -> None:
    _, net = opened(LEGACY)
    with pytest.raises(FieldError, match="promisc, allmulti"):
        net.rx_mode.everything = True


# Values that change the size


def with_macs(net: NetDevice) -> None:
    net.mac_table.unicast = [f"52:54:00:00:01:{i:02x}" for i in range(10)]


def with_64_macs(net: NetDevice) -> None:
    net.mac_table.macs = [f"33:33:00:00:00:{i:02x}" for i in range(64)]


def without_macs(net: NetDevice) -> None:
    net.mac_table.macs = []


def without_subsection(net: NetDevice) -> None:
    net.record.drop("started")


def with_subsection(net: NetDevice) -> None:
    net.record.add("broken")
    net["broken.broken"] = 1


RESIZES = [with_macs, with_64_macs, without_macs, without_subsection, with_subsection]


@each_stream
@pytest.mark.parametrize("change", RESIZES)
def test_a_change_of_size_keeps_the_rest_and_the_vmdescription_true(
    name: str, change: Callable[[NetDevice], None]
) -> None:
    stream, net = opened(name)
    payload = net.save()
    change(net)
    grown = len(net.save()) - len(payload)
    data = stream.encode()
    loaded = vnetmig.load(data)
    (other,) = loaded.nets()
    assert other.save() == net.save()
    assert other.mac_table.macs == net.mac_table.macs
    assert other.record.subsections() == net.record.subsections()
    assert loaded.encode() == data
    assert loaded.description is not None
    assert loaded.description.style == stream.description.style  # type: ignore[union-attr]
    lengths = loaded.description.lengths()
    for section in loaded.sections:
        if section.type == "full":
            begin, end = section.payload_span
            assert end - begin in lengths[section.idstr, section.instance_id], section.idstr
            assert section.record is not None
    digits = len(str(len(net.save()))) - len(str(len(payload)))
    assert len(data) - len(read(committed(name))) == grown + digits


@pytest.mark.parametrize("name", [PAIRS, RSS])
def test_a_shorter_version_of_a_subsection_can_be_written(name: str) -> None:
    stream, net = opened(name)
    if "rss" not in net.record.subsections():
        net.record.add("rss", 2)
        net["rss.key"] = bytes(range(40))
    net["rss.#version"] = 2
    two = len(net.save())
    net["rss.#version"] = 1
    assert two - len(net.save()) == 4  # supported_hash_types is of version 2
    assert "rss.supported_hash_types" not in again(stream)
    assert again(stream)["rss.key"] == net["rss.key"]


def test_a_subsection_is_added_in_the_declared_order() -> None:
    _, net = opened(PAIRS)
    before = net.record.subsections()
    net.record.add("ringsize")
    net.record.add("device_endian")
    order = [name for name in net.record.subsections() if "." not in name and name != "rss"]
    assert order == ["device_endian", "64bit_features", "virtqueues", "ringsize", "extra_state", "started"]
    net.record.drop("ringsize")
    net.record.drop("device_endian")
    assert net.record.subsections() == before
    assert net.save() == read(committed(PAIRS))[slice(*net.section.payload_span)]


def test_dropping_a_subsection_takes_the_ones_inside_of_it() -> None:
    stream, net = opened(PAIRS)
    net.record.drop("extra_state.pci.modern_state")
    assert "extra_state" in net.record.subsections()
    assert "extra_state.pci.modern_state" not in again(stream).record.subsections()
    net.record.drop("extra_state")
    assert "extra_state" not in again(stream).record.subsections()


def test_an_array_that_grows_keeps_its_values_and_shrinks_again() -> None:
    record: Record = opened(PAIRS)[1].record
    before = record.save()
    record.resize("vq", 64)
    assert record["num_queues"] == 64
    assert record.count("vq") == 64
    assert record["vq[63].num"] == 0
    record.resize("vq", 9)
    assert record.save() == before


# Files


@pytest.mark.parametrize(("suffix", "unpack"), [(".qemu", bytes), (".gz", gzip.decompress), (".xz", lzma.decompress)])
def test_a_stream_is_saved_plain_or_compressed(tmp_path: Path, suffix: str, unpack: Callable[[bytes], bytes]) -> None:
    stream, net = opened(LEGACY)
    net.mac = "52:54:00:aa:bb:cc"
    target = tmp_path / f"edited{suffix}"
    size = stream.save(target)
    assert size == len(unpack(target.read_bytes())) == len(read(committed(LEGACY)))
    assert vnetmig.load(target).nets()[0].mac == "52:54:00:aa:bb:cc"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_can_be_saved_over_the_one_it_was_read_from(tmp_path: Path) -> None:
    target = tmp_path / "vm.qemu"
    target.write_bytes(read(committed(LEGACY)))
    stream = vnetmig.load(target)
    stream.nets()[0].mac = "52:54:00:aa:bb:cc"
    stream.save(target)
    other = vnetmig.load(target)
    assert other.nets()[0].mac == "52:54:00:aa:bb:cc"
    assert differing(read(committed(LEGACY)), target.read_bytes()) <= places(other.nets()[0], "mac")


def test_an_edit_does_not_reach_the_early_copy_of_an_iterative_stream() -> None:
    stream, net = opened("rfc-user-1q")
    early = [s.device for s in stream.sections if s.type == "start" and isinstance(s.device, NetDevice)]
    assert early
    net.mac = "52:54:00:aa:bb:cc"
    other = vnetmig.load(stream.encode())
    macs = [s.device.mac for s in other.sections if isinstance(s.device, NetDevice)]
    assert macs == ["52:54:00:12:34:56", "52:54:00:aa:bb:cc"]


def test_a_package_grows_with_the_device_in_it() -> None:
    stream, net = opened("proxy-postcopy-fw-q111")
    before = len(net.save())
    with_64_macs(net)
    grown = len(net.save()) - before
    data = stream.encode()
    assert len(data) - len(read(committed("proxy-postcopy-fw-q111"))) == grown > 0
    loaded = vnetmig.load(data)
    assert len(loaded.nets()[0].mac_table.macs) == 64
    assert loaded.encode() == data


def test_a_misspelt_name_is_not_set_in_silence() -> None:
    stream = vnetmig.load(vnetmig.sample())
    for device in (stream.device("virtio-net"), stream.device("virtio-rng"), stream.device("virtio-net").queues[0]):
        with pytest.raises(AttributeError):
            device.mca = "52:54:00:aa:bb:cc"


def test_every_value_of_a_queue_that_has_its_own_addresses() -> None:
    stream, net = opened(PAIRS)
    queue = net.queues[1]
    queue.vector, queue.avail, queue.used = 3, 0x7000_0000, 0x7000_1000
    net.max_queue_pairs = 9
    (same,) = [again(stream).queues[1]]
    assert (same.vector, same.avail, same.used) == (3, 0x7000_0000, 0x7000_1000)
    assert again(stream).max_queue_pairs == 9
