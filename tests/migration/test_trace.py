from __future__ import annotations

import pytest
from between import STREAMS, machine_of, migrated

from vnetmig.migration import trace
from vnetmig.migration.destination import Destination
from vnetmig.migration.modes import MODES
from vnetmig.migration.source import Source
from vnetmig.migration.timeline import Statistics

REAL = [
    "vmstate_downtime_checkpoint src-downtime-start",
    "vmstate_downtime_save type=iterable idstr=ram instance_id=0 downtime=12259",
    "vmstate_downtime_save type=non-iterable idstr=dma instance_id=1 downtime=18",
    "vmstate_downtime_save type=non-iterable idstr=0000:00:03.0/virtio-net instance_id=0 downtime=356",
    "vmstate_downtime_load type=non-iterable idstr=0000:00:03.0/virtio-net instance_id=0 downtime=673",
    "vmstate_downtime_checkpoint dst-precopy-bh-vm-started",
]
PREFIXES = ["", "18509@1795421112.547985:", "2026-11-23T08:02:45.343782Z "]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("line", REAL)
def test_a_real_line_is_read_and_written_again(line: str, prefix: str) -> None:
    assert [str(found) for found in trace.parse(prefix + line + "\n")] == [line]


def test_a_whole_log_with_other_lines_between() -> None:
    text = "\n".join(f"1@2.3:{line}\nsavevm_section_start ram, section_id 2" for line in REAL)
    assert [str(found) for found in trace.parse(text)] == REAL


def test_a_mail_wraps_lines() -> None:
    (found,) = trace.parse(
        "> vmstate_downtime_load type=non-iterable\n idstr=0000:00:03.0/virtio-net\n instance_id=0\n downtime=3594"
    )
    assert (found["idstr"], found["downtime"]) == ("0000:00:03.0/virtio-net", 3594)


def test_values() -> None:
    (found,) = trace.parse(REAL[3])
    assert [found[key] for key in ("type", "idstr", "instance_id", "downtime")] == [
        "non-iterable",
        "0000:00:03.0/virtio-net",
        0,
        356,
    ]


@pytest.mark.parametrize("cut", ["vmstate_downtime_load type=iterable idstr=ram", "vmstate_downtime_loads x", ""])
def test_half_a_line_is_none(cut: str) -> None:
    assert list(trace.parse(cut)) == []


def test_written_from_nanoseconds() -> None:
    assert str(trace.saved(trace.NON_ITERABLE, "timer", 0, 12_999)) == (
        "vmstate_downtime_save type=non-iterable idstr=timer instance_id=0 downtime=12"
    )


@pytest.mark.parametrize("mode", list(MODES))
def test_f22_both_sides_trace_every_device_in_microseconds(mode: str) -> None:
    """As vmstate_downtime_save and _load do, for every device, so that a total over all can be made."""
    machine = machine_of(STREAMS / "linux-multi-q72")
    ticks = iter(range(0, 1 << 60, 2_500_000))
    source = Source(machine, mode, clock=ticks.__next__)
    destination = migrated(source, Destination(clock=ticks.__next__))
    names = [(device.idstr, device.instance_id) for device in machine.devices]
    for side, lines in (("save", source.trace), ("load", destination.trace)):
        full = [line for line in lines if line.event == f"vmstate_downtime_{side}" and line["type"] == "non-iterable"]
        assert [(line["idstr"], line["instance_id"]) for line in full if line["downtime"]] == names
        again = list(trace.parse("\n".join(map(str, lines))))
        assert again == list(lines)
        assert {line["downtime"] for line in full if line["downtime"]} >= {2500}


@pytest.mark.parametrize("mode", list(MODES))
def test_f22_a_total_over_all_devices_of_several_runs(mode: str) -> None:
    """n, mean and variance of the sum over all devices of each run: what other devices pay is not hidden."""
    runs = []
    for _ in range(3):
        source = Source(machine_of(STREAMS / "linux-multi-q72"), mode)
        migrated(source)
        runs.append(source.timeline())
    for side in ("save_ns", "load_ns"):
        times = [[getattr(device, side) for device in run.stopped] for run in runs]
        totals = Statistics.of([sum(run) for run in times])
        assert totals.n == 3 and totals.variance is not None
        assert totals.mean == pytest.approx(sum(map(sum, times)) / 3)
        assert {len(run) for run in times} == {len(runs[0].stopped)} and len(runs[0].stopped) > 20
