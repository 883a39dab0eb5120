"""The device as a driver and a host see it: registers, features, frames, link, pause, vhost."""

from __future__ import annotations

import struct

import pytest
from running import KINDS, made, steps

from vnetmig.model import properties as p
from vnetmig.model.guest.layout import RAM_MIN
from vnetmig.model.guest_ram import GuestRam
from vnetmig.model.net_model import DevicePaused, NetModel
from vnetmig.model.net_values import S_ACKNOWLEDGE, S_DRIVER, S_DRIVER_OK, S_FEATURES_OK, S_NEEDS_RESET
from vnetmig.model.wire import SilentWire


def fresh(**how: object) -> NetModel:
    return NetModel.new(GuestRam(RAM_MIN), **how)  # type: ignore[arg-type]


def accept(device: NetModel, features: int) -> int:
    """Negotiate ``features``; the status afterwards."""
    device.write("device_status", 0)
    device.write("device_status", S_ACKNOWLEDGE | S_DRIVER)
    for word in range(4):
        device.write("driver_feature_select", word)
        device.write("driver_feature", features >> 32 * word & 0xFFFFFFFF)
    device.write("device_status", S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK)
    return device.read("device_status")


def test_offered_features_are_read_word_by_word() -> None:
    device = fresh(packed=True)
    offered = 0
    for word in range(5):
        device.write("device_feature_select", word)
        offered |= device.read("device_feature") << 32 * word
    assert offered == p.OFFERED | p.MQ | p.RING_PACKED


@pytest.mark.parametrize("bit", [4, 13, 34, 40, 63 + 4, 127])
def test_what_is_not_offered_is_not_accepted(bit: int) -> None:
    device = fresh()
    assert accept(device, p.OFFERED) & S_FEATURES_OK
    assert not accept(device, p.OFFERED | 1 << bit) & S_FEATURES_OK
    assert not device.values.guest_features >> bit & 1


def test_features_are_fixed_once_they_are_accepted() -> None:
    device = fresh()
    accept(device, p.VERSION_1)
    device.write("driver_feature_select", 0)
    device.write("driver_feature", p.CTRL_VQ)
    assert device.values.guest_features == p.VERSION_1


@pytest.mark.parametrize(("features", "length"), [(0, 10), (p.MRG_RXBUF, 12), (p.VERSION_1, 12), (p.HASH_REPORT, 10)])
def test_header_length(features: int, length: int) -> None:
    device = fresh()
    accept(device, features)
    assert device.values.header_length == length
    accept(device, p.VERSION_1 | p.HASH_REPORT)
    assert device.values.header_length == 20


@pytest.mark.parametrize(("pairs", "features", "queues"), [(1, 0, 3), (4, 0, 3), (4, p.MQ, 9), (4, p.RSS, 9)])
def test_queues_come_with_multiqueue(pairs: int, features: int, queues: int) -> None:
    device = fresh(queue_pairs=pairs)
    accept(device, features | p.VERSION_1)
    sizes = []
    for index in range(12):
        device.write("queue_select", index)
        sizes.append(device.read("queue_size"))
    assert sizes == [256] * (queues - 1) + [64] + [0] * (12 - queues)
    device.write("device_status", 0)
    assert len(device.values.queues) == 3


def test_queue_registers_take_effect_with_enable() -> None:
    device = fresh()
    accept(device, p.VERSION_1)
    for register, value in (
        ("queue_select", 1),
        ("queue_size", 128),
        ("queue_desc", 0x123456789000),
        ("queue_driver", 0x5000),
        ("queue_device", 0x6000),
        ("queue_msix_vector", 2),
    ):
        device.write(register, value)
    queue = device.values.queues[1]
    assert (queue.desc, device.read("queue_desc"), device.read("queue_enable")) == (0, 0x123456789000, 0)
    device.write("queue_enable", 1)
    assert (queue.num, queue.desc, queue.avail, queue.used, queue.vector) == (128, 0x123456789000, 0x5000, 0x6000, 2)
    device.write("queue_msix_vector", 10)
    assert device.read("queue_msix_vector") == 0xFFFF
    device.write("queue_select", 5000)
    assert device.read("queue_select") == 1


def test_other_registers() -> None:
    device = fresh()
    accept(device, p.VERSION_1 | p.CTRL_VQ)
    device.write("driver_feature_select", 1)
    assert device.read("driver_feature") == p.VERSION_1 >> 32
    for value, vector in ((3, 3), (10, 0xFFFF)):
        device.write("config_msix_vector", value)
        assert device.read("config_msix_vector") == vector
    device.write("device_status", device.read("device_status") | S_DRIVER_OK)
    before = device.read("config_generation")
    device.set_link(False)
    assert device.read("config_generation") == (before + 1) & 0xFF


def test_a_queue_that_is_not_there_has_no_registers() -> None:
    device = fresh()
    before = device.save().save()
    device.write("queue_select", 500)
    for register in ("queue_size", "queue_msix_vector", "queue_enable", "queue_desc"):
        device.write(register, 1)
        assert device.read(register) == 0, register
    device.write("queue_select", 0)
    assert device.save().save() == before


