"""From a text to explanations: chains, wrappings, features, arithmetic, what is not known."""

from __future__ import annotations

from pathlib import Path

import pytest

import vnetmig
import vnetmig.analysis.explain.explain
from vnetmig.analysis.explain import failure
from vnetmig.analysis.explain.device_path import address
from vnetmig.analysis.explain.error_numbers import numbered
from vnetmig.analysis.explain.explain import MOST, explain
from vnetmig.analysis.explain.explanation import Explanation
from vnetmig.errors import FieldError

FEATURES = "Features 0x1c0010130afffaf unsupported. Allowed features: 0x10179bfffef"
CHAIN = (
    "Failed to load virtio-net:virtio",
    "error while loading state for instance 0x0 of device '0000:00:02.0:00.0/virtio-net'",
    "load of migration failed: Operation not permitted",
)


def only(text: str, qemu: str | None = None) -> Explanation:
    (entry,) = explain(text, qemu=qemu).found
    return entry


def missing(text: str) -> list[int]:
    fault = only(text).features
    assert fault is not None
    return [note.feature.bit for note in fault.missing]


# kubevirt/kubevirt#16386; qemu-devel 23 Sep 2025 (9.2.4 to 8.2.10)
@pytest.mark.parametrize(
    ("line", "bits"),
    [
        (FEATURES, [54, 55, 56]),
        ("Features 0x1c0010130afffa7 unsupported. Allowed features: 0x179bfffe7", [40, 54, 55, 56]),
        ("Features 0x1000010130af8024 unsupported. Allowed features: 0x10179bf8064", [60]),
        (f"Features 0x{1 << 65 | 1 << 32:032x} unsupported. Allowed features: 0x{1 << 32:032x}", [65]),
    ],
)
def test_bits_that_are_missing(line: str, bits: list[int]) -> None:
    assert missing(line) == bits


def test_each_missing_feature_has_settings_kernel_and_takers() -> None:
    fault = only(FEATURES).features
    assert fault is not None and fault.assumed and fault.device == "virtio-net"
    note = fault.missing[2]
    assert note.feature.name == "VIRTIO_NET_F_HOST_USO" and note.feature.since == "8.2"
    assert note.at_destination == "host_uso=on; Linux 6.2" and note.at_source == "host_uso=off"
    assert note.origin.without == "8.1" and any("6.2" in taker for taker in note.origin.taken_by)
    assert any("guest_uso4=off,guest_uso6=off,host_uso=off" in fix for fix in fault.fixes)
    assert "VIRTIO_NET_F_CTRL_RX_EXTRA" in fault.spare
    assert any("only USO is missing" in hint for hint in fault.hints)


def test_the_chain_says_whose_features_they_are() -> None:
    text = "\n".join(["Features 0x2005 unsupported. Allowed features: 0x5", *CHAIN]).replace("net", "blk")
    fault = only(text).features
    assert fault is not None and fault.device == "virtio-blk" and not fault.assumed
    assert [note.feature.name for note in fault.missing] == ["VIRTIO_BLK_F_DISCARD"]


def test_a_release_that_hides_the_missing_bits() -> None:
    """Real words of 11.1.3 for a guest with bit 60: it is not in the number."""
    fault = only(
        "Features 0x00000000000000000000010130af8024 unsupported. Allowed features: 0x00000000000000000000010179bf8064"
    ).features
    assert fault is not None and not fault.missing and not fault.fixes
    assert "10.2 and later" in fault.hints[0]


def test_a_chain_is_told_once() -> None:
    entry = only("\n".join([FEATURES, *CHAIN]))
    assert entry.id == "features-unsupported" and entry.chain == CHAIN
    assert entry.device == "0000:00:02.0:00.0/virtio-net" and entry.error == "Operation not permitted"
    assert any("-1 EPERM" in note for note in entry.notes)


def test_two_failures_of_one_log() -> None:
    told = explain("\n".join([FEATURES, *CHAIN, "Missing section footer for slirp", CHAIN[-1]]))
    assert [entry.id for entry in told] == ["features-unsupported", "footer-missing"]
    assert [entry.line for entry in told] == [1, 5]


