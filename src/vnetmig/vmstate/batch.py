"""Many records in one call: saved or loaded with one crossing into the engine for all of them.

What a call costs is paid once, and while the C engine works no other thread has to wait: in this form two threads save
twice as much. It pays for small states by the hundred; the few dozen devices of a machine are saved in no time anyway.
One that fails does not stop the others. Knows no devices and no streams.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, pairwise
from operator import add, is_

from vnetmig.engine import get as get_engine
from vnetmig.engine.code import Code
from vnetmig.errors import EncodeError, StreamError
from vnetmig.vmstate.record import Record

SPARE_BYTES = 64
"""More than a record's own size, for what it does not hold: subsections' names, lists' markers. A guess at first."""

NOT_RUN = "the batch has not been run"


class SaveBatch:
    """Records that are saved together, over and over. They may be of different programs, and the same one twice.

    >>> from vnetmig.vmstate import UINT16, Field, Program, SaveBatch, Vmsd
    >>> program = Program(Vmsd("demo", 1, (Field("index", UINT16),)))
    >>> records = [program.new_record() for _ in range(3)]
    >>> batch = SaveBatch(records)
    >>> records[1]["index"] = 7
    >>> batch.run()  # how many could not be saved
    0
    >>> [payload.hex() for payload in batch]
    ['0000', '0007', '0000']

    It holds the memory of the records, and as much again for their payloads. One thread at a time uses a batch; several
    threads run several batches at once:

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> halves = SaveBatch(records[:1]), SaveBatch(records[1:])
    >>> with ThreadPoolExecutor(2) as threads:
    ...     sum(threads.map(SaveBatch.run, halves))
    0
    """

    def __init__(self, records: Iterable[Record], engine: str | None = None) -> None:
        self._records = list(records)
        self._engine = get_engine(engine)
        self._failed: int | None = None
        self._bind([len(record.data) + SPARE_BYTES for record in self._records])

    def _bind(self, rooms: list[int]) -> None:
        self._data = [record.data for record in self._records]
        self._places = list(accumulate(rooms, initial=0))
        self._output = bytearray(self._places[-1])
        flats = [record.program.flat for record in self._records]
        self._batch = self._engine.bind_save_batch(flats, self._data, self._output, self._places)

    def run(self) -> int:
        """Save all of them as they are now; returns how many could not be saved."""
        # Equal is enough: memory that a record gave up for other memory may be saved as long as it holds the same.
        if [record.data for record in self._records] != self._data:
            self._bind(self._rooms())
        failed = self._batch.run()
        if failed and self._make_room():
            failed = self._batch.run()
        self._failed = failed
        return failed

    def _rooms(self) -> list[int]:
        return [end - begin for begin, end in pairwise(self._places)]

    def _make_room(self) -> bool:
        """Give more to those that had too little; false when none had."""
        results = [self._batch.result(number) for number in range(len(self))]
        if all(result.code != Code.NO_ROOM for result in results):
            return False
        self._bind([max(room, result.expected) for room, result in zip(self._rooms(), results, strict=True)])
        return True

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, number: int) -> bytes:
        """The payload of a record as the last run found it. EncodeError when its values contradict each other."""
        if self._failed is None:
            raise RuntimeError(NOT_RUN)
        number = range(len(self))[number]
        result = self._batch.result(number)
        if result.code:
            record = self._records[number]
            raise record.program.encode_error(result, record)
        begin = self._places[number]
        return memoryview(self._output)[begin : begin + result.used].tobytes()

    def answers(self) -> list[bytes | EncodeError]:
        """What the last run found of each record: its payload, or why it has none."""
        if self._failed != 0:
            return [self._answer(number) for number in range(len(self))]
        output = memoryview(self._output)
        ends = map(add, self._places, self._batch.sizes())
        return [output[begin:end].tobytes() for begin, end in zip(self._places, ends, strict=False)]

    def _answer(self, number: int) -> bytes | EncodeError:
        try:
            return self[number]
        except EncodeError as error:
            return error


class LoadBatch:
    """Payloads that are loaded together, each into the memory of a record, over and over: bytes that change in place.

    For states that keep their size: (payload, record) with a record of the payload's own program that was loaded from
    one of that size before.

    >>> from vnetmig.vmstate import UINT16, Field, LoadBatch, Program, Vmsd
    >>> program = Program(Vmsd("demo", 1, (Field("index", UINT16),)))
    >>> payloads, records = [bytearray(2) for _ in range(3)], [program.new_record() for _ in range(3)]
    >>> batch = LoadBatch(zip(payloads, records))
    >>> payloads[1][:] = b"\\x00\\x07"
    >>> batch.run()  # how many could not be loaded
    0
    >>> [record["index"] for record in batch]
    [0, 7, 0]

    While it lives, neither payloads nor the records' memory can be resized. One thread at a time uses a batch.
    """

    def __init__(self, payloads: Iterable[tuple[bytes | bytearray, Record]], engine: str | None = None) -> None:
        self._pairs = list(payloads)
        self._engine = engine
        self._ran = False
        self._bind()

    def _bind(self) -> None:
        self._data = [record.data for _, record in self._pairs]
        self._sizes = list(map(len, self._data))
        self._batch = get_engine(self._engine).bind_load_batch(
            [record.program.flat for _, record in self._pairs], [payload for payload, _ in self._pairs], self._data
        )

    def run(self) -> int:
        """Load all of them as they are now; returns how many could not be loaded, or took another size."""
        if not all(map(is_, (record.data for _, record in self._pairs), self._data)):
            self._bind()
        failed = self._batch.run()
        self._ran = True
        if not failed and self._batch.sizes() == self._sizes:
            return 0
        return sum(self._failed(number) for number in range(len(self)))

    def _failed(self, number: int) -> bool:
        result = self._batch.result(number)
        return bool(result.code) or result.used != self._sizes[number]

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, number: int) -> Record:
        """A record as the last run left it. StreamError when its payload could not be loaded into it: it holds nothing
        of use then."""
        if not self._ran:
            raise RuntimeError(NOT_RUN)
        number = range(len(self))[number]
        payload, record = self._pairs[number]
        if not self._failed(number):
            return record
        loaded = record.program.load(payload, engine=self._engine)
        if loaded.error is not None:
            raise loaded.error
        raise StreamError(
            f"{record.program.vmsd.name}: the state has another size now, load it alone",
            expected=f"{self._sizes[number]} bytes of record",
            got=f"{len(loaded.record.data)} bytes",
            code="size",
        )


def save_batch(records: Iterable[Record], engine: str | None = None) -> list[bytes | EncodeError]:
    """The payload of each record, or why it has none: ``Record.save`` of all of them in one call.

    >>> from vnetmig.vmstate import UINT8, UINT16, Field, Program, Ref, Vmsd
    >>> program = Program(Vmsd("demo", 1, (Field("count", UINT8), Field("values", UINT16, Ref("count")))))
    >>> right, wrong = program.new_record(), program.new_record()
    >>> wrong["count"] = 2
    >>> save_batch([right, wrong, right])
    [b'\\x00', EncodeError('demo: values holds 0 elements, its count field says 2'), b'\\x00']
    """
    batch = SaveBatch(records, engine)
    batch.run()
    return batch.answers()
