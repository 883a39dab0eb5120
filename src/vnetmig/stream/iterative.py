"""The flag-framed payloads of an iteratively migrated device, as the RFC's QEMU writes and loads them.

Source: "[RFC 0/6] virtio-net: initial iterative live migration support", patches 3 and 4 (2025-07-22): markers are
64-bit flags; START holds INIT_STATE, the whole device state, END_DATA; PART and END hold NO_DATA. Knows flags and the
load loop; knows no device: the state in between is the resolver's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vnetmig.errors import StreamError
from vnetmig.stream.device_state import DeviceState, Resolver
from vnetmig.stream.payload import Decoded, Ends

IDSTR_SUFFIX: Final = "-iterative"
"""What the handler's idstr adds to the device's own."""

SECTION_VERSION: Final = 1

#                                 flag                 meaning
INIT_STATE: Final = 0xFFFFFFFFEF200000  #: VNET_MIG_F_INIT_STATE: the device state follows
END_DATA: Final = 0xFFFFFFFFEF200001  #: VNET_MIG_F_END_DATA: nothing more in this section
NO_DATA: Final = 0xFFFFFFFFEF200002  #: VNET_MIG_F_NO_DATA: nothing at all in this section

FLAG_NAMES: Final = {INIT_STATE: "INIT_STATE", END_DATA: "END_DATA", NO_DATA: "NO_DATA"}
FLAG_BYTES: Final = 8

STATES_MAX = 64
"""INIT_STATE parts of one section; the RFC sends one."""


@dataclass(frozen=True, slots=True)
class IterativeData:
    """One payload: the states between INIT_STATE flags, closed by END_DATA; no states and ``closing`` NO_DATA
    when there was nothing to send."""

    states: tuple[DeviceState, ...] = ()
    closing: int = NO_DATA

    def encode(self) -> bytes:
        parts = [INIT_STATE.to_bytes(FLAG_BYTES, "big") + state.encode() for state in self.states]
        return b"".join(parts) + self.closing.to_bytes(FLAG_BYTES, "big")


class IterativeDecoder:
    """The RFC's load loop (virtio_net_load_state): NO_DATA alone, or (INIT_STATE state)* END_DATA."""

    def __init__(self, resolver: Resolver, engine: str | None = None) -> None:
        self.wanted = FLAG_BYTES
        self._resolver = resolver
        self._engine = engine

    def decode(self, data: memoryview, ends: Ends, *, kind: int, offset: int, final: bool) -> Decoded | None:
        states: list[DeviceState] = []
        position = 0
        while True:
            flag = self._flag(data, position, final)
            if flag is None:
                return None
            if flag == END_DATA or (flag == NO_DATA and not states):
                return Decoded(position + FLAG_BYTES, IterativeData(tuple(states), flag))
            if flag != INIT_STATE or len(states) >= STATES_MAX:
                raise self._refuse(position, flag)
            position += FLAG_BYTES
            found = self._state(data[position:], position, final)
            if isinstance(found, int):
                self.wanted = position + found
                return None
            states.append(found[0])
            position += found[1]

    def _flag(self, data: memoryview, position: int, final: bool) -> int | None:
        if len(data) - position >= FLAG_BYTES:
            return int.from_bytes(data[position : position + FLAG_BYTES], "big")
        if not final:
            self.wanted = position + FLAG_BYTES
            return None
        raise StreamError(
            "virtio_net_load_state: the section ends without END_DATA",
            offset=position,
            field="flag",
            expected=f"{FLAG_BYTES} bytes",
            got=f"{len(data) - position} bytes",
            code="truncated",
        )

    def _state(self, data: memoryview, position: int, final: bool) -> tuple[DeviceState, int] | int:
        def ends(size: int) -> bool | None:
            if len(data) - size < FLAG_BYTES:
                return None if not final else False
            return int.from_bytes(data[size : size + FLAG_BYTES], "big") in (INIT_STATE, END_DATA)

        try:
            found = self._resolver(data, ends, final=final, engine=self._engine)
        except StreamError as error:
            raise error.at(position) from None
        if isinstance(found, int):
            return found
        return DeviceState(found.record, found.assumed, found.ties), found.size

    def _refuse(self, position: int, flag: int) -> StreamError:
        known = " or ".join(f"{name} ({value:#x})" for value, name in FLAG_NAMES.items())
        return StreamError(
            f"virtio_net_load_state: Uknown flag {flag:#x}",  # sic: QEMU's own spelling
            offset=position,
            field="flag",
            expected=known,
            got=f"{FLAG_NAMES.get(flag, 'flag')} {flag:#x}",
            code="flag",
        )
