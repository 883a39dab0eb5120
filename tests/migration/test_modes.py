"""The modes as tables: what each announces, sends early and puts in the place of a device."""

from __future__ import annotations

import pytest
from between import STREAMS, machine_of, sent_by
from splice import FULL, START, pieces
from two_states import NET, bare, net_of

from vnetmig.errors import MigrationError
from vnetmig.migration.capabilities import DELTA, EARLY, HANDOVER, PREHEAT, USED_QUEUES, VIRTIO_ITERATIVE
from vnetmig.migration.decoders import is_framed
from vnetmig.migration.modes import MODES, mode_named
from vnetmig.migration.options import DEFAULTS, RESENDS_MAX, Options
from vnetmig.migration.source import Source
from vnetmig.stream.framing import HANDOVER_MAGIC

#                    capabilities          staged          early         frame at the end
TABLE = {
    "stock": ((), (), (), None),
    "iterative": ((VIRTIO_ITERATIVE,), ("-iterative",), (), None),
    "iterative-delta": ((HANDOVER, DELTA), ("-delta",), (), "DELTA"),
    "early": ((HANDOVER, EARLY), (), ("-early",), "RESYNC"),
    "preheat-all": ((PREHEAT,), ("-preheat",), (), None),
}


def test_every_mode_is_in_the_table() -> None:
    assert list(TABLE) == list(MODES)
    assert all(MODES[name].name == name for name in MODES)


@pytest.mark.parametrize("mode", TABLE)
def test_what_a_mode_plans(mode: str) -> None:
    capabilities, staged, early, form = TABLE[mode]
    plan = MODES[mode].plan(bare("rfc-user-1q"), DEFAULTS, None)
    assert plan.capabilities == capabilities == MODES[mode].capabilities
    assert [enrolment.idstr for enrolment in plan.staged] == [NET + suffix for suffix in staged]
    assert [section.idstr for section in plan.early] == [NET + suffix for suffix in early]
    assert list(plan.finals) == ([(NET, 0)] if form else [])


@pytest.mark.parametrize("mode", TABLE)
def test_what_is_sent_early_is_announced(mode: str) -> None:
    capabilities, staged, early, form = TABLE[mode]
    source = Source(bare("rfc-user-1q"), mode)
    sent = sent_by(source)
    found = pieces(sent[: sent.find(HANDOVER_MAGIC)] if HANDOVER_MAGIC in sent else sent)
    configuration = found[1].head
    assert all(name.encode() in configuration for name in capabilities)
    assert [piece.idstr for piece in found if piece.kind == START] == [NET + suffix for suffix in staged]
    assert [piece.idstr for piece in found if piece.kind == FULL] == [*(NET + suffix for suffix in early), NET]
    final = source.plan.finals.get((NET, 0))
    assert (final.form if final is not None else None) == form


@pytest.mark.parametrize("mode", TABLE)
@pytest.mark.parametrize("used_queues", ["count", "bitmap"])
def test_f19_used_queues_in_every_mode(mode: str, used_queues: str) -> None:
    """Every virtio device is then in a frame; the compat switch is the capability."""
    machine = machine_of(STREAMS / "linux-multi-q72")
    plan = MODES[mode].plan(machine, Options(used_queues=used_queues), None)
    assert USED_QUEUES in plan.capabilities
    framed = {device.idstr for device in machine.devices if is_framed(plan.capabilities, device.idstr)}
    assert {idstr for idstr, _ in plan.finals} == framed
    assert len(framed) == 6


@pytest.mark.parametrize("mode", TABLE)
def test_options_are_announced(mode: str) -> None:
    plan = MODES[mode].plan(bare("rfc-user-1q"), Options(handover=True), None)
    assert set(plan.capabilities) == {HANDOVER, *TABLE[mode][0]}
    assert len(plan.capabilities) == len(set(plan.capabilities))


def test_a_mode_by_name() -> None:
    assert mode_named("early") is MODES["early"]
    assert mode_named(MODES["stock"]) is MODES["stock"]
    with pytest.raises(MigrationError, match="no mode 'warp'; there is: stock, iterative"):
        mode_named("warp")


@pytest.mark.parametrize(
    ("options", "words"), [({"used_queues": "list"}, "used_queues 'list'"), ({"bandwidth": 0}, "never ends")]
)
def test_options_that_make_no_sense(options: dict[str, object], words: str) -> None:
    with pytest.raises(MigrationError, match=words):
        Options(**options)  # type: ignore[arg-type]


def test_limits_of_a_migration() -> None:
    assert DEFAULTS.resends == RESENDS_MAX and (DEFAULTS.threshold, DEFAULTS.window) == (0, None)
    limited = Options(bandwidth=1_000_000, downtime_limit=50)
    assert (limited.threshold, limited.window) == (50_000, 100_000)
    assert Options(bandwidth=1).window == 1


def test_frames_are_announced_and_not_guessed() -> None:
    """A guest could write bytes that look like a frame."""
    assert not is_framed((), NET)
    assert is_framed((DELTA,), NET) and is_framed((EARLY,), NET) and is_framed((USED_QUEUES,), NET)
    assert not is_framed((DELTA, EARLY), "0000:00:03.0/virtio-blk")
    assert is_framed((USED_QUEUES,), "0000:00:03.0/virtio-blk") and not is_framed((USED_QUEUES,), "timer")
    assert net_of(bare("rfc-user-1q")).idstr == NET
