"""Rings of real devices: what QEMU said about each queue, in flight elements, refusals."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from real_rings import PAGE, Pages, corrupted, pages_of, records, stream_of, told

from vnetmig.engine.rings import Verdict
from vnetmig.virtio.rings import QueueState, check_rings, queues

TRUTH = {
    "vring-num": lambda s: s.queue.num,
    "vring-num-default": lambda s: s.queue.num_default or s.queue.num,
    "vring-desc": lambda s: s.queue.desc,
    "vring-avail": lambda s: s.avail,
    "vring-used": lambda s: s.used,
    "last-avail-idx": lambda s: s.queue.last_avail_idx,
    "used-idx": lambda s: s.used_idx,
    "inuse": lambda s: s.inuse,
}
IN_MEMORY = ("used-idx", "inuse")


def test_queues_are_what_qemu_says(capture: Path, engine: str) -> None:
    memory, found = pages_of(capture), records(stream_of(capture))
    for idstr, answers in told(capture, found):
        states = check_rings(found[idstr], memory, engine)
        for answer in answers:
            index = answer["queue-index"]
            if index >= len(states):
                assert answer["vring-num"] == 0, "only queues without entries are left out of a stream"
                continue
            state = states[index]
            said = {key: answer[key] for key in TRUTH if memory is not None or key not in IN_MEMORY}
            assert {key: TRUTH[key](state) for key in said} == said, f"{idstr} queue {index}"
            if memory is not None:
                assert state.verdict in (Verdict.OK, Verdict.NO_RINGS)
                assert state.message is None
                # a cache that is not in the stream: QEMU's own is older than memory while the guest adds buffers
                assert state.queue.packed or state.shadow_avail_idx == (state.avail_idx or 0)


IN_FLIGHT = sorted((Path(__file__).parents[1] / "streams").glob("inflight-*"))


@pytest.mark.parametrize("folder", IN_FLIGHT, ids=lambda path: path.name)
def test_heads_in_flight_are_the_elements_the_stream_carries(folder: Path, engine: str) -> None:
    memory, found = pages_of(folder), records(stream_of(folder))
    compared = 0
    for record in found.values():
        if record.program.vmsd.name != "virtio-blk":
            continue
        carried: dict[int, list[int]] = {}
        for i in range(record.count("requests")):
            queue = record.get(f"requests[{i}].queue", 0)
            carried.setdefault(queue, []).append(record[f"requests[{i}].elem.index"])
        for state in check_rings(record, memory, engine):
            if state.index in carried:
                assert sorted(state.heads or ()) == sorted(carried[state.index])
                assert state.inuse == len(carried[state.index])
                compared += state.inuse
    assert compared or "vport" in folder.name


BAD = ("05-last-avail-ahead", "11-queue-size-100")
RELEASES = ("q52", "q72", "q100", "q111")


def receive_ring(queue: QueueState, kept: Pages) -> Pages:
    """The pages kept with these cases are of another boot of the same guest, and lie elsewhere. The receive ring's is
    the one with descriptors in front, no flags, and buffers that wait."""

    def fits(gpa: int) -> bool:
        flags, avail, used_flags, used = (
            int.from_bytes(kept.pages[gpa][at % PAGE :][:2], "little")
            for at in (queue.avail, queue.avail + 2, queue.used, queue.used + 2)
        )
        in_front = range(gpa - (queue.avail - queue.desc), gpa, PAGE)
        return flags == used_flags == 0 and avail != used and all(page in kept.pages for page in in_front)

    (found,) = filter(fits, kept.pages)
    return Pages({queue.avail & -PAGE: kept.pages[found]})


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("case", BAD)
def test_what_a_real_qemu_said(case: str, release: str, engine: str) -> None:
    """An altered index, an altered size of queue 0, and what each release printed."""
    root = os.environ.get("VNETMIG_STREAMS")
    folder = Path(root or "", "bad", f"{case}-{release}")
    if not root or not folder.exists():
        pytest.skip("VNETMIG_STREAMS is not set")
    (record,) = [found for idstr, found in records(corrupted(folder)).items() if idstr.endswith("/virtio-net")]
    base = records(stream_of(folder.parent / f"00-good-{release}"))["0000:00:02.0/virtio-net"]
    memory = receive_ring(queues(base)[0], Pages.of(folder.parent / f"rings-1q-{release}.json.xz"))
    logs_only = release == "q52"
    state = check_rings(record, memory, engine, log_only=logs_only)[0]
    said = [line.split(": ", 1)[1] for line in (folder / "error.txt").read_text().splitlines() if ": VQ " in line]
    printed = state.message is not None and not (logs_only and state.breaks)
    assert ([state.message] if printed else []) == said
    assert state.fails == ("load of migration failed" in (folder / "error.txt").read_text())
