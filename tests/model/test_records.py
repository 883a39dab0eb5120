"""Values to record and back: real captures byte for byte, subsections when QEMU sends them, loads that are refused."""

from __future__ import annotations

import base64
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from real_rings import pages_of, records, stream_of
from running import KINDS, made, moved, steps

from vnetmig.errors import StreamError
from vnetmig.model import properties as p
from vnetmig.model.guest.layout import RAM_MIN
from vnetmig.model.guest_ram import GuestRam
from vnetmig.model.net_model import NetModel
from vnetmig.model.properties import Properties
from vnetmig.vmstate import Record

STREAMS = Path(__file__).parents[1] / "streams"
RAM_OF_CAPTURES = 256 << 20
REAL = [
    "fw-tap-4q-q111",
    "linux-q35-pcie-q72",
    "linux-tap-4q-load-q72",
    "linux-tap-4q-packed-q111",
    "linux-user-1q-ping-q52",
    "linux-user-legacy-q72",
    "linux-user-macs-overflow-q111",
    "linux-user-packed-q72",
    "microvm-mmio-q72",
    "rfc-chg-rss-on",
    "rfc-user-1q",
    "rfc-user-1q-legacy",
]


def real(name: str) -> tuple[Record, GuestRam]:
    folder = STREAMS / name
    (record,) = [found for idstr, found in records(stream_of(folder)).items() if idstr.endswith("virtio-net")]
    pages = pages_of(folder)
    return record, GuestRam.from_pages(RAM_OF_CAPTURES, pages.pages if pages else {})


@pytest.mark.parametrize("name", REAL)
def test_a_real_device_is_saved_again_alike(name: str, engine: str) -> None:
    record, ram = real(name)
    device = NetModel.from_record(record, ram)
    assert device.fault is None
    assert device.save().save(engine) == record.save(engine)
    assert ram.take_dirty() == [], "a load writes no guest memory"
    again = NetModel.from_record(device.save(), ram, None, device.properties)
    assert again.values == device.values


def test_a_real_device_with_rss_is_saved_again_alike() -> None:
    """Its rings are not in the capture: those of a guest that has taken everything it gave stand in for them."""
    record, ram = real("linux-tap-4q-rss-q100")
    for index in range(record["num_queues"]):  # type: ignore[arg-type]
        for area in ("avail", "used"):
            gpa = record[f"virtqueues.vq[{index}].{area}"]
            ram.put_u16(gpa + 2, record[f"vq[{index}].last_avail_idx"])  # type: ignore[arg-type, operator]
    device = NetModel.from_record(record, ram)
    assert device.fault is None and device.values.rss.table == (0, 1, 2, 3) * 32
    assert device.save().save() == record.save()


def test_every_saved_capture_of_the_folder_is_tried() -> None:
    """A capture with rings that is put beside the others must be listed, too."""
    with_rings = {
        path.parent.name
        for path in STREAMS.glob("*/rings.json.xz")
        if any(name.endswith("virtio-net") for name in records(stream_of(path.parent)))
    }
    assert with_rings <= set(REAL)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("queue_pairs", [1, 4])
def test_a_new_device_comes_back_alike(kind: str, queue_pairs: int, engine: str) -> None:
    ram = GuestRam(RAM_MIN)
    device = NetModel.new(ram, queue_pairs=queue_pairs, packed=KINDS[kind])
    record = device.save()
    assert record.program.load(record.save(engine), engine=engine).record.save() == record.save()
    for properties in (device.properties, None):
        again = NetModel.from_record(record, ram, None, properties)
        assert again.values == device.values if properties else again.save().save() == record.save()


NEEDED: list[tuple[str, Callable[[NetModel], None]]] = [
    ("rss", lambda d: setattr(d.values.rss, "enabled", True)),
    ("ringsize", lambda d: setattr(d.values.queues[1], "num", 512)),
    ("broken", lambda d: setattr(d.values, "broken", True)),
    ("started", lambda d: setattr(d.values, "started", True)),
    ("disabled", lambda d: setattr(d.values, "disabled", True)),
    ("extra_state.pci.modern_state.features128", lambda d: d.values.driver_words.__setitem__(2, 1)),
]


