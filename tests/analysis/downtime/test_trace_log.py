from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traces import checkpoint, event
from vnetmig.analysis.downtime import trace_log
from vnetmig.analysis.downtime.side import NO_TIME, Role, Side
from vnetmig.analysis.downtime.trace_log import Log, read_log
from vnetmig.errors import StreamError
from vnetmig.migration import trace
from vnetmig.migration.trace import DESTINATION_CHECKPOINTS, SOURCE_CHECKPOINTS

UNIX, ISO = "18509@1795421112.547985:", "2026-11-23T08:06:43.827573Z "
LIBVIRT = "2026-11-23 08:06:43.827+0000: "
FRONTS = {"": None, UNIX: 1795421112547985, ISO: 1795421203827573, LIBVIRT: 1795421203827000}
IDSTRS = st.sampled_from(["cpu", "0000:00:04.0/virtio-net", "a device with spaces", "ram", "x" * 255])


def read(text: str | bytes) -> Log:
    return read_log(BytesIO(text if isinstance(text, bytes) else text.encode()))


def shown(side: Side) -> list[tuple[str, int]]:
    return [(entry.name, took) for entry, took in zip(side.entries, side.took, strict=True)]


SOURCE = (
    checkpoint("src-downtime-start")
    + checkpoint("src-vm-stopped")
    + event("save", "ram", 5000, kind="iterable")
    + checkpoint("src-iterable-saved")
    + event("save", "ram", 0)
    + event("save", "cpu", 80)
    + event("save", "cpu", 8, instance=1)
    + checkpoint("src-non-iterable-saved")
    + checkpoint("src-downtime-end")
)
DESTINATION = (
    event("load", "ram", 4000, kind="iterable")
    + event("load", "cpu", 20)
    + "".join(map(checkpoint, DESTINATION_CHECKPOINTS))
)


@pytest.mark.parametrize(("front", "when"), FRONTS.items())
def test_a_line_in_every_release_and_wrapping(front: str, when: int | None) -> None:
    (side,) = read(event("load", "0000:00:04.0/virtio-net", 1245, front=front)).sides
    assert shown(side) == [("0000:00:04.0/virtio-net", 1245)]
    assert list(side.when) == [NO_TIME if when is None else when]
    assert side.role is Role.DESTINATION


def test_a_source() -> None:
    (side,) = read(SOURCE).sides
    assert side.role is Role.SOURCE and side.complete
    assert shown(side) == [("ram", 5000), ("ram", 0), ("cpu", 80), ("cpu#1", 8)]
    assert tuple(side.checkpoints) == SOURCE_CHECKPOINTS
    assert [entry.is_ram for entry in side.entries] == [True, False, False, False]


def test_a_machine_in_the_middle_of_a_chain() -> None:
    log = read(DESTINATION + "other\n" + SOURCE)
    assert [side.role for side in log.sides] == [Role.DESTINATION, Role.SOURCE]
    assert [len(log.of(role)) for role in Role] == [1, 1]


def test_other_lines_between_and_a_mails_wrapping() -> None:
    wrapped = "vmstate_downtime_load type=non-iterable\n idstr=cpu\n instance_id=0\n downtime=7\n"
    log = read("vmstate_load ram, ram\n" * 3 + wrapped + "qemu-system-x86_64: warning: vmstate_downtime\n")
    assert shown(log.sides[0]) == [("cpu", 7)] and log.skipped == 0


def test_a_source_that_tried_twice() -> None:
    failed = SOURCE.partition("vmstate_downtime_checkpoint src-non-iterable")[0]
    log = read(failed + SOURCE)
    assert len(log.sides) == 2 and not log.sides[0].complete
    assert [shown(side)[0] for side in log.of(Role.SOURCE)] == [("ram", 5000)]


def test_two_migrations_without_checkpoints() -> None:
    line = event("load", "cpu", 1) + event("load", "cpu", 2, instance=1)
    assert [shown(side) for side in read(line * 2).sides] == [[("cpu", 1), ("cpu#1", 2)]] * 2


def test_the_end_that_older_releases_tell_twice_counts_once() -> None:
    late = checkpoint("src-downtime-end", "1@99.000000:")
    (side,) = read(SOURCE.replace("vmstate", "1@5.000000:vmstate") + late).sides
    assert side.at("src-downtime-end") == 5_000_000


def test_what_is_loaded_before_ram_ends_is_loaded_while_the_guest_runs() -> None:
    early = event("load", "0000:00:04.0/virtio-net-early", 900)
    (side,) = read(early + DESTINATION).sides
    assert side.early == 1
    assert [(entry.name, took) for entry, took in side.stopped()] == [("ram", 4000), ("cpu", 20)]
    assert read(event("load", "cpu", 20)).sides[0].early == 0  # half a log says nothing of that


