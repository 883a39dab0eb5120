"""What third parties register: descriptions, handlers, and the entry points that announce them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint

import pytest

from vnetmig.errors import MigrationError, StreamError
from vnetmig.migration import registration
from vnetmig.migration.decoders import Decoders
from vnetmig.migration.destination import Destination
from vnetmig.migration.handlers import QuietHandlers
from vnetmig.migration.machine import Machine
from vnetmig.migration.source import Source
from vnetmig.stream import framing
from vnetmig.stream.payload import SectionHeader
from vnetmig.vmstate import UINT8, UINT16, Field, Ref, Vmsd


def counted(name: str = "acme-list", offset: int = 0) -> Vmsd:
    """An array whose number of elements is an expression, which can be neither hashed nor compared."""
    return Vmsd(name, 2, (Field("number", UINT8), Field("values", UINT16, count=Ref("number") + offset)))


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No entry point was called yet; afterwards nothing of the test is left."""
    monkeypatch.setattr(registration, "_discovered", False)
    monkeypatch.setattr(registration, "_announced", set())
    yield
    for name in ("acme-list", "acme/list", "list"):
        registration.unregister_vmstate(name)
    registration.unregister_savevm("acme/live")


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch, fresh: None) -> Callable[..., None]:
    """Sets the entry points there are, name -> function."""

    def announce(**functions: Callable[[], None]) -> None:
        for name, function in functions.items():
            monkeypatch.setattr(registration, f"announced_{name}", function, raising=False)
        found = [
            EntryPoint(name, f"vnetmig.migration.registration:announced_{name}", registration.GROUP)
            for name in functions
        ]
        monkeypatch.setattr(registration, "_entry_points", lambda: found)

    return announce


def decoded(idstr: str, version: int, data: bytes, engine: str) -> object:
    resolver = registration.resolver(idstr, version)
    assert resolver is not None
    found = resolver(data, len(data).__eq__, final=True, engine=engine)
    return found.record["values"]  # type: ignore[union-attr]


def test_an_array_counted_by_a_field(fresh: None, engine: str) -> None:
    registration.register_vmstate(counted())
    assert list(decoded("0000:00:05.0/acme-list", 2, bytes.fromhex("02 0001 0203"), engine)) == [1, 0x203]


def test_the_same_description_again_is_fine_another_one_is_not(fresh: None) -> None:
    registration.register_vmstate(counted())
    registration.register_vmstate(counted())
    with pytest.raises(MigrationError, match="registered with another description"):
        registration.register_vmstate(counted(offset=1))


def test_after_unregistering_the_new_description_counts(fresh: None, engine: str) -> None:
    registration.register_vmstate(counted())
    assert len(decoded("acme-list", 2, bytes.fromhex("01 0001"), engine)) == 1  # type: ignore[arg-type]
    registration.unregister_vmstate("acme-list")
    registration.register_vmstate(counted(offset=1))
    assert len(decoded("acme-list", 2, bytes.fromhex("01 0001 0002"), engine)) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["virtio-net", "virtio-blk", "ram"])
def test_names_of_our_own_cannot_be_taken(name: str) -> None:
    with pytest.raises(MigrationError, match="described by vnetmig itself"):
        registration.register_vmstate(Vmsd(name, 1, (Field("x", UINT8),)))


def test_a_name_with_a_slash_and_the_longest_of_several(fresh: None) -> None:
    registration.register_vmstate(counted("list"))
    registration.register_vmstate(counted("acme/list"))
    assert registration.described("0000:00:05.0/acme/list").name == "acme/list"  # type: ignore[union-attr]
    assert registration.described("0000:00:05.0/list").name == "list"  # type: ignore[union-attr]
    assert registration.described("0000:00:05.0/blacklist") is None
    assert registration.described("") is None


def test_entry_points_are_called_once(points: Callable[..., None]) -> None:
    calls = []
    points(one=lambda: calls.append(1), two=lambda: calls.append(2))
    registration.discover()
    registration.live()
    registration.described("anything")
    assert calls == [1, 2]


def test_an_entry_point_may_read_a_stream_itself(points: Callable[..., None]) -> None:
    points(
        one=lambda: registration.register_vmstate(counted()) if registration.described("acme-list") is None else None
    )
    assert registration.described("acme-list") is not None


def test_one_that_fails_is_told_every_time_and_leaves_nothing(points: Callable[..., None]) -> None:
    calls = []

    def fails() -> None:
        registration.register_vmstate(counted("acme/list"))
        registration.register_savevm_live("acme/live", 0, 1, QuietHandlers())
        raise RuntimeError("no such hardware")

    def works() -> None:
        calls.append(1)
        registration.register_vmstate(counted())

    points(works=works, fails=fails)
    for _ in range(2):
        with pytest.raises(MigrationError, match=r"entry point 'fails' of vnetmig\.devices .*no such hardware"):
            registration.discover()
        assert "acme/list" not in registration._descriptions
        assert registration._live.find("acme/live", 0) is None
    assert calls == [1]
    points(works=works)
    assert registration.described("acme-list") is not None
    assert calls == [1]


class Measured(QuietHandlers):
    """Handlers whose payload is a number and as many values."""

    def decoder(self, header: SectionHeader) -> object:
        return registration.decoder_of(counted(), header.version_id)

    def save_setup(self, file: object, opaque: list[str]) -> int:
        opaque.append("save_setup")
        file.put_buffer(b"\0")  # type: ignore[attr-defined]
        return 0

    save_live_iterate = save_complete = save_setup

    def load_state(self, file: object, opaque: list[str], version_id: int) -> int:
        opaque.append("load_state")
        return 0


def test_the_decoder_of_live_handlers_is_used_for_documents_too(fresh: None) -> None:
    registration.register_savevm_live("acme/live", 0, 2, Measured(), [])
    decoder = Decoders()(SectionHeader(framing.SECTION_PART, 3, "acme/live", 0, 2))
    assert decoder is not None
    data = memoryview(bytes.fromhex("01 0007 7e"))
    found = decoder.decode(data, lambda size: size == 3, kind=framing.SECTION_PART, offset=0, final=True)
    assert found is not None
    assert found.size == 3
    with pytest.raises(StreamError):
        decoder.decode(data[:2], lambda size: True, kind=framing.SECTION_PART, offset=0, final=True)
    assert Decoders()(SectionHeader(framing.SECTION_FULL, 3, "acme/live", 0, 2)) is None


def ends(registered: bool) -> tuple[Source, Destination]:
    return Source(Machine(), registered=registered), Destination(registered=registered)


@pytest.mark.parametrize("registered", [True, False])
def test_a_process_that_is_both_ends_can_leave_registered_devices_out(fresh: None, registered: bool) -> None:
    calls: list[str] = []
    registration.register_savevm_live("acme/live", 0, 2, Measured(), calls)
    source, destination = ends(registered)
    while (data := source.next_bytes()) is not None:
        destination.feed(data)
    assert (not calls) is not registered
    assert ("load_state" in calls) is registered
