"""The vmdescription beside devices that changed: sizes and subsections follow, whatever else stands in it stays."""

from __future__ import annotations

import pytest
from real_streams import committed, document

import vnetmig
from vnetmig.document.new_stream import new_stream
from vnetmig.document.sizes import rewritten
from vnetmig.document.stream import Stream
from vnetmig.errors import FieldError
from vnetmig.stream.events import VmDescription
from vnetmig.stream.vmdescription import Description, JsonObject

PAIRS = "linux-tap-4q-load-q72"


def test_an_untouched_description_stays_as_it_came() -> None:
    stream = document(committed(PAIRS))
    before = stream.description
    stream.named("cpu#1").record.subsections()
    assert stream.encode() == document(committed(PAIRS)).encode()
    assert before is not None and stream.description is before


@pytest.mark.parametrize("name", ["poll_control_msr", "fpop_ip_dp"])
def test_a_dropped_subsection_leaves_the_description(name: str) -> None:
    stream = document(committed(PAIRS))
    stream.named("cpu#1").record.drop(name)
    loaded = vnetmig.load(stream.encode())
    left = [n for n in document(committed(PAIRS)).named("cpu#1").record.subsections() if n != name]
    assert loaded.named("cpu#1").record.subsections() == left
    assert loaded.named("cpu#0").record.subsections() == stream.named("cpu#0").record.subsections()
    begin, end = loaded.named("cpu#1").section.payload_span
    assert loaded.description is not None and loaded.description.lengths()["cpu", 1] == [end - begin]


def test_the_last_subsection_takes_the_key_with_it() -> None:
    stream = document(committed(PAIRS))
    for name in stream.named("cpu#1").record.subsections():
        stream.named("cpu#1").record.drop(name)
    loaded = vnetmig.load(stream.encode())
    assert loaded.description is not None
    (entry,) = (d for d in loaded.description.devices if (d.name, d.instance_id) == ("cpu", 1))
    assert "subsections" not in entry.json and loaded.named("cpu#1").record.subsections() == []


@pytest.mark.parametrize("strange", [5, None, "text", [], [1, "two", None]])
def test_a_description_with_strange_subsections_is_kept(strange: object) -> None:
    stream = new_stream()
    stream.add(vnetmig.new_net())
    stream.add(document(committed(PAIRS)).device("timer"))
    stranger = _with_subsections(stream, strange)
    for section in stranger.sections:
        assert section.record is not None or section.idstr == "timer"
    assert stranger.encode()


def _with_subsections(stream: Stream, value: object) -> Stream:
    """``stream`` whose timer is described with ``value`` for its subsections."""
    made = Stream()
    for event in stream.events:
        if isinstance(event, VmDescription):
            devices = [
                JsonObject([*d.pairs, ("subsections", value)]) if d["name"] == "timer" else d
                for d in event.description.root["devices"]
            ]
            pairs = [(k, devices if k == "devices" else v) for k, v in event.description.root.pairs]
            event = VmDescription(Description.of(JsonObject(pairs)), event.offset, event.size)
        made.append(event)
    return made


def test_devices_as_people_name_them() -> None:
    stream = document(committed(PAIRS))
    assert stream.named("cpu#3").instance_id == 3
    assert stream.named("virtio-net") is stream.device("virtio-net")
    for name in ("cpu", "cpu#9", "cpu#x", "#1", ""):
        with pytest.raises(FieldError):
            stream.named(name)


def test_an_entry_that_is_no_device_stays() -> None:
    stream = document(committed(PAIRS))
    description = stream.description
    assert description is not None
    strange = JsonObject([(k, [7, *v] if k == "devices" else v) for k, v in description.root.pairs])
    made = rewritten(Description.of(strange), {})
    assert made.root["devices"][0] == 7
