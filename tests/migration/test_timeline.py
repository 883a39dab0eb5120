from __future__ import annotations

from between import STREAMS, machine_of, migrated

from vnetmig.migration.source import Source
from vnetmig.migration.timeline import Statistics


def test_sample_statistics() -> None:
    """The thread's virtio-net row: its mean, variance (n - 1) and sigma."""
    found = Statistics.of([18.52, 17.77, 17.52, 15.52, 17.32])
    assert (round(found.mean, 2), round(found.variance or 0, 4), round(found.sigma or 0, 3)) == (17.33, 1.2305, 1.109)
    assert (found.n, found.median, found.minimum, found.maximum) == (5, 17.52, 15.52, 18.52)


def test_one_sample_has_no_variance() -> None:
    assert Statistics.of([3]) == Statistics(1, 3, None, None, 3, 3, 3)


def test_of_a_migration() -> None:
    source = Source(machine_of(STREAMS / "rfc-user-1q"), "iterative")
    migrated(source)
    timeline = source.timeline()
    assert (timeline.mode, timeline.engine) == ("iterative", source.result.engine)
    assert [device.idstr for device in timeline.early] == ["0000:00:02.0/virtio-net-iterative"]
    assert all(device.load_ns > 0 for device in timeline.devices)
    assert timeline.stopped[0].idstr == "0000:00:02.0/virtio-net-iterative"  # END
    assert timeline.stopped[0].size == 18
    assert {"timer", "0000:00:02.0/virtio-net"} <= {device.idstr for device in timeline.stopped}
    assert [phase.name for phase in timeline.phases] == [
        "header",
        "setup",
        "iterate",
        "flush",
        "switchover ack",
        "switchover",
        "complete, iterable",
        "complete",
        "confirm",
    ]
    assert timeline.downtime_ns is not None and timeline.downtime_ns > 0
    assert "not of QEMU" in timeline.note
    when = [at for _, at in timeline.checkpoints]
    assert when == sorted(when)
