"""Streams with vnetmig's own frames, read as documents."""

from __future__ import annotations

import pytest
from between import STREAMS, machine_of, sent_by

import vnetmig
from vnetmig.errors import FieldError
from vnetmig.migration.options import Options
from vnetmig.migration.source import Source
from vnetmig.report.sections import content, described_by

NET = "0000:00:02.0/virtio-net"


def stream_of(mode: str, **options: object) -> bytes:
    """What a source sends before it has to wait: the stream, and the question behind it."""
    source = Source(machine_of(STREAMS / "rfc-user-1q"), mode, options=Options(**options))  # type: ignore[arg-type]
    return sent_by(source)


@pytest.mark.parametrize("mode", ["iterative-delta", "early", "preheat-all"])
@pytest.mark.parametrize("used", [None, "count", "bitmap"])
def test_every_byte_comes_back(mode: str, used: str | None) -> None:
    data = stream_of(mode, used_queues=used)
    assert vnetmig.load(data).encode() == data


def test_frames_are_named() -> None:
    stream = vnetmig.load(stream_of("iterative-delta"))
    told = {(s.idstr, s.type): (described_by(s), content(s).split(" ")[0]) for s in stream.sections}
    assert told[f"{NET}-delta", "start"] == ("virtio", "FULL_STATE")
    assert told[f"{NET}-delta", "end"] == ("frame", "NO_STATE")
    assert told[NET, "full"] == ("frame", "DELTA")


def test_a_whole_state_in_a_frame_is_a_device() -> None:
    data = stream_of("iterative-delta")
    stream = vnetmig.load(data)
    net = stream.device(f"{NET}-delta")
    assert net.mac == "52:54:00:12:34:56"
    field = net.fields()["mac"]
    assert data[field.offset : field.offset + field.size].hex() == "525400123456"
    net.mac = "52:54:00:aa:bb:cc"
    assert vnetmig.load(stream.encode()).device(f"{NET}-delta").mac == "52:54:00:aa:bb:cc"


def test_a_delta_alone_is_none() -> None:
    with pytest.raises(FieldError, match=f"nothing describes '{NET}'"):
        vnetmig.load(stream_of("iterative-delta")).device(NET)


def test_preheated_devices_that_only_the_vmdescription_knows_stay_frames() -> None:
    stream = vnetmig.load(stream_of("preheat-all"))
    (timer,) = [s for s in stream.sections if s.idstr == "timer-preheat"]
    assert (described_by(timer), timer.record) == ("frame", None)
    assert stream.device("timer").record is not None


def test_a_state_in_a_frame_that_cannot_be_read_is_a_finding() -> None:
    data = bytearray(stream_of("iterative-delta"))
    offset = vnetmig.load(bytes(data)).device(f"{NET}-delta").fields()["config_len"].offset
    data[offset : offset + 4] = b"\xff" * 4
    (broken,) = [s for s in vnetmig.load(bytes(data)).sections if s.idstr == f"{NET}-delta" and s.type == "start"]
    assert broken.state is None and broken.state is None
    assert broken.finding is not None and broken.finding.section == f"{NET}-delta"
