"""A channel whose other end is in the same process, and one that breaks."""

from __future__ import annotations

from between import STREAMS, machine_of

from vnetmig.errors import ChannelError
from vnetmig.migration.destination import Destination, Phase
from vnetmig.migration.in_memory import InMemoryChannel
from vnetmig.migration.run import drive
from vnetmig.migration.source import Source, State
from vnetmig.stream.return_path import Shut


def source() -> Source:
    return Source(machine_of(STREAMS / "linux-user-1q-ping-q52"))


def test_closed_in_the_middle_the_destination_fails() -> None:
    channel = InMemoryChannel(Destination())
    data = source().next_bytes()
    assert data is not None
    channel.send(data)
    channel.close()
    assert channel.destination.phase is Phase.FAILED


class Broken(InMemoryChannel):
    """Takes nothing, and still has what the destination said before."""

    said = Shut(1).encode()

    def send(self, data: bytes) -> None:
        raise ChannelError("Unable to write to socket: Broken pipe")

    def receive(self, limit: int) -> bytes:
        taken, self.said = self.said, b""
        return taken


def test_what_the_destination_said_before_the_channel_broke_is_heard() -> None:
    ours = source()
    drive(ours, Broken(Destination()))
    assert ours.state is State.FAILED and "Unable to write to socket" in str(ours.error)
