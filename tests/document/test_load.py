"""Opening a stream from whatever holds it, and finding the devices in it."""

from __future__ import annotations

import gzip
import io
import lzma
from pathlib import Path

import pytest
from real_streams import committed, document, every_capture, read

import vnetmig
from vnetmig.document.incoming import Incoming
from vnetmig.document.net import NetDevice
from vnetmig.errors import FieldError, StreamError

LEGACY, MULTI = "linux-user-legacy-q72", "linux-multi-q72"
DATA = read(committed(LEGACY))


def same(stream: vnetmig.Stream) -> bool:
    return stream.encode() == DATA and stream.nets()[0].mac == "52:54:00:12:34:56"


def test_from_bytes_of_any_kind() -> None:
    for data in (DATA, bytearray(DATA), memoryview(DATA)):
        assert same(vnetmig.load(data))


def test_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "vm"
    path.write_bytes(DATA)
    assert same(vnetmig.load(path))
    assert same(vnetmig.load(str(path)))


@pytest.mark.parametrize("pack", [bytes, lzma.compress, gzip.compress], ids=["plain", "xz", "gz"])
def test_from_a_file_or_bytes_by_content(pack: type[bytes]) -> None:
    packed = pack(DATA)
    assert same(vnetmig.load(packed))
    assert same(vnetmig.load(io.BytesIO(packed)))


def test_from_zstandard(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="zstandard is not installed")
    path = tmp_path / "vm.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(DATA))
    assert same(vnetmig.load(path))


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        vnetmig.load(tmp_path / "nothing")


@pytest.mark.parametrize("data", [b"", b"Q", b"QEVM", b"QEVM\0\0\0\3", bytes(100), b"QEVM\0\0\0\2" + bytes(9)])
def test_what_is_no_stream_is_refused(data: bytes) -> None:
    with pytest.raises(StreamError) as caught:
        vnetmig.load(data)
    assert caught.value.stream is not None
    assert vnetmig.load(data, partial=True).error is not None


def test_progress_is_told_up_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    vnetmig.load(DATA, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(DATA), len(DATA))
    assert told == sorted(told)


@pytest.mark.parametrize("piece", [1, 7, 4096, 100_000])
def test_any_arrival_of_the_bytes_gives_the_same_document(piece: int) -> None:
    data = read(committed("microvm-mmio-q72"))
    incoming = Incoming()
    for at in range(0, len(data), piece):
        incoming.feed(data[at : at + piece])
    stream = incoming.close()
    assert stream.encode() == data
    whole = vnetmig.load(data)
    assert [repr(section) for section in stream.sections] == [repr(section) for section in whole.sections]
    assert [s.record.data for s in stream.sections if s.record] == [s.record.data for s in whole.sections if s.record]


@every_capture
def test_the_facts_of_a_stream_are_at_hand(folder: Path) -> None:
    stream = document(folder)
    assert stream.header is not None
    assert stream.machine
    assert stream.devices == list(dict.fromkeys(stream.devices))
    assert {net.idstr for net in stream.nets()} == {
        i for i in stream.devices if i.endswith("virtio-net") and "fe." not in i
    }


# Devices by name


def test_a_device_is_found_by_its_name_or_by_the_end_of_it() -> None:
    stream = document(committed(MULTI))
    net = stream.device("0000:00:04.0/virtio-net")
    assert isinstance(net, NetDevice)
    assert stream.device("virtio-net") is net
    assert stream.device("virtio-net", 0) is net
    assert stream.nets() == [net]
    assert net.section.device is net


def test_an_ambiguous_name_lists_what_it_may_be() -> None:
    stream = document(committed("inflight-blk-scsi-q72"))
    with pytest.raises(FieldError, match=r"'virtio-blk' may be: 0000:00:02\.0/virtio-blk, 0000:00:03\.0/virtio-blk"):
        stream.device("virtio-blk")


def test_instances_of_one_name_are_told_apart() -> None:
    stream = document(committed(MULTI))
    with pytest.raises(FieldError, match="'dma' may be: dma, dma#1"):
        stream.device("dma")
    assert stream.device("dma", 1).instance_id == 1
    with pytest.raises(FieldError, match="no device 'dma'"):
        stream.device("dma", 7)


def test_a_name_that_is_none_lists_the_devices() -> None:
    with pytest.raises(FieldError, match=r"no device 'e1000'; there is: .*timer.*"):
        document(committed(MULTI)).device("e1000")


