"""What a device that migrates in stages gives: QEMU's SaveVMHandlers, and the files its hooks write and read.

Knows the hooks, their order and what they return; knows no device and no section framing.

Theory of operation (qemu: include/migration/register.h): on the source, ``save_setup`` writes the START section while
the guest runs, ``save_live_iterate`` one PART per round, ``save_complete`` the END with the guest stopped; then
``save_cleanup``, also after a failure. On the destination ``load_setup`` comes before everything, ``load_state`` once
per section of any kind, ``load_cleanup`` at the very end.

Hooks return QEMU's numbers: ``save_live_iterate`` 1 when it has nothing left, 0 when it has more; all others 0 when
fine; any negative number is an error. They may raise a VnetmigError instead, which says more.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from vnetmig.errors import EncodeError, StreamError
from vnetmig.stream.payload import Decoder, Payload, SectionHeader

FINISHED, MORE = 1, 0
"""What ``save_live_iterate`` returns."""


class SaveFile:
    """Where a save hook writes its payload; big-endian, as everything on the wire.

    ``room``: bytes that a round of iteration still has, None without a limit. A hook that writes more ends the round
    before other devices had their turn.
    """

    __slots__ = ("_parts", "room")

    def __init__(self, room: int | None = None) -> None:
        self._parts: list[bytes] = []
        self.room = room

    def put_buffer(self, data: bytes | bytearray | memoryview) -> None:
        self._parts.append(bytes(data))

    def put_byte(self, value: int) -> None:
        self._put(value, 1)

    def put_be16(self, value: int) -> None:
        self._put(value, 2)

    def put_be32(self, value: int) -> None:
        self._put(value, 4)

    def put_be64(self, value: int) -> None:
        self._put(value, 8)

    def _put(self, value: int, size: int) -> None:
        try:
            self._parts.append(value.to_bytes(size, "big"))
        except OverflowError:
            raise EncodeError(f"{value} does not fit {size} bytes") from None

    def contents(self) -> bytes:
        """All that was written."""
        return b"".join(self._parts)


class LoadFile:
    """What a load hook reads: one payload, complete. ``payload`` is it as its decoder understood it.

    QEMU's file gives zeros behind its end; this one raises, so that a hook cannot take them for data.
    """

    __slots__ = ("_data", "_position", "idstr", "payload")

    def __init__(self, payload: Payload, idstr: str = "") -> None:
        self.payload = payload
        self.idstr = idstr
        self._data: bytes | None = None
        self._position = 0

    def get_buffer(self, size: int) -> bytes:
        data = self._bytes()
        if not 0 <= size <= len(data) - self._position:
            raise StreamError(
                "load of migration failed: Input/output error",
                offset=self._position,
                section=self.idstr,
                expected=f"{size} bytes",
                got=f"{len(data) - self._position} bytes",
                code="truncated",
            )
        self._position += size
        return data[self._position - size : self._position]

    def get_byte(self) -> int:
        return self.get_buffer(1)[0]

    def get_be16(self) -> int:
        return int.from_bytes(self.get_buffer(2), "big")

    def get_be32(self) -> int:
        return int.from_bytes(self.get_buffer(4), "big")

    def get_be64(self) -> int:
        return int.from_bytes(self.get_buffer(8), "big")

    @property
    def left(self) -> int:
        """Bytes that were not read yet."""
        return len(self._bytes()) - self._position

    def _bytes(self) -> bytes:
        if self._data is None:
            self._data = self.payload.encode()
        return self._data


class SaveVMHandlers(Protocol):
    """The hooks of one kind of device. ``opaque`` is what was given when they were registered."""

    def is_active(self, opaque: Any) -> bool:
        """Does this device take part? False: no section of it is written, and none is expected."""

    def save_setup(self, file: SaveFile, opaque: Any) -> int: ...

    def save_live_iterate(self, file: SaveFile, opaque: Any) -> int: ...

    def save_complete(self, file: SaveFile, opaque: Any) -> int: ...

    def save_cleanup(self, opaque: Any) -> None: ...

    def load_setup(self, opaque: Any) -> int: ...

    def load_state(self, file: LoadFile, opaque: Any, version_id: int) -> int: ...

    def load_cleanup(self, opaque: Any) -> int: ...

    def state_pending_estimate(self, opaque: Any) -> int:
        """Bytes still to send, cheaply."""

    def state_pending_exact(self, opaque: Any) -> int:
        """Bytes still to send, asked only when the estimate says that the end is near."""

    def switchover_ack_needed(self, opaque: Any) -> bool:
        """Must the source wait for this device before it stops the guest?"""


@runtime_checkable
class HasDecoder(Protocol):
    """Handlers that know where their payload ends. Without this the section's footer decides."""

    def decoder(self, header: SectionHeader) -> Decoder | None: ...


class QuietHandlers:
    """Handlers whose every hook is what QEMU does for a missing one: a start for one's own."""

    __slots__ = ()

    def is_active(self, opaque: Any) -> bool:
        return True

    def save_setup(self, file: SaveFile, opaque: Any) -> int:
        return 0

    def save_live_iterate(self, file: SaveFile, opaque: Any) -> int:
        return FINISHED

    def save_complete(self, file: SaveFile, opaque: Any) -> int:
        return 0

    def save_cleanup(self, opaque: Any) -> None:
        return None

    def load_setup(self, opaque: Any) -> int:
        return 0

    def load_state(self, file: LoadFile, opaque: Any, version_id: int) -> int:
        return 0

    def load_cleanup(self, opaque: Any) -> int:
        return 0

    def state_pending_estimate(self, opaque: Any) -> int:
        return 0

    def state_pending_exact(self, opaque: Any) -> int:
        return self.state_pending_estimate(opaque)

    def switchover_ack_needed(self, opaque: Any) -> bool:
        return False