def test_the_same_failure_again_is_counted() -> None:
    told = explain("\n".join([FEATURES, *CHAIN, "", FEATURES, *CHAIN]))
    (entry,) = told
    assert entry.times == 2


def published() -> list[tuple[str, str | None, str]]:
    text = Path(__file__).with_name("other_logs.txt").read_text(encoding="utf-8")
    made = []
    for block in text.split("\n## ")[1:]:
        head, _, lines = block.strip().partition("\n")
        rule, device, _ = (part.strip() for part in head.split("|"))
        made.append((rule, device or None, lines))
    return made


PUBLISHED = published()


@pytest.mark.parametrize(("rule", "device", "text"), PUBLISHED, ids=[f"{e[0]}-{n}" for n, e in enumerate(PUBLISHED)])
def test_out_of_other_programs_logs(rule: str, device: str | None, text: str) -> None:
    told = explain(text)
    (entry,) = told.found
    assert (entry.id, entry.device) == (rule, device)
    assert not told.unknown


@pytest.mark.parametrize(
    "front", ["20702@1795419869.973943:", "Jan  9 18:20:49 pve1 QEMU[4711]: kvm: ", "", "> > ", "/usr/bin/qemu-kvm: "]
)
def test_in_front_of_a_line(front: str) -> None:
    assert only(front + "Unknown savevm section 12").id == "unknown-section-id"
    assert only(front + "Unknown savevm section 12").text == "Unknown savevm section 12"


def test_lines_that_a_mail_program_wrapped() -> None:
    text = """\
> kvm: Features 0x1c0010130afffa7 unsupported. Allowed features:
> 0x10179bfffe7
> kvm: Failed to load virtio-net:virtio
> kvm: error while loading state for instance 0x0 of device
> '0000:00:12.0/virtio-net'
> kvm: load of migration failed: Operation not
> permitted
"""
    entry = only(text)
    assert entry.device == "0000:00:12.0/virtio-net" and entry.error == "Operation not permitted"
    assert entry.features is not None and [n.feature.bit for n in entry.features.missing] == [54, 55, 56]


def test_a_line_that_a_terminal_cut() -> None:
    line = "qemu-system-x86_64: Features 0x1c0010130afffaf unsupported. Allowed features: 0x10179bfffef"
    assert missing(f"{line[:80]}\n{line[80:]}\n{CHAIN[0]}") == [54, 55, 56]


def test_lines_without_a_program_name_are_not_put_together() -> None:
    bad = "get_pci_config_device: Bad config data: i=0x10 read: 21 device: 1 cmask: ff wmask: c0 w1cmask:0"
    entry = only("\n".join([bad, *CHAIN[1:]]))
    assert entry.values["w1cmask"] == 0 and entry.chain == CHAIN[1:]


