"""The sections that a destination has loaded: what is known of each, the late load by vmdescription, the second save.

Knows records and descriptions; knows no stream and no order. Every time is that of one load or one save.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vnetmig.errors import StreamError
from vnetmig.migration.decoders import EARLY_SUFFIX
from vnetmig.migration.described import VmdescPrograms
from vnetmig.migration.device import DescribedBy, Device
from vnetmig.migration.result import SectionResult
from vnetmig.stream.iterative import FLAG_BYTES, IDSTR_SUFFIX
from vnetmig.stream.payload import SectionHeader
from vnetmig.stream.vmdescription import Description
from vnetmig.virtio.net import VM_VERSION
from vnetmig.virtio.section import HEAD_BYTES, candidates, device_of

Clock = Callable[[], int]


@dataclass(slots=True)
class LoadedSection:
    """``device`` for FULL sections, else ``payload`` and who explains it (``described_by``): RAM's have neither.
    ``rings`` as in SectionResult."""

    header: SectionHeader
    load_ns: int
    device: Device | None = None
    payload: bytes | None = None
    rings: tuple[str, ...] | None = None
    early: bool = False
    described_by: DescribedBy = DescribedBy.NOTHING

    def saved(self, engine: str | None, clock: Clock) -> SectionResult:
        """What this side would send of it now."""
        header, device = self.header, self.device
        names = header.idstr, header.instance_id, header.section_id, header.version_id
        if device is None:
            return SectionResult(
                *names, self.described_by.value, self.load_ns, 0, self.early, None, self.payload or b""
            )
        start = clock()
        data = device.save(engine=engine)
        spent = clock() - start
        return SectionResult(*names, device.described_by.value, self.load_ns, spent, self.early, self.rings, data)


def load_rest(sections: Sequence[LoadedSection], description: Description, engine: str | None, clock: Clock) -> None:
    """Load, now that the stream's own description is there, what nothing else described."""
    full = [section for section in sections if section.device is not None]
    programs = VmdescPrograms.of(description)
    found = programs.find([(s.header.idstr, s.header.instance_id) for s in full])
    for section, described in zip(full, found, strict=True):
        device = section.device
        if described is None or device is None or not isinstance(device.state, bytes):
            continue
        data = device.state
        try:
            program = programs.program(described, len(data))
        except StreamError:
            continue  # the description is wrong about this device: its bytes stay bytes
        start = clock()
        run = program.load(data, engine=engine)
        section.load_ns += clock() - start
        if run.error is None and run.size == len(data):
            device.state, device.described_by = run.record, DescribedBy.VMDESC


def preparation(header: SectionHeader) -> Callable[[memoryview], object] | None:
    """Compiles the programs that may read a section. QEMU's are compiled before it starts, so this is no load time:
    counted, it would fall on the first state of a device and make every second one look fast."""
    idstr = header.idstr.removesuffix(IDSTR_SUFFIX)
    early = idstr != header.idstr
    idstr = idstr.removesuffix(EARLY_SUFFIX)
    if device_of(idstr) is None:
        return None
    version, skipped = (VM_VERSION, FLAG_BYTES) if early else (header.version_id, 0)

    def prepare(data: memoryview) -> None:
        if len(data) >= skipped + HEAD_BYTES:
            candidates(idstr, version, bytes(data[skipped : skipped + HEAD_BYTES]))

    return prepare
