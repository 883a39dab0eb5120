"""Texts get into a page harmless and once; rows and offsets follow from each other."""

from __future__ import annotations

import vnetmig
from vnetmig.report.html.data import explore
from vnetmig.report.html.flat import Strings, block_json, flatten


def test_strings_are_harmless_and_kept_once() -> None:
    strings = Strings()
    numbers = [strings.number(text) for text in ("", "a\u202eb", "x\x1b[2J", "\udc80", "a\u202eb")]
    assert numbers == [0, 1, 2, 3, 1]
    assert strings.texts == ["", "a\\u202eb", "x\\x1b[2J", "\\x80"]


def test_blocks_as_json() -> None:
    stream = vnetmig.load(vnetmig.sample())
    model = explore(stream, stream.encode())
    head, _ = flatten(model)
    titles = [block_json(block).get("title") for block in model.root.blocks]
    assert "network devices" in titles and "ram" in titles and "sections" not in titles
    assert isinstance(head["blocks"], dict) and "0" in head["blocks"]


def test_one_row_per_node_parents_first() -> None:
    stream = vnetmig.load(vnetmig.sample())
    data = stream.encode()
    model = explore(stream, data, device=stream.device("virtio-net").section)
    head, columns = flatten(model)
    nodes = [node for _, node in model.root.walk()]
    assert {len(columns[name]) for name in ("level", "kind", "name", "type", "value", "names", "size")} == {len(nodes)}
    assert nodes[int(str(head["start"]))] is model.start
    offset = 0.0
    for node, size in zip(nodes, columns["size"], strict=True):
        assert node.offset == offset
        offset += size
    assert offset == len(data)