@pytest.mark.parametrize(("path", "change"), NEEDED, ids=[path for path, _ in NEEDED])
def test_a_subsection_is_sent_when_its_values_ask_for_it(path: str, change: Callable[[NetModel], None]) -> None:
    device = NetModel.new(GuestRam(RAM_MIN))
    assert path not in device.save().subsections()
    change(device)
    record = device.save()
    assert path in record.subsections()
    assert NetModel.from_record(record, device.ram, None, device.properties).save().save() == record.save()


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (p.MAC, []),
        (p.MAC | 1 << 40, ["64bit_features"]),
        (p.MAC | p.VERSION_1, ["64bit_features", "virtqueues"]),
        (p.MAC | p.VERSION_1 | p.RING_PACKED, ["64bit_features", "virtqueues", "packed_virtqueues"]),
        (p.MAC | p.VERSION_1 | 1 << 67, ["128bit_features", "64bit_features", "virtqueues"]),
    ],
)
def test_a_subsection_is_sent_when_its_features_are_offered(offered: int, expected: list[str]) -> None:
    record = NetModel.new(GuestRam(RAM_MIN), queue_pairs=1, offered=offered).save()
    assert [name for name in record.subsections() if "extra_state" not in name] == expected


REFUSED: list[tuple[str, object, str]] = [
    ("queue_sel", 1024, "Failed to load virtio:queue_sel"),
    ("guest_features_low", 1 << 13, "Features 0x2000 unsupported. Allowed features: "),
    ("64bit_features.guest_features", 1 << 41, "Features 0x20000000000 unsupported. Allowed features: "),
    ("max_queue_pairs", 3, "4 != 3"),
    ("vq[1].num", 1025, "Failed to load virtio:num"),
    ("vq[2].vector", 10, "Failed to load virtio:vector"),
    ("config_vector", 10, "Failed to load virtio:config_vector"),
    ("vq[1].last_avail_idx", 5, "VQ 1 address 0x0 inconsistent with Host index 0x5"),
]


@pytest.mark.parametrize(("path", "value", "message"), REFUSED, ids=[path for path, _, _ in REFUSED])
def test_a_load_is_refused_in_qemus_words(path: str, value: int, message: str) -> None:
    ram = GuestRam(RAM_MIN)
    device = NetModel.new(ram)
    record = device.save()
    if path == "guest_features_low":
        record.drop("64bit_features")
    record[path] = value
    with pytest.raises(StreamError) as refused:
        NetModel.from_record(record, ram, None, device.properties)
    assert refused.value.message.startswith(message)
    assert refused.value.field is not None


def test_a_big_endian_guest_is_refused() -> None:
    record = NetModel.new(GuestRam(RAM_MIN)).save()
    record.add("device_endian")
    record["device_endian.device_endian"] = 2
    with pytest.raises(StreamError, match="little-endian guests only"):
        NetModel.from_record(record, GuestRam(RAM_MIN))


def test_a_modern_mmio_device_is_refused() -> None:
    record, ram = real("microvm-mmio-q72")
    record.add("extra_state")
    record.add("extra_state.mmio.state")
    with pytest.raises(StreamError, match="modern devices on PCI only"):
        NetModel.from_record(record, ram)


@pytest.mark.parametrize("length", [0, 3, 256])
def test_an_rss_table_whose_length_no_mask_gives(length: int) -> None:
    device = NetModel.new(GuestRam(RAM_MIN))
    device.values.rss.enabled = True
    record = device.save()
    record.resize("rss.indirections_table", length)
    with pytest.raises(StreamError, match="Failed to load virtio-net-device/rss:indirections_len"):
        NetModel.from_record(record, device.ram)


@pytest.mark.parametrize("count", [0, 1, 2, 4, 1024])
def test_a_number_of_queues_that_no_network_card_has(count: int) -> None:
    record = NetModel.new(GuestRam(RAM_MIN)).save()
    record.resize("vq", count)
    with pytest.raises(StreamError, match="Invalid number of virtqueues"):
        NetModel.from_record(record, GuestRam(RAM_MIN))


def test_more_pairs_than_there_are() -> None:
    record = NetModel.new(GuestRam(RAM_MIN)).save()
    record["curr_queue_pairs"] = 5
    record.resize("tx_waiting_of_pair", 4)
    with pytest.raises(StreamError, match="virtio-net: curr_queue_pairs 5 > max_queue_pairs 4"):
        NetModel.from_record(record, GuestRam(RAM_MIN))


