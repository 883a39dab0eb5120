"""A stream that arrives in pieces, turned into a document as it comes.

Knows the reader and the decoders; opens nothing. ``document.load`` feeds it a file at once, a socket would feed it
whatever it received: the document is the same.
"""

from __future__ import annotations

from mmap import mmap

from vnetmig.document.stream import Stream
from vnetmig.errors import StreamError
from vnetmig.migration.decoders import Decoders
from vnetmig.stream import holes
from vnetmig.stream.events import Event, VmDescription
from vnetmig.stream.holes import Holes
from vnetmig.stream.reader import NEED_DATA, StreamReader
from vnetmig.stream.vmdescription import Description


class Incoming:
    """``feed`` bytes, ``close`` at the end; ``stream`` grows with every event.

    ``described``: the vmdescription, when it is known beforehand (it stands at the end of a file). An error is final:
    what was read stays in ``stream``, and ``stream.error`` says what stopped it. ``empty``: where the bytes
    are known to be zero.

    >>> import lzma, vnetmig
    >>> incoming = Incoming()
    >>> for byte in lzma.decompress(vnetmig.sample())[:120]:
    ...     incoming.feed(bytes([byte]))
    >>> incoming.stream.machine
    'pc-i440fx-10.0'
    """

    def __init__(
        self,
        stream: Stream | None = None,
        described: Description | None = None,
        *,
        stable: bool = False,
        empty: Holes = holes.NONE,
    ) -> None:
        self.stream = Stream() if stream is None else stream
        self._described = described
        page_size = described.page_size if described is not None else None
        self._decoders = Decoders(self.stream.engine, page_size=page_size, stable=stable, empty=empty)
        lengths = described.lengths() if described is not None else None
        self._reader = StreamReader(self._decoders, lengths, empty=empty)

    @property
    def offset(self) -> int:
        """Where the next event begins."""
        return self._reader.offset

    def feed(self, data: bytes | bytearray | memoryview | mmap) -> None:
        """Take more bytes. Raises StreamError where they cannot be a migration stream."""
        self._reader.feed(data)
        while self._take():
            pass

    def begin(self, data: bytes | mmap) -> None:
        """Give the whole stream at once; ``step`` then reads it event by event."""
        self._reader.feed(data)
        self._reader.close()

    def step(self) -> bool:
        """Read one event, or a row of sections that the vmdescription measures; False at the end, or when more bytes
        are needed."""
        row = self._reader.next_row()
        if row is not None:
            self.stream.append_row(row)
            return True
        return self._take()

    def close(self) -> Stream:
        """No more bytes will come. Raises StreamError when the stream is not at its end."""
        self._reader.close()
        while self._take():
            pass
        return self.stream

    def _take(self) -> bool:
        try:
            event = self._reader.next_event()
        except StreamError as error:
            self.stream.stop(error)
            raise
        if event is NEED_DATA or event is None:
            return False
        self._keep(event)
        return True

    def _keep(self, event: Event) -> None:
        if isinstance(event, VmDescription) and self._described is not None:
            event.description.known_as(self._described)
        self._decoders.observe(event)
        self.stream.append(event)
