"""The receiving side alone: what it refuses, and in whose words."""

from __future__ import annotations

import pytest
from between import STREAMS, machine_of, received, refusal, sent_by

from vnetmig.errors import MigrationError
from vnetmig.migration import incoming_devices
from vnetmig.migration.destination import Destination, Phase
from vnetmig.migration.destination_states import TRANSITIONS, Turn
from vnetmig.migration.source import Source

FOLDER = STREAMS / "rfc-user-1q"


def stream(mode: str = "iterative") -> bytes:
    return sent_by(Source(machine_of(FOLDER), mode))


def test_the_table_has_no_dead_end() -> None:
    assert set(TRANSITIONS.values()) == set(Phase)
    assert {turn for _, turn in TRANSITIONS} == set(Turn)
    assert not [phase for phase, _ in TRANSITIONS if phase in (Phase.DONE, Phase.FAILED)]


@pytest.mark.parametrize("step", [1, 7, 4096, 1 << 20])
def test_pieces_do_not_matter(step: int) -> None:
    data = stream()
    if step == 1:  # every position of the small part, whole otherwise: a minute is too long
        pieces = [data[i : i + 1] for i in range(3000)] + [data[3000:]]
    else:
        pieces = [data[i : i + step] for i in range(0, len(data), step)]
    destination = Destination()
    for piece in pieces:
        destination.feed(piece)
    destination.close()
    whole = received(data)
    assert destination.result is not None and whole.result is not None
    assert [s.data for s in destination.result.sections] == [s.data for s in whole.result.sections]
    assert destination.result.digest == whole.result.digest


@pytest.mark.parametrize(
    ("mode", "local", "words"),
    [
        ("iterative", (), "Capability virtio-iterative is off, but received capability is on"),
        ("stock", ("virtio-iterative",), "Capability virtio-iterative is on, but received capability is off"),
    ],
)
def test_capabilities_must_agree(mode: str, local: tuple[str, ...], words: str) -> None:
    here = ("x-ignore-shared", *local)
    assert words in refusal(stream(mode), Destination(capabilities=here))


def test_capabilities_that_agree() -> None:
    here = Destination(capabilities=("x-ignore-shared", "virtio-iterative"))
    assert received(stream(), here).phase is Phase.DONE
    assert received(stream("stock"), Destination(capabilities=("x-ignore-shared",))).phase is Phase.DONE


def test_an_unknown_capability() -> None:
    data = stream().replace(b"virtio-iterative", b"virtio-alternate", 1)
    words = refusal(data, Destination(capabilities=("x-ignore-shared",)))
    assert "Received unknown capability virtio-alternate" in words


def test_a_stray_iterative_section_is_refused_and_does_not_crash() -> None:
    """The RFC's destination follows a null pointer here."""
    data = stream()
    start = data.index(b"\x05\x1aconfiguration/capabilities")
    end = data.index(b"virtio-iterative") + 16
    fewer = data[start : end - 17].replace(bytes((0, 0, 0, 2)), bytes((0, 0, 0, 1)))
    words = refusal(data[:start] + fewer + data[end:])
    assert "Unknown savevm section or instance '0000:00:02.0/virtio-net-iterative' 0. Make sure" in words


def test_a_newer_section_version() -> None:
    idstr = b"0000:00:02.0/virtio-net-iterative"
    data = stream()
    version = data.index(idstr) + len(idstr) + 4
    words = refusal(data[: version + 3] + b"\x02" + data[version + 4 :])
    assert "savevm: unsupported version 2 for '0000:00:02.0/virtio-net-iterative' v1" in words


def test_a_device_that_was_only_sent_early() -> None:
    data = stream()
    name = b"\x170000:00:02.0/virtio-net\x00\x00\x00\x00"
    start = data.rindex(name) - 5
    footer = data.index(b"\x7e" + data[start + 1 : start + 5], start) + 5
    words = refusal(data[:start] + data[footer:])
    assert "'0000:00:02.0/virtio-net' was sent early and never again" in words


@pytest.mark.parametrize("cut", [0, 4, 8, 20, 100, 300, 46000, 200_000, 300_000])
def test_a_truncated_stream_never_completes(cut: int) -> None:
    refusal(stream()[:cut])


def test_a_failed_destination_takes_no_more() -> None:
    destination = received(b"not a migration stream")
    assert "Not a migration stream" in str(destination.error)
    error = destination.error
    destination.feed(stream())
    destination.close()
    assert destination.error is error


def test_ping_needs_a_return_path() -> None:
    data = stream("stock")
    start = data.index(b"\x01\x00\x00\x00\x02\x03ram")
    ping = bytes.fromhex("08 0002 0004 00000001")
    assert "CMD_PING (0x1) received with no return path" in refusal(data[:start] + ping + data[start:])
    opened = bytes.fromhex("08 0001 0000") + ping
    destination = received(data[:start] + opened + data[start:])
    assert destination.phase is Phase.DONE
    assert destination.answer().startswith(bytes.fromhex("0002 0004 00000001"))


def test_nothing_to_resolve() -> None:
    destination = received(stream("stock"))
    with pytest.raises(MigrationError, match="nothing to resolve: the migration is in phase 'done'"):
        destination.resolve(runs_there=False)
    assert destination.phase is Phase.DONE


def test_more_sections_than_anyone_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming_devices, "SECTIONS_KEPT", 3)
    assert "Too many sections" in refusal(stream("stock"))
