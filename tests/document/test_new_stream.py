"""Streams made of nothing, sections put into them, and virtio-net states from values alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_streams import committed, document, folders, read

import vnetmig
from vnetmig.document.net import NetDevice
from vnetmig.document.net_state import NetQueue, NetState, new_net
from vnetmig.document.new_stream import new_stream
from vnetmig.document.placing import with_section
from vnetmig.document.stream import Stream
from vnetmig.errors import FieldError
from vnetmig.model.transport import MmioTransport, PciTransport
from vnetmig.stream.events import SectionFooter
from vnetmig.stream.vmdescription import Style

every_net = pytest.mark.parametrize(
    "folder",
    [folder for folder in folders() if "virtio-net" in (folder / "truth.json").read_text()],
    ids=lambda path: path.name,
)
PAIRS, LEGACY = "linux-tap-4q-load-q72", "linux-user-legacy-q72"


def again(stream: Stream) -> Stream:
    """Written and read; it must be as the document says."""
    data = stream.encode()
    loaded = vnetmig.load(data)
    assert loaded.encode() == data
    assert [e.offset for e in loaded.events] == [e.offset for e in stream.events]
    assert [e.size for e in loaded.events] == [e.size for e in stream.events]
    return loaded


def net(stream: Stream) -> NetDevice:
    (device,) = stream.nets()
    return device


# Values alone


@every_net
def test_values_alone_give_the_bytes_that_qemu_wrote(folder: Path) -> None:
    for device in document(folder).nets():
        state = NetState.of(device)
        assert state.record.program is not None
        assert state.record.save() == device.save(), device.idstr


@every_net
def test_a_stream_of_one_section_holds_what_the_whole_one_held(folder: Path) -> None:
    original = document(folder)
    stream = new_stream(original.machine or "pc", capabilities=original.capabilities)
    for device in original.nets():
        stream.add(NetState.of(device))
    loaded = again(stream)
    assert (loaded.machine, loaded.capabilities) == (original.machine, original.capabilities)
    assert [d.save() for d in loaded.nets()] == [d.save() for d in original.nets()]
    assert loaded.description is not None and original.machine is not None
    if original.description is not None:
        entries = {(d.name, d.instance_id): d.json for d in original.description.devices}
        assert all(entries[d.name, d.instance_id] == d.json for d in loaded.description.devices)
        assert loaded.description.style == original.description.style
        assert loaded.description.page_size == original.description.page_size
        assert loaded.description.configuration == original.description.configuration


def test_a_device_after_a_reset() -> None:
    state = new_net("0000:00:05.0/virtio-net", mac="52:54:00:00:00:09")
    stream = new_stream()
    stream.add(state)
    device = net(again(stream))
    assert (device.idstr, device.mac, device.status, device.guest_features) == (
        "0000:00:05.0/virtio-net",
        "52:54:00:00:00:09",
        0,
        0,
    )
    assert device.rx_mode.promisc and [q.num for q in device.queues] == [256, 256, 64]
    assert device.record.subsections() == [
        "64bit_features",
        "virtqueues",
        "extra_state",
        "extra_state.pci.modern_state",
    ]


def test_a_device_that_a_driver_uses() -> None:
    names = ["VIRTIO_F_VERSION_1", "VIRTIO_NET_F_MRG_RXBUF", "VIRTIO_NET_F_CTRL_VLAN", "VIRTIO_NET_F_MAC"]
    queues = [
        NetQueue(256, desc=0x10000 * (i + 1), avail=0x1000, used=0x2000, last_avail_idx=7 + i, vector=i + 1)
        for i in range(3)
    ]
    state = new_net(
        guest_features=names,
        queues=queues,
        status=15,
        started=True,
        promisc=0,
        macs=["02:00:00:00:00:01", "33:33:00:00:00:01"],
        vlans={0, 42},
        config_vector=0,
    )
    stream = new_stream("pc-q35-10.0", capabilities=["x-ignore-shared"])
    stream.add(state)
    device = net(again(stream))
    assert device.guest_feature_names == ["VIRTIO_NET_F_MAC", *names[1:3], names[0]]
    assert [(q.desc, q.last_avail_idx, q.vector) for q in device.queues] == [
        (0x10000, 7, 1),
        (0x20000, 8, 2),
        (0x30000, 9, 3),
    ]
    assert device["extra_state.pci.modern_state.vqs[1].desc"] == (0x20000, 0)
    assert device["extra_state.pci.modern_state.vqs[2].enabled"] == 1
    assert device.mac_table.unicast == ("02:00:00:00:00:01",) and device.vlans == {0, 42}
    assert device["config.mac"] == device.mac and device["mergeable_rx_bufs"] == 1
    assert "started" in device.record.subsections()


def test_several_pairs_and_packed_rings() -> None:
    state = new_net(
        max_queue_pairs=4,
        offered=["VIRTIO_F_VERSION_1", "VIRTIO_F_RING_PACKED", "VIRTIO_NET_F_MQ", "VIRTIO_NET_F_MAC"],
        guest_features=["VIRTIO_F_VERSION_1", "VIRTIO_F_RING_PACKED", "VIRTIO_NET_F_MQ"],
        curr_queue_pairs=2,
    )
    stream = new_stream()
    stream.add(state)
    device = net(again(stream))
    assert (device.max_queue_pairs, device.curr_queue_pairs, len(device.queues)) == (4, 2, 9)
    assert "packed_virtqueues" in device.record.subsections()
    assert device["packed_virtqueues.vq[0].used_wrap_counter"] == 1
    assert len(device["tx_waiting_of_pair"]) == 1  # type: ignore[arg-type]


def test_other_transports() -> None:
    pci = PciTransport.new(4)
    pci.modern = False
    for transport, idstr in ((pci, "0000:00:03.0/virtio-net"), (MmioTransport(), "virtio-mmio@0/virtio-net")):
        stream = new_stream("microvm")
        stream.add(new_net(idstr, transport=transport, offered=["VIRTIO_NET_F_MAC", "VIRTIO_NET_F_STATUS"]))
        device = net(again(stream))
        assert "extra_state.pci.modern_state" not in device.record.subsections()
        assert device.record.program.params["mmio"] == int(transport is not pci)


_IMPOSSIBLE = [
    ({"mac": "52:54"}, "takes a MAC address"),
    ({"offered": ["VIRTIO_NET_F_MAC"], "guest_features": 1 << 32}, "accepted, but not offered: VIRTIO_F_VERSION_1"),
    ({"guest_features": ["VIRTIO_NET_F_WINGS"]}, "no feature called"),
    ({"max_queue_pairs": 0}, "takes 1 to 511"),
    ({"max_queue_pairs": 512}, "takes 1 to 511"),
    ({"vlans": {4096}}, "ids 0 to 4095"),
    ({"curr_queue_pairs": 2}, "curr_queue_pairs 2 of max_queue_pairs 1"),
    ({"queues": [NetQueue(256)] * 2}, "two queues for each pair"),
    ({"macs": ["02:00:00:00:00:01"] * 65}, "at most 64 addresses"),
    ({"transport": PciTransport(b"")}, "takes 256 bytes"),
    ({"transport": PciTransport(PciTransport.new(4).config)}, "4 MSI-X vectors: msix takes 64 bytes, not 0"),
]


@pytest.mark.parametrize(("values", "message"), _IMPOSSIBLE, ids=[message for _, message in _IMPOSSIBLE])
def test_what_cannot_be_is_refused(values: dict[str, object], message: str) -> None:
    stream = new_stream()
    before = stream.encode()
    with pytest.raises(FieldError, match=message):
        stream.add(new_net(**values))  # type: ignore[arg-type]
    assert stream.encode() == before


def test_a_value_that_is_none() -> None:
    with pytest.raises(TypeError, match=r"no value 'wings'; there is: .*status"):
        new_net(wings=2)


@settings(max_examples=25)
@given(
    st.integers(0, (1 << 64) - 1),
    st.integers(1, 6),
    st.sets(st.integers(0, 4095), max_size=5),
    st.lists(st.binary(min_size=6, max_size=6), max_size=64),
    st.integers(0, 255),
)
def test_any_values_come_back(features: int, pairs: int, vlans: set[int], macs: list[bytes], status: int) -> None:
    state = new_net(
        offered=features, guest_features=features, max_queue_pairs=pairs, vlans=vlans, macs=macs, status=status
    )
    stream = new_stream()
    stream.add(state)
    device = net(again(stream))
    assert device.guest_features & ~(1 << 22) == features & ~(1 << 22)
    assert (device.vlans, device.max_queue_pairs, device.status) == (vlans, pairs, status)
    assert [bytes.fromhex(mac.replace(":", "")) for mac in device.mac_table.macs] == macs


# Sections in streams


@pytest.mark.parametrize(
    ("machine", "style", "described"),
    [
        ("pc-i440fx-5.2", Style.SPACED, False),
        ("pc-i440fx-7.2", Style.COMPACT, False),
        ("pc-q35-10.0", Style.COMPACT, True),
        ("microvm", Style.COMPACT, False),
    ],
)
def test_an_empty_stream(machine: str, style: Style, described: bool) -> None:
    loaded = again(new_stream(machine))
    assert loaded.machine == machine and not loaded.sections
    assert loaded.description is not None and loaded.description.style == style
    assert (loaded.description.configuration is not None) == described
    assert again(new_stream(machine, vmdescription=False)).description is None


def test_sections_get_numbers_and_places_of_their_own() -> None:
    stream = new_stream()
    stream.add(new_net("0000:00:03.0/virtio-net"))
    stream.add(new_net("0000:00:04.0/virtio-net", mac="52:54:00:00:00:02"))
    loaded = again(stream)
    assert [(s.section_id, s.idstr) for s in loaded.sections] == [
        (0, "0000:00:03.0/virtio-net"),
        (1, "0000:00:04.0/virtio-net"),
    ]
    with pytest.raises(FieldError, match="already: replace it"):
        stream.add(new_net("0000:00:04.0/virtio-net"))


def test_devices_of_another_stream_with_their_descriptions() -> None:
    original = document(committed(PAIRS))
    stream = new_stream()
    for name in ("timer", "cpu#1", "virtio-net"):
        stream.add(original.named(name))
    loaded = again(stream)
    for name in ("timer", "cpu#1", "virtio-net"):
        assert loaded.named(name).save() == original.named(name).save()
    assert loaded.named("cpu#1").section.description == original.named("cpu#1").section.description


@every_net
def test_a_section_made_of_values_takes_the_place_of_the_original(folder: Path) -> None:
    stream = document(folder)
    for device in stream.nets():
        view = stream.replace(f"{device.idstr}#{device.instance_id}", NetState.of(device))
        assert view.save() == device.save()
    assert stream.encode() == read(folder)


def test_a_replaced_section_changes_its_size_in_the_description() -> None:
    stream = document(committed(PAIRS))
    stream.device("timer")["cpu_clock_offset"] = 7
    state = NetState.of(net(stream))
    state.values.macs = [b"\2\0\0\0\0" + bytes([i]) for i in range(40)]
    stream.replace("virtio-net", state)
    loaded = again(stream)
    assert len(net(loaded).mac_table.unicast) == 40
    assert loaded.device("timer")["cpu_clock_offset"] == 7
    assert loaded.description is not None
    begin, end = net(loaded).section.payload_span
    assert loaded.description.lengths()[net(loaded).idstr, 0] == [end - begin]
    found = vnetmig.diff(read(committed(PAIRS)), loaded)
    assert {s.idstr for s in found.sections} == {"timer", net(loaded).idstr} and not found.items


def test_a_package_is_told_its_new_length() -> None:
    stream = document(committed("proxy-postcopy-fw-q111"))
    state = NetState.of(net(stream))
    state.values.macs = [b"\2\0\0\0\0\1"]
    stream.replace("virtio-net", state)
    assert net(again(stream)).mac_table.unicast == ("02:00:00:00:00:01",)


def test_what_does_not_fit_is_not_put_in_place() -> None:
    stream = document(committed("linux-multi-q72"))
    before = stream.encode()
    with pytest.raises(FieldError, match="is a virtio-blk v2, not a virtio-net v11"):
        stream.replace("virtio-blk", new_net())
    with pytest.raises(FieldError, match="no device"):
        stream.replace("virtio-gpu", new_net())
    assert stream.encode() == before


def test_what_was_put_in_is_a_copy() -> None:
    stream = new_stream()
    other = document(committed(LEGACY))
    stream.add(net(other))
    net(other).mac = "52:54:00:00:00:77"
    assert net(stream).mac != "52:54:00:00:00:77"


def test_sections_without_footers_get_none() -> None:
    """Machine types up to 2.3."""
    stream = new_stream()
    stream.add(new_net("0000:00:03.0/virtio-net"))
    events = [event for event in stream.events if not isinstance(event, SectionFooter)]
    made = with_section(events, new_net("0000:00:04.0/virtio-net"))
    assert len(made) == len(events) + 2 and not any(isinstance(event, SectionFooter) for event in made)
