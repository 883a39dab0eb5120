"""What the ring checks say about a loaded device, as text for the result.

Knows which verdicts end a load (qemu: hw/virtio/virtio.c:virtio_load) and when the checks cannot run.
"""

from __future__ import annotations

from vnetmig.engine.rings import Verdict
from vnetmig.errors import StreamError
from vnetmig.stream.guest_memory import GuestMemory
from vnetmig.virtio.rings import RingState, check_rings
from vnetmig.vmstate.record import Record


def ring_verdict(
    record: Record, memory: GuestMemory | None, idstr: str, *, engine: str | None = None, strict: bool = False
) -> tuple[tuple[str, ...] | None, tuple[RingState, ...]]:
    """(one text per queue that is not as it should be, the state of every queue). The texts are None and there are no
    states when nothing was checked, since the rings are not known.

    A queue that marks its device broken is only reported, as QEMU completes such a migration; with ``strict`` it ends
    it. StreamError where QEMU refuses.
    """
    if memory is None:
        return None, ()
    states = check_rings(record, memory, engine)
    unknown = [state for state in states if state.verdict == Verdict.NOT_CHECKED]
    if states and len(unknown) == len(states):
        return None, ()
    for state in states:
        if state.fails or (strict and state.breaks):
            message = state.message or "inconsistent rings"
            raise StreamError(message, section=idstr, field=f"vq[{state.index}]", code="ring")
    texts = [state.message for state in states if state.message is not None]
    texts += [f"VQ {state.index}: not checked, the stream brought no page of its rings" for state in unknown]
    return tuple(texts), states
