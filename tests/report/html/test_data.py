"""The model of a page: every byte of a stream in exactly one leaf, fields as the record has them, no guest memory."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from real_streams import chosen_captures, committed, document, read

import vnetmig
from vnetmig.document.sample import sample_memory
from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.report.fields import section_fields
from vnetmig.report.html import data as html_data
from vnetmig.report.html.data import BEFORE_RAM, BEHIND_FAULT, Model, explore
from vnetmig.report.html.flat import flatten
from vnetmig.report.html.tree import Kind, Node


def model_of(data: bytes, **options: Any) -> tuple[Stream, Model]:
    stream = vnetmig.load(data, partial=True)
    return stream, explore(stream, data, **options)


def assert_partition(model: Model) -> None:
    """Leaves cover the data once and in order; nodes with children say nothing of their own size."""
    position = 0
    for _, node in model.root.walk():
        if node.offset != position or (node.size and node.children):
            pytest.fail(f"{node} at {position:#x}")
        position += node.size
    assert position == len(model.data)


def node_of(model: Model, section: Section) -> Node:
    return next(n for _, n in model.root.walk() if n.kind == Kind.SECTION and n.offset == section.offset)


def fields_of(node: Node, prefix: str = "") -> list[tuple[str, int, int]]:
    """(path, offset, size) of the fields below a section, as ``fields()`` spells them; not of its header and footer."""
    found = []
    for child in node.children:
        if child.kind in (Kind.PART, Kind.UNNAMED, Kind.ELIDED):
            continue
        path = prefix
        if child.kind != Kind.RUN:
            path = prefix + child.name if child.name.startswith("[") or not prefix else f"{prefix}.{child.name}"
        if child.kind == Kind.FIELD:
            found.append((path, child.offset, child.size))
        found += fields_of(child, path)
    return found


@chosen_captures
def test_every_byte_in_one_leaf_every_field_in_its_place_and_no_guest_memory(folder: Path) -> None:
    data, stream = read(folder), document(folder)
    model = explore(stream, data)
    assert_partition(model)
    _, columns = flatten(model)
    ram = sum(end - begin for s in stream.sections if s.idstr == "ram" for begin, end in [s.payload_span])
    assert len(columns["bytes"]) == len(data) - ram
    nodes = {node.offset: node for _, node in model.root.walk() if node.kind == Kind.SECTION}
    for section in stream.sections:
        node = nodes[section.offset]
        wanted = [(path, field.offset, field.size) for path, field in section_fields(section)]
        assert fields_of(node) == wanted, section.idstr
        if section.idstr != "ram":
            assert not any(leaf.kind == Kind.ELIDED for leaf in node.leaves()), section.idstr


def test_the_words_of_what_is_left_out() -> None:
    stream = vnetmig.load(read(committed("linux-tap-4q-rss-q100")))
    model = explore(stream, read(committed("linux-tap-4q-rss-q100")))
    ram = [leaf for leaf in model.root.leaves() if leaf.kind == Kind.ELIDED]
    assert [leaf.name for leaf in ram] == ["RAM"] * 3
    assert all("guest memory is not in this page" in leaf.value for leaf in ram)
    assert "PAGE" in ram[1].value and "ZERO" in ram[1].value


def test_values_types_and_names() -> None:
    stream = vnetmig.load(vnetmig.sample())
    data = stream.encode()
    device = stream.device("virtio-net").section
    model = explore(stream, data, device=device)
    assert model.start.name == "0000:00:04.0/virtio-net"
    status = model.start.below("status")
    assert (status.type, status.value) == ("uint8", "0xf")
    assert status.names == "ACKNOWLEDGE DRIVER DRIVER_OK FEATURES_OK"
    assert model.start.below("mac").value == "52:54:00:12:34:56"
    queues = model.start.below("virtqueues", "vq")
    assert queues.children[-1].name == "[9..1023]" and queues.children[-1].value == "1015 elements, all zero"
    assert [child.name for child in model.root.children[:2]] == ["file header", "configuration"]
    assert model.root.below("configuration", "capabilities", "[0]").value == "x-ignore-shared"
    assert model.root.below("command SWITCHOVER_START", "command").value == "11 (SWITCHOVER_START)"


def test_rings_stand_beside_their_queues() -> None:
    stream = vnetmig.load(vnetmig.sample(), memory=sample_memory())
    model = explore(stream, stream.encode(), rings=True)
    node = node_of(model, stream.device("virtio-net").section)
    assert [getattr(block, "title", "") for block in node.blocks] == ["0000:00:04.0/virtio-net", "rings"]
    (ring,) = node.below("vq", "[0]").blocks
    assert "1341" in str(ring)
    assert not model.findings


def test_a_ring_that_breaks_the_device_is_a_finding() -> None:
    stream = vnetmig.load(vnetmig.sample(), memory=sample_memory())
    stream.device("virtio-net")["vq[1].last_avail_idx"] = 60_000
    model = explore(stream, stream.encode(), rings=True)
    (finding,) = model.findings
    assert finding.severity == "warning" and "queue 1: loads, device broken: VQ 1 size" in finding.text
    assert finding.node.name == "[1]"


def test_iterative_flags_by_name() -> None:
    data = read(committed("rfc-user-1q"))
    stream, model = model_of(data)
    start = next(s for s in stream.sections if s.idstr.endswith("-iterative"))
    node = node_of(model, start)
    assert node.value == "INIT_STATE state END_DATA"
    assert (node.below("#flag", "[0]").value, node.below("#flag", "[0]").type) == ("INIT_STATE", "flag")


def test_a_package_holds_its_sections() -> None:
    _, model = model_of(read(committed("proxy-postcopy-fw-q111")))
    package = model.root.below("command PACKAGED")
    assert sum(child.kind == Kind.SECTION for child in package.children) > 20
    assert model.root.children[-1].name == "end of the stream"


def test_ram_sections_in_a_row_are_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_data, "RAM_RUN", 2)
    _, model = model_of(read(committed("linux-tap-4q-load-q72")))
    ram = next(child for child in model.root.children if child.name == "ram")
    assert ram.kind == Kind.RUN and [child.kind for child in ram.children] == [Kind.SECTION] * 3
    assert_partition(model)


# broken streams


@pytest.mark.parametrize("seed", range(40))
def test_cut_anywhere(seed: int) -> None:
    whole = read(committed("microvm-mmio-q72" if seed % 2 else "rfc-user-1q"))
    data = whole[: random.Random(seed).randrange(len(whole))]
    stream, model = model_of(data)
    assert_partition(model)
    flatten(model)
    if stream.error is None:
        return  # cut in what follows the end
    assert model.start.kind == Kind.FAULT and stream.error.message in model.start.name
    assert [finding.severity for finding in model.findings if finding.node is model.start] == ["error"]
    assert model.start.offset <= max(stream.error.offset, len(data))


@pytest.mark.parametrize("seed", range(24))
def test_flipped_bytes(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(read(committed("rfc-user-1q" if seed % 3 == 0 else "microvm-mmio-q72")))
    for _ in range(1 + seed % 4):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    _, model = model_of(bytes(data))
    assert_partition(model)
    flatten(model)


def test_what_was_decoded_before_the_fault() -> None:
    data = vnetmig.load(vnetmig.sample()).encode()[:0x68040]  # inside of virtio-net's first queue
    stream, model = model_of(data)
    assert stream.error is not None and stream.failed is not None
    node = node_of(model, stream.failed)
    assert node.below("config", "mac").kind == Kind.FIELD
    assert node.children[-1] is model.start and model.start.offset == stream.error.offset


def test_behind_a_fault_little_is_shown_where_memory_may_follow() -> None:
    data = bytearray(read(committed("rfc-user-1q")))
    stream, _ = model_of(bytes(data))
    start = next(s for s in stream.sections if s.idstr.endswith("-iterative"))
    data[start.payload_span[0]] ^= 1  # the flag in front of the early state: RAM follows behind it
    _, model = model_of(bytes(data))
    assert model.start.kind == Kind.FAULT and model.start.size == BEFORE_RAM
    rest = list(model.root.leaves())[-1]
    assert rest.kind == Kind.ELIDED and "not read" in rest.value


def test_behind_a_fault_more_is_shown_when_no_memory_can_follow() -> None:
    data = bytearray(read(committed("rfc-user-1q")))
    stream, _ = model_of(bytes(data))
    footer = next(s.footer for s in stream.sections if s.idstr.endswith("virtio-net"))
    assert footer is not None
    data[footer.offset : footer.offset + 5] = b"\xff" * 5
    _, model = model_of(bytes(data))
    assert model.start.kind == Kind.FAULT and model.start.size == min(BEHIND_FAULT, len(data) - model.start.offset)


def test_no_stream_at_all() -> None:
    _, model = model_of(b"QEVX and so on")
    assert_partition(model)
    assert "Not a migration stream" in model.start.name
    _, empty = model_of(b"")
    assert_partition(empty)


# bounds


def test_too_large_for_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_data.Room.__init__, "__defaults__", (html_data.FIELDS_MAX, 50_000))
    _, model = model_of(read(committed("linux-tap-4q-load-q72")))
    assert_partition(model)
    _, columns = flatten(model)
    assert len(columns["bytes"]) <= 50_000
    assert any(leaf.value.endswith("too large for this page") for leaf in model.root.leaves())


def test_too_many_fields_for_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_data.Room.__init__, "__defaults__", (100, html_data.BYTES_MAX))
    stream, model = model_of(read(committed("linux-tap-4q-load-q72")))
    assert_partition(model)
    assert sum(1 for _ in model.root.leaves()) < 130
    assert model.root.children[-1].value.endswith("too many parts for this page")
    assert len(model.root.children) < len(stream.sections)


def test_other_readings_that_fit_are_noted() -> None:
    stream = vnetmig.load(vnetmig.sample())
    data = stream.encode()
    state = stream.nets()[0].section.state
    assert state is not None
    state.ties = (("no MSI-X", "one pair"),)
    assert any("fits as well with no MSI-X; one pair" in finding.text for finding in explore(stream, data).findings)
