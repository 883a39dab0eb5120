"""`vnetmig.migrate`: every kind of source, every kind of destination, and what a failure leaves behind."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import vnetmig
from vnetmig.channel.opening import connect, listen
from vnetmig.document.sample import sample_memory
from vnetmig.errors import ChannelError, MigrationError, StreamError
from vnetmig.migration.run import serve_incoming
from vnetmig.vmstate import Record

CAPTURE = Path(__file__).resolve().parent.parent / "streams" / "linux-tap-4q-load-q72" / "stream.bin.xz"
NET = "virtio-net"


def the_net(destination: vnetmig.Destination) -> Record:
    state = next(d for d in destination.devices if d.idstr.endswith(NET)).state
    assert isinstance(state, Record)
    return state


@pytest.mark.parametrize("mode", list(vnetmig.MODES))
def test_every_mode_in_memory(mode: str, engine: str) -> None:
    destination = vnetmig.Destination(engine=engine)
    timeline = vnetmig.migrate(CAPTURE, destination, mode, engine=engine)
    assert destination.owner == "destination"
    assert (timeline.mode, timeline.engine) == (mode, engine)
    assert the_net(destination).save() == vnetmig.load(CAPTURE).device(NET).save()


@pytest.mark.parametrize("kind", ["path", "str", "bytes", "stream", "machine"])
def test_every_source(kind: str) -> None:
    document = vnetmig.load(CAPTURE)
    source = {
        "path": CAPTURE,
        "str": str(CAPTURE),
        "bytes": CAPTURE.read_bytes(),
        "stream": document,
        "machine": vnetmig.Machine.from_events(document.events),
    }[kind]
    destination = vnetmig.Destination()
    vnetmig.migrate(source, destination)
    assert [d.idstr for d in destination.devices] == [s.idstr for s in document.sections if s.type == "full"]


def test_changes_in_a_stream_travel_also_where_only_the_vmdescription_explains_the_device() -> None:
    stream = vnetmig.load(CAPTURE)
    stream.device(NET).mac = "52:54:00:aa:bb:cc"
    serial = stream.device("serial")
    serial["state.scr"] = before = int(serial["state.scr"]) ^ 0x55
    destination = vnetmig.Destination()
    vnetmig.migrate(stream, destination, "preheat-all")
    assert the_net(destination)["mac"] == "52:54:00:aa:bb:cc"
    there = next(d for d in destination.devices if d.idstr == serial.idstr)
    assert there.state["state.scr"] == before


@pytest.mark.parametrize("mode", list(vnetmig.MODES))
@pytest.mark.parametrize("kind", ["address", "channel"])
def test_over_a_socket(tmp_path: Path, mode: str, kind: str) -> None:
    address = f"unix:{tmp_path / 'there'}"
    served: list[vnetmig.Destination] = []
    with listen(address) as listener:

        def serve() -> None:
            with listener.accept() as channel:
                served.append(serve_incoming(channel))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            if kind == "address":
                timeline = vnetmig.migrate(CAPTURE, address, mode, switchover_ack=True, used_queues="count")
            else:
                with connect(address) as channel:
                    timeline = vnetmig.migrate(CAPTURE, channel, mode)
                    channel.send(b"")  # it is the caller's, and still open
        finally:
            thread.join()
    assert served[0].owner == "destination"
    assert all(device.load_ns > 0 for device in timeline.devices if device.idstr.endswith(NET))


def test_into_a_file_and_out_of_it_again(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    vnetmig.migrate(CAPTURE, f"file:{first}", "stock")
    vnetmig.migrate(first, f"file:{second}", "stock")
    assert first.read_bytes() == second.read_bytes()
    assert vnetmig.load(first).device(NET).mac == vnetmig.load(CAPTURE).device(NET).mac


def test_a_file_cannot_answer(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="needs a destination that answers") as caught:
        vnetmig.migrate(CAPTURE, f"file:{tmp_path / 'out'}", "early")
    assert caught.value.outcome is None


def test_guest_pages_travel() -> None:
    seen = []
    for memory in (None, sample_memory()):
        destination = vnetmig.Destination()
        vnetmig.migrate(vnetmig.sample(), destination, "stock", memory=memory)
        net = next(s for s in destination.result.sections if s.idstr.endswith(NET))
        seen.append(net.rings is not None)
    assert seen == [False, True]


def test_a_refusal_says_why_and_who_owns_the_machine() -> None:
    destination = vnetmig.Destination(capabilities=())
    with pytest.raises(MigrationError, match=r"Capability .* is off, but received capability is on") as caught:
        vnetmig.migrate(CAPTURE, destination)
    outcome = caught.value.outcome
    assert (outcome.owner, outcome.state, outcome.completed) == ("source", "failed", False)
    assert destination.owner == "source"
    assert "owner of the machine: source" in str(caught.value)


def test_a_handler_that_fails_leaves_no_destination_half_way() -> None:
    class Broken(vnetmig.QuietHandlers):
        def save_complete(self, file: object, opaque: object) -> int:
            return -5

    registry = vnetmig.Registry()
    registry.register_savevm_live("broken", 0, 1, Broken())
    destination = vnetmig.Destination()
    with pytest.raises(MigrationError, match="failed to save") as caught:
        vnetmig.migrate(CAPTURE, destination, registry=registry)
    assert caught.value.outcome.owner == "source"
    assert destination.finished
    assert destination.owner == "source"


def test_a_destination_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ChannelError):
        vnetmig.migrate(CAPTURE, f"unix:{tmp_path / 'nobody'}")


def test_a_broken_source_is_not_sent() -> None:
    stream = vnetmig.load(vnetmig.load(CAPTURE).encode()[:5000], partial=True)
    with pytest.raises(StreamError):
        vnetmig.migrate(stream, vnetmig.Destination())


def test_a_misspelt_option_is_told() -> None:
    with pytest.raises(TypeError, match="no option 'use_queues'; there is: used_queues"):
        vnetmig.migrate(CAPTURE, vnetmig.Destination(), use_queues="count")


def test_every_public_name_is_there() -> None:
    for name in vnetmig.__all__:
        assert getattr(vnetmig, name) is not None