def test_what_nothing_describes_says_why() -> None:
    with pytest.raises(FieldError, match="nothing describes 's390_css': the vmdescription does not fit the section"):
        document(committed("s390x-fw-q72")).device("s390_css")
    with pytest.raises(FieldError, match="nothing describes 'timer': there is no vmdescription of it"):
        document(committed("proxy-postcopy-fw-q111")).device("timer")


def test_what_was_assumed_is_told() -> None:
    net = document(committed("linux-user-1q-ping-q52")).device("virtio-net")
    assert net.assumed in ((), ("one backend queue pair",))
    pairs = document(committed("linux-tap-4q-load-q72")).device("virtio-net")
    assert pairs.assumed == ("more than one backend queue pair",)


# virtio-net by the names people use


def test_the_names_of_a_network_device() -> None:
    net = document(committed("linux-tap-4q-load-q72")).nets()[0]
    assert (net.status, net.max_queue_pairs, net.curr_queue_pairs, len(net.queues)) == (15, 4, 4, 9)
    assert "VIRTIO_NET_F_MQ" in net.guest_feature_names
    assert net.host_features is None
    assert net.offered_at_least & net.guest_features == net.guest_features
    assert net.offered_at_least & (1 << 32)
    assert net.mac_table.multicast == ("33:33:00:00:00:01", "01:00:5e:00:00:01", "33:33:ff:12:34:56")
    assert net.mac_table.unicast == ()
    assert net.vlans == {0}
    assert (net.rx_mode.unicast, net.rx_mode.multicast, net.vlan_mode) == ("normal", "normal", "normal")
    assert net.rss is None
    queue = net.queues[0]
    assert (queue.num, queue.desc, queue.avail, queue.used) == (256, 95485952, 95490048, 95490624)
    assert (queue.last_avail_idx, queue.vector) == (895, 1)


def test_the_ring_addresses_of_a_legacy_device_are_computed() -> None:
    stream = document(committed(LEGACY))
    queue = stream.nets()[0].queues[0]
    assert queue.avail == queue.desc + 16 * queue.num
    assert queue.used == (queue.avail + 4 + 2 * queue.num + 4095) // 4096 * 4096
    with pytest.raises(FieldError, match="follows from desc and num: set those"):
        queue.avail = 4096


def test_rss_is_there_while_the_driver_uses_it() -> None:
    rss = document(committed("linux-tap-4q-rss-q100")).nets()[0].rss
    assert rss is not None
    assert (rss.enabled, rss.redirect, len(rss.key)) == (True, True, 40)
    assert (rss.populate_hash, rss.hash_types, rss.default_queue) == (True, 0x3F, 0)
    assert set(rss.indirections_table) <= {0, 2, 4, 6, 1, 3}
    assert len(rss.indirections_table) in (1 << n for n in range(8))


def test_a_device_with_none_of_them_has_one_pair() -> None:
    net = document(committed(LEGACY)).nets()[0]
    assert (net.max_queue_pairs, net.curr_queue_pairs) == (1, 1)
    assert "max_queue_pairs" not in net


def test_a_queue_and_the_receive_mode_say_what_they_are() -> None:
    (net,) = vnetmig.load(vnetmig.sample()).nets()
    queue = net.queues[0]
    assert repr(queue) == f"<Queue 0 num {queue.num} last_avail_idx {queue.last_avail_idx}>"
    assert queue.inuse == queue.ring.inuse
    net.rx_mode.promisc, net.rx_mode.allmulti = True, False
    assert repr(net.rx_mode) == "<ReceiveMode promisc>"
    with pytest.raises(AttributeError, match="not loud"):
        _ = net.rx_mode.loud
    assert net.ties == ()


def test_bytes_behind_the_end_come_when_it_is_closed() -> None:
    incoming = Incoming()
    incoming.feed(DATA + b"behind")
    assert incoming.close().encode() == DATA + b"behind"


def test_the_stream_of_one_section_cannot_take_another_without_an_end() -> None:
    stream = vnetmig.load(DATA[:-1], partial=True)
    stream = vnetmig.load(DATA[: stream.sections[3].offset], partial=True)
    with pytest.raises(FieldError, match="no end that a section could be put in front of"):
        stream.add(vnetmig.load(DATA).named("virtio-net"))
