"""The RFC's hooks: sizes and flags on the wire, and what the load loop takes."""

from __future__ import annotations

import pytest
from between import STREAMS, machine_of

from vnetmig.errors import StreamError
from vnetmig.migration.device import Device
from vnetmig.migration.handlers import FINISHED, LoadFile, SaveFile, SaveVMHandlers
from vnetmig.migration.modes import MODES, Plan
from vnetmig.migration.net_handlers import NetHandlers, NetMigration
from vnetmig.migration.options import DEFAULTS
from vnetmig.stream.payload import Raw

INIT = bytes.fromhex("ffffffffef200000")
END = bytes.fromhex("ffffffffef200001")
NONE = bytes.fromhex("ffffffffef200002")
IDSTR = "0000:00:02.0/virtio-net"


def net() -> Device:
    machine = machine_of(STREAMS / "rfc-user-1q")
    return next(device for device in machine.devices if device.idstr == IDSTR)


def at_destination() -> NetMigration:
    opaque = NetMigration(Device(IDSTR, 0, 0, 40))
    assert NetHandlers().load_setup(opaque) == 0
    return opaque


def load(opaque: NetMigration, payload: bytes) -> int:
    return NetHandlers().load_state(LoadFile(Raw(payload), f"{IDSTR}-iterative"), opaque, 1)


def test_what_each_hook_writes() -> None:
    handlers: SaveVMHandlers = NetHandlers()
    opaque = NetMigration(net())
    files = [SaveFile(), SaveFile(), SaveFile()]
    assert handlers.save_setup(files[0], opaque) == 0
    assert opaque.migration is not None and opaque.migration.iterative_vmstate_sent
    assert handlers.save_live_iterate(files[1], opaque) == FINISHED
    assert handlers.save_complete(files[2], opaque) == 0
    assert [file.contents() for file in files] == [INIT + net().save_at_setup() + END, NONE, NONE]
    assert handlers.state_pending_exact(opaque) == handlers.state_pending_estimate(opaque) == 0
    handlers.save_cleanup(opaque)
    assert opaque.migration is None


def test_the_capability_alone_decides_whether_it_is_active() -> None:
    assert NetHandlers().is_active(NetMigration(net(), iterative=True))
    assert not NetHandlers().is_active(NetMigration(net(), iterative=False))


def test_registered_as_the_rfc_does() -> None:
    machine = machine_of(STREAMS / "rfc-user-1q")
    (enrolment,) = MODES["iterative"].plan(machine, DEFAULTS, None).staged
    assert (enrolment.idstr, enrolment.instance_id, enrolment.version_id) == (f"{IDSTR}-iterative", 0, 1)
    assert MODES["stock"].plan(machine, DEFAULTS, None) == Plan()


STATE = "the state of a device"

ACCEPTED = {
    "the RFC's START": [INIT, STATE, END],
    "INIT_STATE twice": [INIT, STATE, INIT, STATE, END],
    "a lone END_DATA": [END],
    "a lone NO_DATA": [NONE],
}
REFUSED = {
    "an unknown flag": [bytes.fromhex("ffffffffef200003")],
    "flag 0": [bytes(8)],
    "another device's flag": [bytes.fromhex("ffffffffef100001")],
    "NO_DATA in the loop": [INIT, STATE, NONE],
    "an unknown flag in the loop": [INIT, STATE, bytes.fromhex("ffffffffef2000ff")],
    "no END_DATA": [INIT, STATE],
    "half an END_DATA": [INIT, STATE, END[:4]],
    "nothing": [],
    "half a flag": [INIT[:4]],
    "no state": [INIT, END],
    "something behind END_DATA": [INIT, STATE, END, b"\0"],
}


def payload(parts: list[bytes | str]) -> bytes:
    state = net().save()
    return b"".join(part if isinstance(part, bytes) else state for part in parts)


@pytest.mark.parametrize("case", ACCEPTED)
def test_the_load_loop_accepts(case: str) -> None:
    opaque = at_destination()
    assert load(opaque, payload(ACCEPTED[case])) == 0
    loaded = STATE in ACCEPTED[case]
    assert opaque.migration is not None and opaque.migration.iterative_vmstate_loaded is loaded
    if loaded:
        assert opaque.device.save() == net().save()


@pytest.mark.parametrize("case", REFUSED)
def test_the_load_loop_refuses(case: str) -> None:
    opaque = at_destination()
    with pytest.raises(StreamError):
        load(opaque, payload(REFUSED[case]))
    assert opaque.device.state is None
    assert opaque.migration is not None and not opaque.migration.iterative_vmstate_loaded


def test_qemus_words_for_an_unknown_flag() -> None:
    with pytest.raises(StreamError, match="virtio_net_load_state: Uknown flag 0xffffffffef200003"):
        load(at_destination(), bytes.fromhex("ffffffffef200003"))


def test_the_error_of_an_inner_load_goes_out_as_it_is() -> None:
    state = bytearray(net().save())
    with pytest.raises(StreamError) as caught:
        load(at_destination(), INIT + bytes(state[:20000]) + END)
    assert "Uknown flag" not in str(caught.value) or caught.value.offset > 8
    assert caught.value.offset > 8


@pytest.mark.parametrize("cut", [0, 1, 8, 9, 100, 300, 23000, -9, -1])
def test_a_truncated_payload_never_loads(cut: int) -> None:
    whole = INIT + net().save() + END
    opaque = at_destination()
    with pytest.raises(StreamError):
        load(opaque, whole[: cut if cut >= 0 else len(whole) + cut])
    assert opaque.device.state is None


def test_without_load_setup_it_is_an_error_and_no_crash() -> None:
    with pytest.raises(StreamError, match="error while loading state"):
        load(NetMigration(Device(IDSTR, 0, 0, 40)), NONE)