@pytest.mark.parametrize(
    "line",
    [
        "vmstate_downtime_load type=non-iterable idstr=cpu instance_id=0 downtime=",
        "vmstate_downtime_load type=non-iterable idstr=cpu instance_id=0 downtime=12",  # the log ends: 12 or 1245?
        "vmstate_downtime_load type=non-iterable idstr=cpu instance_id=0 downtime=12345678901234567890\n",
        f"vmstate_downtime_load type=non-iterable idstr=cpu instance_id=0 downtime={'9' * 5000}\n",
        f"vmstate_downtime_load type=non-iterable idstr=cpu instance_id=0 downtime=-{10**14 + 1}\n",
        f"vmstate_downtime_checkpoint dst-{'x' * 61}\n",
        "vmstate_downtime_load type=non-iterable idstr=cpu instance_id=99999999999 downtime=1\n",
        f"vmstate_downtime_load type=non-iterable idstr={'x' * 5000} instance_id=0 downtime=1\n",
        "vmstate_downtime_loads x\n",
    ],
)
def test_half_a_line_and_numbers_without_end_are_skipped(line: str) -> None:
    log = read(DESTINATION + line)
    assert log.skipped == 1 and shown(log.sides[0]) == [("ram", 4000), ("cpu", 20)] and len(log.sides) == 1


def test_numbers_as_large_and_as_small_as_they_may_be() -> None:
    (side,) = read(event("load", "a", 10**14) + event("load", "b", -5) + event("load", "c", 0, instance=-1)).sides
    assert list(side.took) == [10**14, -5, 0]
    assert side.entries[2].instance_id == 0xFFFFFFFF


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_log, "NAMES_MAX", 3)
    with pytest.raises(StreamError, match="no trace log") as many:
        read("".join(event("load", f"d{k}", 1) for k in range(4)))
    assert many.value.expected == "at most 3 different sections"
    monkeypatch.setattr(trace_log, "EVENTS_MAX", 5)
    with pytest.raises(StreamError, match="no trace log") as events:
        read(checkpoint("x") * 3 + event("load", "cpu", 1) * 3)
    assert events.value.expected == "at most 5 downtime events"
    monkeypatch.setattr(trace_log, "SIDES_MAX", 2)
    with pytest.raises(StreamError) as sides:
        read(event("load", "cpu", 1) * 4)
    assert sides.value.expected == "at most 2 migrations"
    names = "".join(checkpoint(f"src-{k}") for k in range(4))
    monkeypatch.setattr(trace_log, "EVENTS_MAX", 10)
    monkeypatch.setattr(trace_log, "CHECKPOINTS_MAX", 2)
    assert list(read(names).sides[0].checkpoints) == ["src-0", "src-1"]


class Pieces(BytesIO):
    """A file that gives so many bytes at a time, and remembers how many were asked for at most."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self.size = size

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self.size)


@given(
    st.integers(1, 3000),
    st.lists(st.tuples(IDSTRS, st.integers(-9, 10**6)), max_size=40),
    st.sampled_from(list(FRONTS)),
)
def test_it_is_no_matter_how_a_log_is_cut_into_pieces(size: int, sections: list[tuple[str, int]], front: str) -> None:
    noise = "qemu_file_fclose \n" * 20
    text = "".join(noise + event("save", name, took, front=front) for name, took in sections).encode()
    assert read_log(Pieces(text, size)) == read_log(BytesIO(text))
    told = [took for side in read(text).sides for took in side.took]
    assert told == [took for _, took in sections]


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([*map(str.encode, [SOURCE, DESTINATION, UNIX])]))))
def test_any_bytes_are_a_log(pieces: list[bytes]) -> None:
    log = read(b"".join(pieces))
    for side in log.sides:
        assert len(side.entries) == len(side.took) == len(side.when) == len(set(side.entries))


@given(st.binary(max_size=300), st.integers(0, 2000))
def test_a_damaged_log(junk: bytes, place: int) -> None:
    text = (SOURCE + DESTINATION).encode()
    read(text[:place] + junk + text[place + len(junk) :])


def test_a_line_of_megabytes() -> None:
    log = read(b"x" * (3 << 20) + b" " + event("load", "cpu", 3).encode() + b"y" * (3 << 20))
    assert shown(log.sides[0]) == [("cpu", 3)]


def test_lines_that_vnetmig_writes_itself() -> None:
    lines = [
        trace.checkpoint("src-downtime-start"),
        trace.saved(trace.ITERABLE, "ram", 0, 5_000_000),
        trace.saved(trace.NON_ITERABLE, "cpu", 1, 9_999),
    ]
    assert shown(read("".join(f"{line}\n" for line in lines)).sides[0]) == [("ram", 5000), ("cpu#1", 9)]
