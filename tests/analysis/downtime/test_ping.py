from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ping_output import HEAD, LOST, reply

from traces import checkpoint, event
from vnetmig.analysis.downtime import ping
from vnetmig.analysis.downtime.downtime import downtime
from vnetmig.analysis.downtime.ping import Ping, read_ping
from vnetmig.errors import StreamError

TRACES = Path(__file__).resolve().parents[2] / "traces"


def read(text: str) -> Ping:
    return read_ping(BytesIO(text.encode()))


def test_a_real_ping_through_an_interface_that_was_down() -> None:
    """When it was taken down and put up again is known from the clock of the same host."""
    down, up = 1_795_720_425_055_401, 1_795_720_425_767_455
    with (TRACES / "ping-lo.txt").open("rb") as file:
        found = read_ping(file)
    (outage,) = found.outages
    assert (found.replies, outage.lost) == (48, 12)
    assert down - outage.resolution < outage.last < down and abs(outage.next - up) < outage.resolution


def test_requests_that_were_lost() -> None:
    found = read(LOST)
    assert (found.replies, found.interval) == (8, 100_000)
    (outage,) = found.outages
    assert (outage.last, outage.next, outage.lost, outage.length) == (100_500_000, 100_900_000, 3, 400_000)


def test_requests_that_were_answered_late_are_not_lost() -> None:
    late = "".join(reply(100.6 + k / 1e5, k, 600 - 100 * k) for k in range(2, 6))
    found = read(reply(100.1, 1) + late + reply(100.7, 6) + reply(100.8, 7))
    assert [(outage.lost, outage.length // 1000) for outage in found.outages] == [(0, 500)]


def test_the_number_wraps_at_16_bits() -> None:
    found = read("".join(reply(k / 10, k) for k in range(65500, 65600)))
    assert found.replies == 100 and found.outages == () and found.interval == 100_000


def test_a_duplicate_is_one_reply() -> None:
    text = reply(1, 1) + reply(1.0001, 1).replace("ms\n", "ms (DUP!)\n") + reply(1.1, 2)
    assert read(text).replies == 2


@pytest.mark.parametrize("text", ["", HEAD, "64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.5 ms\n"])
def test_without_times_it_is_of_no_use(text: str) -> None:
    with pytest.raises(StreamError, match="no output of ping -D") as error:
        read(text)
    assert error.value.hint is not None and "-D" in error.value.hint


@given(
    st.lists(
        st.one_of(st.binary(max_size=30), st.builds(reply, st.floats(0, 1e9), st.integers(0, 70000)).map(str.encode))
    )
)
def test_any_bytes(pieces: list[bytes]) -> None:
    try:
        found = read_ping(BytesIO(b"".join(pieces)))
    except StreamError:
        return
    assert all(outage.length > 0 and outage.lost >= 0 for outage in found.outages)


def test_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ping, "REPLIES_MAX", 2)
    with pytest.raises(StreamError, match="no output"):
        read(LOST)


def test_blackout_and_outage_on_one_time_line() -> None:
    """The guest stands still for 50 ms; the network finds it again 200 ms later."""
    source = checkpoint("src-vm-stopped", "1@100.600000:") + event("save", "cpu", 9, front="1@100.610000:")
    source += checkpoint("src-non-iterable-saved", "1@100.620000:")
    loaded = event("load", "cpu", 9, front="2@100.640000:") + checkpoint(
        "dst-precopy-loadvm-completed", "2@100.645000:"
    )
    loaded += checkpoint("dst-precopy-bh-vm-started", "2@100.650000:")
    (dark,) = downtime(source.encode(), loaded.encode(), ping=LOST.encode()).dark
    assert (dark.blackout, dark.afterwards) == (50_000, 250_000)
    assert dark.outage is not None and dark.outage.lost == 3
    elsewhere = "".join(reply(500 + k / 10, k) for k in range(9))
    assert downtime(source.encode(), loaded.encode(), ping=elsewhere.encode()).dark == ()


def test_hosts_whose_clocks_differ() -> None:
    """By its clock the destination started the guest before the source stopped it."""
    source = checkpoint("src-vm-stopped", "1@100.600000:") + event("save", "cpu", 9, front="1@100.610000:")
    source += checkpoint("src-iterable-saved", "1@100.605000:") + checkpoint("src-non-iterable-saved", "1@100.620000:")
    loaded = event("load", "cpu", 9, front="2@99.640000:") + checkpoint("dst-precopy-loadvm-completed", "2@99.645000:")
    loaded += checkpoint("dst-precopy-bh-vm-started", "2@99.650000:")
    found = downtime(source.encode(), loaded.encode(), ping=LOST.encode())
    assert found.dark == () and not [each for each in found.quantities if each.kind == "clock"]
    assert found.notes[0].startswith("1 migrations end before they begin")
    assert [list(each.samples["all"].values) for each in found.quantities if each.kind == "device"] == [[9], [9]]