def test_a_message_over_three_lines() -> None:
    text = """\
qemu-kvm: Unknown section or instance '0000:00:02.0/virtio-net' 0. Make sure
that your current VM setup matches your saved VM setup, including any
hotplugged devices
"""
    entry = only(text)
    assert entry.text.endswith("hotplugged devices") and entry.values["instance"] == 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("VQ 0 size 0x80 < last_avail_idx 0x12f8 - used_idx 0x0", "4856 (in the stream) - used_idx 0 (in guest"),
        ("VQ 0 size 0x80 < last_avail_idx 0x12f8 - used_idx 0x0", "may never have arrived"),
        ("VQ 3 size 0x100 < last_avail_idx 0x6 - used_idx 0x5c8", "queue 3, transmit queue of pair 1"),
        ("VQ 0 size 0x100 < last_avail_idx 0x6 - used_idx 0x5c8", "guest memory is 1474 ahead"),
        ("VQ 0 size 0x100 Guest index 0x100 inconsistent with Host index 0x3ee: delta 0xfd12", "750 ahead"),
        ("VQ 0 size 0x64 Guest index 0x100 inconsistent with Host index 0x6: delta 0xfa", "no power of two"),
        ("VQ 0 vring.num 1024 exceeds allocated max 256", "10.0.13"),
        ("virtio-net: curr_queue_pairs a > max_queue_pairs 4", "queues=10 and vectors=22"),
        ("Not a migration stream, magic: 4c696276 != 5145564d", "libvirt save image"),
        ("Not a migration stream, magic: 11223344 != 5145564d", "multifd"),
        ("Machine type received is 'pc-q35-8.2' and local is 'pc-q35-9.0'", "-machine pc-q35-8.2"),
        ("Received TARGET_PAGE_BITS is 12 but local is 16", "pages of 4096 bytes came, the destination has 65536"),
        ("Unknown savevm section type 7", "configuration section"),
        ("Unknown savevm section or instance '0000:00:03.1/virtio-net' 2", "addr=0x3.0x1"),
        ("savevm: unsupported version 12 for 'slirp' v11", "1 behind"),
        ("check_section_footer: Read section footer failed: -104", "ECONNRESET"),
        ("Failed to load ram state: stream error: -5", "ended too early"),
        ("MIG_CMD 0xb unknown (len 0x0)", "SWITCHOVER_START"),
        ("Unknown combination of migration flags: 0x120", "CONTINUE, COMPRESS_PAGE"),
        ("Size mismatch: 0000:00:03.0/e1000.rom: 0x20000 != 0x40000: Invalid argument", "128 KiB"),
        ("load of migration failed: Connection reset by peer", "-104 ECONNRESET"),
        ("load of migration failed: No such file or directory", "no such subsection"),
        ("load of migration failed: Too many levels of symbolic links", "ELOOP"),
        ("get_pci_config_device: Bad config data: i=0x10 read: 21 device: 1 cmask: ff wmask: c0 w1cmask:0", "0x20"),
        ("get_pci_config_device: Bad config data: i=0x2 read: 41 device: 0 cmask: ff wmask: 0 w1cmask:0", "device_id"),
        ("Invalid number of virtqueues: 0x401", "1025 queues"),
        ("qemu-kvm: 4 != 2", "the destination has 4, the stream 2"),
    ],
)
def test_values_are_put_into_words(line: str, says: str) -> None:
    entry = only(line)
    assert any(says in note for note in entry.notes), entry.notes


def test_a_field_that_no_line_names_since_10_2() -> None:
    text = (
        "qemu-system-x86_64: 4 != 2\nqemu-system-x86_64: load of migration failed: Invalid argument: error while "
        "loading state for instance 0x0 of device '0000:00:02.0/virtio-net': Failed to load element of type virtio "
        "for virtio"
    )
    assert only(text).id == "max-queue-pairs"
    assert only(text.replace("virtio-net", "virtio-console")).id == "not-equal"


def test_a_silent_refusal_says_what_it_may_have_been() -> None:
    silent = "\n".join([*CHAIN[:2], "load of migration failed: Invalid argument"])
    entry = only(silent)
    assert entry.id == "field-failed"
    assert any("vectors=" in note for note in entry.notes)


def test_which_releases_say_so() -> None:
    assert only(FEATURES).releases == "before 10.2"
    assert only("Unknown section type 9").releases == "10.2 and later"
    assert only("virtio-net: saved image requires vnet_hdr=on").releases is None


def test_one_release_only() -> None:
    assert not explain("Unknown savevm section type 9", qemu="11.1").known
    assert only("Unknown savevm section type 9", qemu="7.2").id == "unknown-section-type"
    with pytest.raises(FieldError):
        explain("anything", qemu="seven")


def test_a_rule_by_its_id() -> None:
    entry = only("vlan-lost")
    assert entry.text == "" and entry.causes and not entry.message.wordings


@pytest.mark.parametrize("name", ["VIRTIO_NET_F_HOST_USO", "HOST_USO", "host_uso", "0x100000000000000"])
def test_a_feature_by_name_property_or_bit(name: str) -> None:
    told = explain(name)
    assert told.known and told.device == "virtio-net"
    assert [note.feature.bit for note in told.features] == [56]


def test_a_feature_of_another_device() -> None:
    told = explain("VIRTIO_BLK_F_DISCARD")
    assert told.device == "virtio-blk" and [note.feature.bit for note in told.features] == [13]