def test_a_table_of_too_many_addresses_is_dropped() -> None:
    device = NetModel.new(GuestRam(RAM_MIN))
    record = device.save()
    record.resize("mac_table.macs", 65)
    record["mac_table_overflow.multi"] = 1
    loaded = NetModel.from_record(record, device.ram).values
    assert (loaded.macs, loaded.multi_overflow) == ([], 1)


def test_the_border_between_unicast_and_multicast_is_found_again() -> None:
    device = NetModel.new(GuestRam(RAM_MIN))
    device.values.macs = [b"\x02" * 6, b"\x04" * 6, b"\x01" * 6]
    device.values.first_multi = 2
    assert NetModel.from_record(device.save(), device.ram).values.first_multi == 2


@pytest.mark.parametrize("delta", [1, 0x7000])
def test_an_available_index_too_far_away_breaks_the_device(delta: int) -> None:
    guest, device = made("split")
    steps(guest, 120)
    device.pause()
    queue = device.values.queues[0]
    guest.ram.put_u16(queue.avail + 2, (queue.last_avail_idx + queue.num + delta) & 0xFFFF)
    loaded = NetModel.from_record(device.save(), guest.ram, None, device.properties)
    assert loaded.fault is not None and loaded.fault.startswith(f"VQ 0 size {queue.num:#x} Guest index ")
    assert loaded.values.status & 0x40 and loaded.save()["broken.broken"] == 1


def test_a_used_index_too_far_away_fails_the_load() -> None:
    guest, device = made("split")
    steps(guest, 120)
    device.pause()
    queue = device.values.queues[0]
    guest.ram.put_u16(queue.used + 2, (queue.last_avail_idx - queue.num - 1) & 0xFFFF)
    with pytest.raises(StreamError, match=r"VQ 0 size .* < last_avail_idx"):
        NetModel.from_record(device.save(), guest.ram, None, device.properties)


def test_a_destination_with_fewer_features_refuses() -> None:
    guest, device = made("split")
    steps(guest, 10)
    device.pause()
    less = Properties(queue_pairs=4, offered=device.properties.offered & ~p.MRG_RXBUF)
    with pytest.raises(StreamError, match="unsupported") as refused:
        NetModel.from_record(device.save(), guest.ram, None, less)
    assert refused.value.hint is not None


@pytest.mark.parametrize("kind", KINDS)
def test_records_keep_their_shape_apart(kind: str) -> None:
    """Records of many shapes from one device: each is as if it were the first."""
    guest, device = made(kind, profile="configurer", seed=3)
    for _ in range(150):
        steps(guest, 7)
        record = device.save()
        assert record.program.load(record.save()).record.data == record.data
        other = NetModel.from_record(record, guest.ram, None, device.properties)
        assert other.save().save() == record.save()
    assert len(device._saver._shapes) > 5


def test_the_template_is_the_samples(sample_record: Record) -> None:
    ram = GuestRam(RAM_MIN)
    assert NetModel.new(ram, queue_pairs=4).save()["pci.config"] == sample_record["pci.config"]


@pytest.fixture
def sample_record() -> Record:
    from vnetmig import load, sample

    return load(sample()).device("virtio-net").record


def test_the_packaged_sample_goes_on() -> None:
    """The sample's rings come with it: a model beside them is the device that QEMU saved."""
    from vnetmig import load, sample
    from vnetmig.document.sample import sample_memory

    kept = json.loads(lzma.decompress(Path(sample_memory()).read_bytes()))
    pages = {int(gpa, 0): base64.b64decode(page) for gpa, page in kept.items()}
    record = load(sample()).device("virtio-net").record
    device = NetModel.from_record(record, GuestRam.from_pages(RAM_OF_CAPTURES, pages))
    assert device.save().save() == record.save()
    device.resume()
    assert device.fault is None


def test_moved_devices_are_equal(engine: str) -> None:
    guest, device = made("packed", profile="configurer")
    steps(guest, 400)
    record = device.save()
    _, other = moved(guest, device, engine)
    other.pause()
    assert other.save().save(engine) == record.save(engine)
