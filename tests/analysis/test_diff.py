"""What differs between two streams: fields by path, sets by name, sections of one side, the first byte, churn."""

from __future__ import annotations

import lzma
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_streams import committed, document, every_capture, read

import vnetmig
from vnetmig.analysis.churn import TABLE, churn_of
from vnetmig.analysis.diff import Difference, diff
from vnetmig.document.net import NetDevice
from vnetmig.document.stream import Stream
from vnetmig.stream.events import Eof

LEGACY, PAIRS = "linux-user-legacy-q72", "linux-tap-4q-load-q72"


def edited(change: Callable[[NetDevice], object], name: str = PAIRS) -> tuple[Stream, Stream]:
    """A stream, and what it is after ``change`` was written and read again."""
    before, after = document(committed(name)), document(committed(name))
    change(after.nets()[0])
    return before, vnetmig.load(after.encode())


def paths(found: Difference) -> list[str]:
    return [field.path for section in found.sections for field in section.fields]


@every_capture
def test_a_stream_is_identical_to_itself(folder) -> None:  # type: ignore[no-untyped-def]
    data = read(folder)
    found = diff(data, data)
    assert found.identical and found.equal
    assert not (found.items or found.sections or found.only_a or found.only_b or found.order)


def test_compression_is_no_difference() -> None:
    data = read(committed(PAIRS))
    assert diff(data, lzma.compress(data)).identical


def test_one_value_is_one_field_with_its_place_on_both_sides() -> None:
    before, after = edited(lambda net: setattr(net, "mac", "52:54:00:aa:bb:cc"))
    found = diff(before, after)
    assert paths(found) == ["mac"] and not found.equal
    (field,) = found["virtio-net"].fields
    assert field.a is not None and field.b is not None
    assert field.a.value == before.nets()[0].mac and field.b.value == "52:54:00:aa:bb:cc"
    assert read(committed(PAIRS))[field.a.offset :][:6].hex(":") == field.a.value
    assert after.encode()[field.b.offset :][:6].hex(":") == field.b.value
    assert found.first is not None
    assert (found.first.offset, found.first.a.field, found.first.b.field) == (field.a.offset + 3, "mac", "mac")
    assert found.ram is not None and found.ram.differ == 0


def test_offsets_move_behind_an_entry_that_was_put_in_front() -> None:
    def change(net: NetDevice) -> None:
        net.mac_table.macs = ("02:c0:ff:ee:00:01", *net.mac_table.macs)
        net["has_ufo"] = 1 - int(net["has_ufo"])

    found = diff(*edited(change))
    moved = next(f for f in found["virtio-net"].fields if f.path == "has_ufo")
    assert moved.a is not None and moved.b is not None and moved.b.offset - moved.a.offset == 6
    (unicast,) = (s for s in found["virtio-net"].sets if s.name == "mac_table.unicast")
    assert unicast.only_b == ("02:c0:ff:ee:00:01",) and not unicast.only_a
    assert not found.items, "sizes in the vmdescription follow from the payloads"


def test_feature_bits_have_names() -> None:
    found = diff(*edited(lambda net: setattr(net, "guest_features", net.guest_features ^ (1 << 22 | 1 << 54))))
    (one,) = (s for s in found["virtio-net"].sets if s.name == "guest_features")
    assert (one.only_a, one.only_b) == (("VIRTIO_NET_F_MQ",), ("VIRTIO_NET_F_GUEST_USO4",))


def test_vlans_and_the_order_of_entries() -> None:
    def change(net: NetDevice) -> None:
        net.vlans = (net.vlans - {0}) | {42}
        net.mac_table.macs = tuple(reversed(net.mac_table.macs))

    sets = {s.name: s for s in diff(*edited(change))["virtio-net"].sets}
    assert sets["vlans"].only_b == ("42",)
    assert sets["mac_table.multicast"].order and not sets["mac_table.multicast"].only_a


def test_a_subsection_of_one_side() -> None:
    found = diff(*edited(lambda net: net.record.drop("started")))
    (one,) = (s for s in found["virtio-net"].sets if s.name == "subsections")
    assert one.only_a == ("started",) and not one.only_b
    assert paths(found) == ["started.#name", "started.#version", "started.started"]
    assert all(f.b is None for f in found["virtio-net"].fields)
    assert not found.equal


def test_another_device_by_its_own_description() -> None:
    before, after = document(committed(PAIRS)), document(committed(PAIRS))
    after.named("cpu#1")["env.efer"] = 0x500
    found = diff(before, vnetmig.load(after.encode()))
    assert [(s.idstr, s.instance_id) for s in found.sections] == [("cpu", 1)]
    assert paths(found) == ["env.efer"] and not found.equal


def test_churn_alone_is_no_difference() -> None:
    def change(net: NetDevice) -> None:
        net.queues[0].last_avail_idx += 1
        net.isr ^= 1

    found = diff(*edited(change))
    assert found.equal and not found.identical
    assert {f.path: f.churn for f in found["virtio-net"].churn} == {
        "isr": "interrupts",
        "vq[0].last_avail_idx": "ring indices",
    }


def test_a_clock_byte_moves_and_a_setting_does_not() -> None:
    assert churn_of("mc146818rtc", "cmos_data", "buffer", frozenset({0, 4})) == "clocks"
    assert churn_of("mc146818rtc", "cmos_data", "buffer", frozenset({0, 0x10})) is None
    assert churn_of("anything", "whatever", "timer") == "clocks"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.device}:{row.path}")
