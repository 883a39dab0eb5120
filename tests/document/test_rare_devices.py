"""Values that only some devices have, against what was put into the machine before its state was taken."""

from __future__ import annotations

import struct
from functools import lru_cache

import pytest
from real_streams import committed, document, truth

from vnetmig.document.device import Device
from vnetmig.document.stream import Stream


@lru_cache(maxsize=4)
def stream(capture: str) -> Stream:
    return document(committed(capture))


def device(capture: str, idstr: str, instance: int = 0) -> Device:
    return stream(capture).device(idstr, instance)


def test_cpu_double_u_holds_what_the_debugger_wrote() -> None:
    fpr = device("sparc-fpr-q111", "cpu")["env.fpr"]
    assert isinstance(fpr, tuple)
    assert struct.unpack(">d", struct.pack(">Q", fpr[0])) == (3.14,)
    assert fpr[15] == 0xC000000000000001
    assert set(fpr[1:15]) == {0}


def test_a_gtree_with_direct_keys_holds_the_frames_written() -> None:
    written = device("xlnx-versal-gtree-q111", "xlnx-cframe-reg")
    assert (written["cframes.nnodes"], written["cframes.key[0]"], written["cframes.key[1]"]) == (2, 0, 5)
    assert written["cframes.marker[1]"] == 1
    assert written["cframes.value[1].data[0]"] == 0x05000000
    assert written["cframes.end"] == 0
    empty = device("xlnx-versal-gtree-q111", "xlnx-cframe-reg", 1)
    assert empty["cframes.nnodes"] == 0
    assert "cframes.key[0]" not in empty


@pytest.mark.parametrize("name", ["s390x-ioint-qbpo", "s390x-ioint-q111"])
def test_a_qlist_holds_the_interrupts_that_the_guest_left_pending(name: str) -> None:
    flic = device(name, "qemu-s390-flic")
    # The guest started subchannels 0 (ISC 0), 1 and 2 (ISC 3), each with the interruption parameter 0xcafe0001.
    pending = {
        isc: [flic[f"full.io[{isc}].element[{i}].nr"] for i in range(2) if f"full.io[{isc}].element[{i}].nr" in flic]
        for isc in range(8)
    }
    assert pending == {0: [0], 3: [2, 1], **{isc: [] for isc in (1, 2, 4, 5, 6, 7)}}
    assert flic["full.io[3].element[0].parm"] == 0xCAFE0001
    assert flic["full.io[3].element[0].word"] == 3 << 27


@pytest.mark.parametrize(("name", "kind"), [("s390x-ioint-qbpo", "nullptr"), ("s390x-ioint-q111", "ptr-marker")])
def test_null_pointers_of_an_array_are_told_apart_from_objects(name: str, kind: str) -> None:
    css = device(name, "s390_css")
    fields = css.fields()
    nulls = [index for index in range(256) if f"css[{index}]" in css]
    assert nulls == [index for index in range(256) if index != 254]  # only image 0xfe exists
    assert fields["css[0]"].type == kind
    assert {css[f"css[{index}]"] for index in nulls} == {ord("0")}
    assert css["css[254].chpids[0].in_use"] == 1


def test_an_array_that_begins_with_objects_is_not_over_counted() -> None:
    css = device("s390x-css-mixed1-q111", "s390_css")
    objects = [index for index in range(256) if f"css[{index}].chpids[0].in_use" in css]
    assert objects == [0, 1, 3, 254]
    assert css["css[255]"] == ord("0")


def test_what_a_vmdescription_gets_wrong_stays_bytes_and_says_so() -> None:
    (css,) = (s for s in stream("s390x-fw-q72").sections if s.idstr == "s390_css")
    assert css.record is None
    assert css.finding is not None
    assert css.finding.message == "the vmdescription does not fit the section"
    assert (css.finding.expected, css.finding.got) == ("292 bytes", "1059 bytes")
    assert css.finding.offset == css.payload_span[0]


def test_a_qtailq_holds_the_reports_of_hot_plugged_devices() -> None:
    css = device("s390x-ioint-q111", "s390_css")
    assert css["pending_crws.marker[0]"] == 1
    assert css["pending_crws.element[0].crw.rsid"] == 3
    assert css["pending_crws.end"] == 0


def test_a_bitmap_has_the_bits_of_the_blocks_that_were_plugged() -> None:
    memory = device("virtio-mem-q111", "virtio-mem-device-early")
    plugged = {0, 1, 5, 6, 7, 70, 71, 72, 73}
    words = memory["bitmap"]
    assert isinstance(words, tuple)
    assert {64 * i + bit for i, word in enumerate(words) for bit in range(64) if int(word) >> bit & 1} == plugged
    assert memory["size"] == len(plugged) * int(memory["tmp.block_size"])  # type: ignore[arg-type]


def test_tmp_fields_are_read_where_they_stand() -> None:
    cpu = device("m68k-q800-q72", "cpu")
    registers = [(cpu[f"fpu.env.fregs[{i}].tmp.tmp_exp"], cpu[f"fpu.env.fregs[{i}].tmp.tmp_mant"]) for i in range(8)]
    assert set(registers) == {(0x7FFF, (1 << 64) - 1)}  # a reset CPU: not a number


def test_markers_of_allocated_objects_are_values() -> None:
    nvme = device("nvme-q111", "nvme")
    fields = {path: field for path, field in nvme.fields().leaves() if path.startswith("sq[")}
    markers = [field.value for field in fields.values() if field.type == "ptr-marker"]
    assert markers == [ord("1"), ord("1"), ord("0"), ord("0"), ord("0")]  # admin, one io queue, three none
    assert fields["sq[1].size"].value == 64


def in_use(capture: str, place: int, queue: int) -> int:
    told = truth(committed(capture))["virtio"][f"/machine/peripheral-anon/device[{place}]/virtio-backend"]
    return int(told["queues"][queue]["inuse"])


@pytest.mark.parametrize(
    ("name", "idstr", "place", "has_queue", "has_ndescs"),
    [
        ("inflight-blk-scsi-q72", "02.0/virtio-blk", 0, False, False),
        ("inflight-blk-scsi-q72", "03.0/virtio-blk", 1, True, False),
        ("inflight-packed-q72", "02.0/virtio-blk", 0, True, True),
    ],
)
def test_block_requests_in_flight(name: str, idstr: str, place: int, has_queue: bool, has_ndescs: bool) -> None:
    blk = device(name, idstr)
    number = blk.record.count("requests")
    assert number == in_use(name, place, 0) == 4
    assert ("requests[0].queue" in blk) == has_queue
    assert ("requests[0].elem.ndescs" in blk) == has_ndescs
    elements = [(blk[f"requests[{i}].elem.out_num"], blk[f"requests[{i}].elem.in_num"]) for i in range(number)]
    assert sorted(elements) == [(1, 2), (1, 2), (1, 2), (2, 1)]  # three reads, one write
    assert blk["requests[0].elem.out_sg[0].len"] == 16  # struct virtio_blk_outhdr
    assert "ndescs" in blk.assumed[0]


def test_a_port_keeps_the_element_it_popped() -> None:
    console = device("inflight-vport-q72", "virtio-console")
    ports = {console[f"serial.ports[{i}].id"]: console[f"serial.ports[{i}].elem_popped"] for i in range(2)}
    assert ports == {1: 1, 0: 0}
    assert console["serial.ports[0].popped.elem.out_num"] == 1
    assert console["serial.ports[0].popped.elem.out_sg[0].len"] == 32768
    assert "serial.ports[1].popped.iov_idx" not in console
