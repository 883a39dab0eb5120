"""The libFuzzer target of the Python reader, by atheris: whole streams, loaded, checked and written again.

``python tools/fuzz.py --target reader --seconds 12`` runs it (``--runs N`` for long) and logs it beside the targets of
csrc/fuzz; by itself it takes libFuzzer's arguments. An input is a byte that says from which of ``small_captures`` it
comes, and a stream. Most mutations are those of tools/fuzz_streams.py, which know where that capture's sections and
numbers stand. Only a VnetmigError may leave; what loads must encode to the bytes it was read from.

What became of the inputs, and how long they were, is told every TOLD_EVERY executions: libFuzzer ends the process
without the interpreter's knowledge.
"""

from __future__ import annotations

import gc
import json
import random
import sys
from collections import Counter
from types import FunctionType

import atheris

import vnetmig
from fuzz_streams import DAMAGE, small_captures
from vnetmig.errors import VnetmigError

TOLD_EVERY = 500
told: Counter[str] = Counter()


def read(data: bytes) -> str:
    """What becomes of a stream."""
    stream = vnetmig.load(data, partial=True)
    if stream.error is None and stream.encode() != (stream.input if stream.wrappers else data):
        raise AssertionError("the stream does not encode to its own bytes")
    vnetmig.check(stream)
    return "read" if stream.error is None else "refused"


def test_one_input(data: bytes) -> None:
    try:
        outcome = read(data[1:])
    except VnetmigError:
        outcome = "raised"
    told[outcome] += 1
    told["bytes"] += len(data)
    executions = told["read"] + told["refused"] + told["raised"]
    if executions % TOLD_EVERY == 0:
        print(f"stat::outcomes: {json.dumps({'told': executions, **told})}", file=sys.stderr)


def mutated(data: bytes, max_size: int, seed: int) -> bytes:
    rng = random.Random(seed)
    if len(data) < 2 or rng.random() < 0.2:
        return atheris.Mutate(data, max_size)
    captures, body = small_captures(), bytearray(data[1:])
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if body:
            rng.choice(DAMAGE)(captures[data[0] % len(captures)], body, rng)
    return (data[:1] + bytes(body))[:max_size]


def instrument() -> None:
    """All functions of the package that reading has loaded. Not on import: the finder of an editable install has
    loaders that atheris cannot wrap, and nothing is counted then."""
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and (function.__module__ or "").partition(".")[0] == vnetmig.__name__:
            atheris.instrument_func(function)


def main() -> None:
    for capture in small_captures():
        read(capture.data)
    instrument()
    atheris.Setup(sys.argv, test_one_input, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