def test_no_row_hides_what_makes_two_machines(row) -> None:  # type: ignore[no-untyped-def]
    for path in ("mac", "status", "vq[0].num", "vq[0].desc", "guest_features_low", "vlans[0]", "max_queue_pairs"):
        assert churn_of("0000:00:03.0/virtio-net", path, "uint32") is None
    assert row.why and row.path


def test_two_machines_have_sections_of_their_own() -> None:
    found = diff(document(committed(LEGACY)), document(committed("linux-multi-q72")))
    assert ("0000:00:03.0/virtio-serial" in str(found.only_b)) or found.only_b
    assert not found.equal


def test_machine_and_capabilities() -> None:
    found = diff(document(committed("linux-user-1q-ping-q52")), document(committed("rfc-user-1q")))
    items = {item.name: (item.a, item.b) for item in found.items}
    assert items["machine"] == ("pc-i440fx-5.2", "pc-i440fx-10.0")
    assert items["capabilities"] == ("x-ignore-shared", "x-ignore-shared, virtio-iterative")
    assert items["vmdescription style"] == ("spaced", "compact")
    assert found.first is not None and found.first.a.field == "configuration"


def test_an_order_that_changed_is_said() -> None:
    stream = document(committed(PAIRS))
    found = diff(stream, document(committed("linux-user-1q-ping-q52")))
    assert found.order


def test_one_device_in_another_slot() -> None:
    found = diff(document(committed(LEGACY)), document(committed("linux-multi-q72")), "virtio-net")
    (section,) = found.sections
    assert [h.name for h in section.header if h.name == "idstr"] == ["idstr"]
    assert found.ram is None and not found.items


def test_a_device_that_is_not_there() -> None:
    stream = document(committed(LEGACY))
    with pytest.raises(vnetmig.FieldError, match="no device 'virtio-gpu'"):
        diff(stream, stream, "virtio-gpu")


def test_a_broken_stream_is_refused() -> None:
    data = read(committed(LEGACY))
    with pytest.raises(vnetmig.StreamError):
        diff(data, data[: len(data) // 2])
    with pytest.raises(vnetmig.StreamError):
        diff(vnetmig.load(data[:1000], partial=True), data)


@given(st.sampled_from(["status", "queue_sel", "net_status", "promisc", "nobcast", "vq[1].num", "has_ufo"]), st.data())
def test_what_was_set_is_what_differs(path: str, data: st.DataObject) -> None:
    before, after = document(committed(LEGACY)), document(committed(LEGACY))
    value = data.draw(st.integers(0, 255))
    after.nets()[0][path] = value
    found = diff(before, after, "virtio-net")
    assert paths(found) == ([path] if before.nets()[0][path] != value else [])


# What two captures of one Linux guest, two seconds apart, differ in (QEMU 7.2.22 and 11.1.3, user networking, ping).
OBSERVED = """
    timer:cpu_ticks_offset timer:cpu_clock_offset slirp:data cpu:env.regs[7] apic:initial_count
    apic:initial_count_load_time apic:next_time apic:timer_expiry hpet:hpet_counter hpet:timer[0].cmp
    hpet:timer[0].qemu_timer 0000:00:02.0/virtio-net:vq[0].last_avail_idx 0000:00:02.0/virtio-net:vq[1].last_avail_idx
"""


@pytest.mark.parametrize("field", OBSERVED.split())
def test_what_was_seen_to_move_is_churn(field: str) -> None:
    device, _, path = field.rpartition(":")
    assert churn_of(device, path) is not None


def test_a_section_that_does_not_differ_is_not_among_them() -> None:
    before, after = edited(lambda net: setattr(net, "mac", "52:54:00:aa:bb:cc"))
    with pytest.raises(KeyError, match="cpu"):
        diff(before, after)["cpu"]


def altered(at: int, value: bytes) -> Difference:
    data = read(committed(PAIRS))
    return diff(data, data[:at] + value + data[at + len(value) :])


def test_another_instance_of_a_device_is_the_same_device() -> None:
    section = document(committed(PAIRS)).nets()[0].section
    found = altered(section.offset + 6 + len(section.idstr), b"\0\0\0\1")
    assert [(one.name, one.a, one.b) for one in found["virtio-net"].header] == [("instance_id", 0, 1)]
    assert not found.only_a and not found.only_b
    assert found.first is not None and found.first.a.field == "section header"


def test_a_description_that_only_one_side_can_read() -> None:
    data = read(committed(PAIRS))
    found = altered(data.rindex(b'"page_size"'), b"!")
    assert ("vmdescription", "readable", "unreadable") in [(one.name, one.a, one.b) for one in found.items]


def test_a_description_of_another_page_size() -> None:
    found = diff(document(committed(PAIRS)), document(committed("npcm750-qbpo")))
    assert ("vmdescription page size", "4096", "1024") in [(one.name, one.a, one.b) for one in found.items]


def test_bytes_that_nothing_describes_differ_as_bytes() -> None:
    """Without a vmdescription."""
    stream = document(committed(PAIRS))
    data = read(committed(PAIRS))
    end = next(event for event in stream.ends if isinstance(event, Eof))
    bare = data[: end.offset + end.size]
    at = next(one for one in stream.sections if one.idstr == "apic").payload_span[0] + 3
    (section,) = diff(bare, bare[:at] + bytes((bare[at] ^ 1,)) + bare[at + 1 :]).sections
    assert (section.idstr, section.fields, section.bytes is not None and section.bytes.first) == ("apic", (), 3)