def test_config_space() -> None:
    device = fresh(mac=b"\x02\x01\x02\x03\x04\x05")
    config = device.read_config()
    assert config == b"\x02\x01\x02\x03\x04\x05" + struct.pack("<HHHIBBHI", 1, 4, 1500, 0xFFFFFFFF, 255, 40, 128, 0x1FF)
    assert device.read_config(6, 2) == b"\1\0"
    assert len(fresh(offered=p.MAC | p.STATUS | p.VERSION_1).read_config()) == 8
    assert len(fresh(offered=p.MAC | p.VERSION_1, queue_pairs=1).read_config()) == 6


def test_a_look_at_the_config_space_of_a_paused_device_leaves_no_trace() -> None:
    device = fresh()
    device.pause()
    held = device.values.config
    device.values.net_status = 0
    assert device.read_config(6, 2) == b"\0\0" and device.values.config == held


def test_a_legacy_device_breaks_without_asking_for_a_reset() -> None:
    """Its driver knows no such status bit (virtio 1.3, 2.1.2)."""
    device = fresh()
    accept(device, p.MAC)
    device.write("queue_select", 1)
    for register in ("queue_desc", "queue_driver", "queue_device"):
        device.write(register, 1 << 50)
    device.write("queue_enable", 1)
    device.write("device_status", device.read("device_status") | S_DRIVER_OK)
    device.notify(1)
    assert device.fault == "Cannot map avail"
    assert not device.read("device_status") & S_NEEDS_RESET and not device.read_isr()


def test_only_a_legacy_driver_writes_its_mac() -> None:
    device = fresh()
    device.write_config(0, b"\x02" * 6)
    assert device.values.mac == b"\x02" * 6
    accept(device, p.VERSION_1)
    device.write_config(0, b"\x04" * 6)
    assert device.values.mac == p.FIRST_MAC


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_leaves_a_new_device(kind: str) -> None:
    guest, device = made(kind, profile="configurer", seed=5)
    new = device.save().save()
    steps(guest, 700)
    device.write("device_status", 0)
    device.values.config = bytes(device.properties.config_len)
    assert device.save().save() == new


@pytest.mark.parametrize("kind", KINDS)
def test_a_driver_sees_the_link(kind: str) -> None:
    guest, device = made(kind)
    steps(guest, 300)
    vectors = []
    device.interrupt = vectors.append
    device.set_link(False)
    assert device.read_config(6, 2) == b"\0\0" and vectors == [device.values.config_vector]
    device.set_link(False)
    assert len(vectors) == 1 and device.read_isr() == 3 and device.read_isr() == 0


def test_an_announcement_is_asked_for_only_of_those_who_can() -> None:
    device = fresh()
    assert not device.announce()
    accept(device, p.VERSION_1 | p.GUEST_ANNOUNCE | p.CTRL_VQ)
    assert device.announce() and device.read_config(6, 1) == b"\3"


@pytest.mark.parametrize("kind", KINDS)
def test_a_paused_device_changes_nothing_and_forgets_no_doorbell(kind: str) -> None:
    guest, device = made(kind)
    steps(guest, 100)
    wire = SilentWire()
    device.wire = wire
    while not device.values.queues[1].tx_waiting:
        device.pause()
        before = dict(guest.ram.pages())
        guest.step()  # does not write registers: it is set up
        device.receive(bytes(60))
        after = device.save()
    assert after["tx_waiting"] == 1 and not wire.sent
    used = device.values.queues[1].used
    assert guest.ram.read(used, 2048) == b"".join(before[gpa] for gpa in (used,))[:2048]
    for access in (lambda: device.write("queue_select", 0), lambda: device.write("device_status", 0)):
        with pytest.raises(DevicePaused):
            access()
    device.values.isr = 1
    assert device.read_isr() == device.read_isr() == 1
    device.resume()
    assert wire.sent and not device.values.queues[1].tx_waiting


@pytest.mark.parametrize("kind", KINDS)
def test_indices_are_stale_while_vhost_runs_the_rings(kind: str) -> None:
    guest, device = made(kind)
    steps(guest, 100)
    device.vhost_start()
    held = device.save()
    steps(guest, 200)
    after = device.save()
    paths = ["vq[0].last_avail_idx", "vq[1].last_avail_idx"]
    assert [after[path] for path in paths] == [held[path] for path in paths]
    assert [after[path] for path in paths] != [q.last_avail_idx for q in device.values.queues[:2]]
    assert after["vq[8].last_avail_idx"] == device.values.queues[8].last_avail_idx, "the control queue is QEMU's"
    device.vhost_stop()
    assert [device.save()[path] for path in paths] == [q.last_avail_idx for q in device.values.queues[:2]]


def test_a_driver_may_start_anew_while_vhost_runs() -> None:
    guest, device = made("split", profile="configurer", seed=2)
    device.vhost_start()
    for _ in range(1500):
        guest.step()
        device.save()
    assert guest.counters()["reloads"] > 5


@pytest.mark.parametrize("kind", KINDS)
def test_frames_wait_for_buffers_and_are_dropped_by_the_filter(kind: str) -> None:
    guest, device = made(kind)
    frame = p.FIRST_MAC + bytes(54)
    assert not device.receive(frame), "no driver yet"
    steps(guest, 1)
    assert device.receive(frame)
    assert not device.receive(frame, 3), "a pair that is not in use"
    taken = 0
    while device.receive(frame):
        taken += 1
    assert 0 < taken < 256
    state = device.values.queues[0]
    assert state.inuse == 0
    device.values.promisc, device.values.nouni = 0, 1
    assert device.receive(frame), "dropped, which is an end too"
