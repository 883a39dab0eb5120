"""The rules of one virtio device's section, in the order in which a destination comes to them.

Knows which rules there are and when QEMU gets to each; what they say is in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from vnetmig.analysis.check import (
    after_rules,
    console_rules,
    core_rules,
    net_rules,
    pci_rules,
    ring_rules,
    stream_rules,
)
from vnetmig.analysis.check.arriving import Arriving
from vnetmig.analysis.check.replay import Replay, replay
from vnetmig.analysis.check.trouble import Frame, Level, Trouble
from vnetmig.analysis.finding import Severity
from vnetmig.analysis.profile.profile import DeviceProfile
from vnetmig.analysis.release import Release
from vnetmig.document.section import Section
from vnetmig.virtio.pci_config import CONFIG_SIZE
from vnetmig.virtio.rings import Memory
from vnetmig.virtio.section import HEAD_BYTES, candidates
from vnetmig.vmstate import Record

CONFIG_LENGTH = 60
"""Config bytes of any virtio device, where nothing says how many this one has."""

COMPARED_FIRST = frozenset({"pci-config", "max-queue-pairs"})
"""What is compared before anybody asks whether the stream ended in it: zeros are, then."""

Rule = Callable[[Arriving], Iterator[Trouble]]

#   in load order, by where the values of each stand on the wire
WHILE_READING: tuple[Rule, ...] = (
    pci_rules.version,
    pci_rules.config,
    pci_rules.irq_state,
    pci_rules.config_vector,
    core_rules.queue_sel,
    core_rules.config_length,
    net_rules.queues_made,
    core_rules.queues,
    core_rules.newer_subsections,
)

NET_WHILE_READING: tuple[Rule, ...] = (
    net_rules.mac_table,
    net_rules.vnet_header,
    net_rules.ufo,
    net_rules.max_queue_pairs,
    net_rules.queue_pairs,
    net_rules.rss_table,
)

CONSOLE_WHILE_READING: tuple[Rule, ...] = (console_rules.ports,)

#   once everything has been read
WHEN_READ: tuple[Rule, ...] = (core_rules.features_offered, core_rules.lost_features)
NET_WHEN_READ: tuple[Rule, ...] = (net_rules.queue_count, net_rules.queues_beyond, net_rules.vlans)
AT_THE_END: tuple[Rule, ...] = (ring_rules.rings,)
NET_AFTERWARDS: tuple[Rule, ...] = (net_rules.announce, after_rules.reboot)


def device_troubles(
    section: Section,
    there: DeviceProfile,
    release: Release,
    kind: str,
    memory: Memory | None,
    rest: Callable[[], bytes],
    broken: Record | None,
    *,
    is_read: bool,
    came_from: DeviceProfile | None = None,
    engine: str | None = None,
) -> Iterator[Trouble]:
    """What a destination says to ``section``, all of it, in order.

    ``rest``: the stream's bytes from the section's payload on. ``is_read``: the section was read without a fault.
    ``broken``: what was read of it, when it was not.
    """
    base = section.record_offset
    record = section.record if is_read else broken
    params = _params(section, record, rest, there)
    found: Replay | None = None
    if record is None or not is_read or record.program.params != params:
        length = CONFIG_LENGTH if there.config_len is None else there.config_len
        found = replay(kind, section.version_id, params, rest(), release, length, engine)
        record = found.record
    state = Arriving(
        release,
        section.idstr,
        kind,
        section.instance_id,
        there,
        record,
        base,
        memory,
        came_from,
        engine,
        {} if found is None else found.claimed,
    )
    yield from _in_order(state, found, kind)
    if found is not None and found.fault is None and found.afterwards is None:
        data = rest()
        missing = stream_rules.footer(
            data[found.end : found.end + 5], section.idstr, section.section_id, base + found.end
        )
        if missing is not None:
            yield missing


def _params(section: Section, record: Record | None, rest: Callable[[], bytes], there: DeviceProfile) -> dict[str, int]:
    """The shape that the destination's own device gives to its section; where it is not known, the stream's."""
    if record is not None:
        params = dict(record.program.params)
    else:
        params = dict(candidates(section.idstr, section.version_id, rest()[:HEAD_BYTES])[0].program.params)
    if params["mmio"] and not section.idstr.startswith("virtio-mmio@"):
        params |= {"mmio": 0, "config_size": CONFIG_SIZE}  # the bytes were not those of a PCI device, but it is one
    if not params["mmio"]:
        params["vectors"] = params["vectors"] if there.vectors is None else there.vectors
        params["config_size"] = params["config_size"] if there.config_size is None else there.config_size
    if there.queue_pairs is not None and "multiqueue" in params:
        params["multiqueue"] = int(there.queue_pairs > 1)
    return params


def _in_order(state: Arriving, found: Replay | None, kind: str) -> Iterator[Trouble]:
    is_net = kind == "virtio-net"
    refused = False
    fault_at = None if found is None or found.fault is None else state.base + found.fault_at
    fault_in = None if found is None or found.fault is None else found.fault.field
    own = NET_WHILE_READING if is_net else CONSOLE_WHILE_READING if kind == "virtio-console" else ()
    rules = (*WHILE_READING, *own)
    placed = [_placed(trouble, state) for rule in rules for trouble in rule(state)]
    for trouble in sorted(placed, key=lambda one: one.offset or 0):
        is_compared = trouble.rule in COMPARED_FIRST and trouble.field == fault_in
        if fault_at is None or trouble.offset is None or trouble.offset < fault_at or is_compared:
            refused = refused or trouble.severity >= Severity.REFUSED
            yield trouble
    if found is not None and found.fault is not None:
        if not refused:  # otherwise QEMU never gets there, and what stands there may be read wrongly
            yield replace(_wrapped(found.fault, state), offset=fault_at)
        return
    later = (*WHEN_READ, *(NET_WHEN_READ if is_net else ()), *AT_THE_END, *(NET_AFTERWARDS if is_net else ()))
    for rule in later:
        for trouble in rule(state):
            refused = refused or trouble.severity >= Severity.REFUSED
            yield _placed(trouble, state)
    if found is not None and found.afterwards is not None and not refused:
        yield _wrapped(found.afterwards, state)


def _placed(trouble: Trouble, state: Arriving) -> Trouble:
    offset = trouble.offset
    if offset is None and trouble.field is not None:
        offset = _offset(state, trouble.field)
    return replace(_wrapped(trouble, state), offset=offset)


def _wrapped(trouble: Trouble, state: Arriving) -> Trouble:
    """With the frame of the section's one field around it."""
    if trouble.level != Level.DEVICE:
        return trouble
    return replace(trouble, frames=(*trouble.frames, Frame(state.kind, "virtio", "virtio")))


def _offset(state: Arriving, path: str) -> int | None:
    """Where ``path``, or the first field in it, stands in the stream."""
    begin = state.record.begin_of(path)
    if begin is not None:
        return state.base + begin
    for spot in state.record.walk():
        if path.startswith(spot.path) or spot.path.startswith(path):
            index = path[len(spot.path) :]
            if not index or index[0] in ".[" or len(path) < len(spot.path):
                return state.base + spot.wire
    return None