def test_what_nobody_knows_gets_the_nearest() -> None:
    told = explain("the section footer of the frobnicator is missing")
    assert not told.known and not told.found
    (unknown,) = told.unknown
    assert "footer-missing" in [message.id for message in unknown.nearest]


def test_unknown_lines_of_qemu_beside_a_known_one() -> None:
    told = explain(f"qemu-kvm: frobnication impossible\nsome daemon: failed\n{FEATURES}")
    assert told.known and [(u.line, u.text) for u in told.unknown] == [(1, "qemu-kvm: frobnication impossible")]


def test_harmless_lines() -> None:
    told = explain("qemu-kvm: warning: host doesn't support requested feature: MSR(48DH).vmx-posted-intr [bit 7]")
    assert told.known and not told.found and told.harmless


@pytest.mark.parametrize("text", ["", "\n\n", " \r\n"])
def test_nothing_is_not_known(text: str) -> None:
    assert not explain(text).known


def test_the_public_name() -> None:
    told = vnetmig.explain(FEATURES)
    assert isinstance(told, vnetmig.Explanations) and isinstance(told.found[0], vnetmig.Explanation)


def test_no_more_than_anybody_reads() -> None:
    told = explain("\n".join(f"qemu: Unknown savevm section {n}" for n in range(MOST + 5)))
    assert len(told) == MOST and told.cut


# qemu: hw/virtio/virtio.c:virtio_load, migration/ram.c:parse_ramblock
@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("virtio-net: curr_queue_pairs 4001 > max_queue_pairs 1", "16385 pairs cannot be: the bytes before are out"),
        (
            "VQ 0 size 0x100 Guest index 0x10 inconsistent with Host index 0x8: delta 0x9",
            "the line says 0x9; 0x8 comes of its two indices",
        ),
        ("Size mismatch: pc.ram: 0x3 != 0x1000: Invalid argument", "pc.ram: 3 bytes in the stream, 4 KiB (4096 bytes)"),
        ("Size mismatch: 0000:00:03.0/x.rom: 0x1000 != 0x800: Invalid argument", "it is an option ROM: "),
        ("Mismatched GPAs for block pc.ram 4096!= 8192", "4096 in the stream, 8192 at the destination"),
        (
            "virtio-net: guest driver for virtio-net has enabled UNUSED(30) feature bit!",
            "the device is virtio-net",
        ),
    ],
)
def test_what_the_values_of_a_line_say(line: str, note: str) -> None:
    assert any(said.startswith(note) for said in only(line).notes), only(line).notes


def test_a_queue_of_another_device_has_no_pairs() -> None:
    line = "VQ 0 size 0x100 Guest index 0x10 inconsistent with Host index 0x8: delta 0x8"
    entry = only("\n".join([line, *CHAIN]).replace("net", "blk"))
    assert entry.notes[0].startswith("queue 0 of virtio-blk: guest index 16")


def test_of_a_device_without_offloads_nothing_is_said_of_them() -> None:
    text = "\n".join(["Features 0x2005 unsupported. Allowed features: 0x5", *CHAIN]).replace("net", "blk")
    fault = only(text).features
    assert fault is not None and fault.hints == ()


def test_what_stands_far_behind_is_another_failure() -> None:
    head = "Missing section footer for slirp"
    near, far = (explain("\n".join([head, *["x"] * lines, CHAIN[-1]])) for lines in (3, failure.REACH + 3))
    assert [entry.id for entry in near] == ["footer-missing"]
    assert [entry.id for entry in far] == ["footer-missing", "migration-failed"]


def test_a_long_log_is_read_up_to_a_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vnetmig.analysis.explain.explain, "READINGS_MOST", 2)
    assert explain("\n".join(f"Missing section footer for {name}" for name in "abcdef")).cut


@pytest.mark.parametrize(
    ("code", "words"),
    [(-3, "-3 is ESRCH (No such process)"), (-9999, "-9999 is no error number")],
)
def test_numbers_that_no_loader_returns(code: int, words: str) -> None:
    assert numbered(code) == words


def test_an_address_is_one_of_pci() -> None:
    assert (address("0000:00:02.1/virtio-net"), address("slirp")) == ("0x2.0x1", None)
