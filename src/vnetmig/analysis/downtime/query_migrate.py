"""`query-migrate` as QEMU answers it over QMP: its own figures beside the trace's.

Knows the names of the answer; whole milliseconds are all that QEMU gives.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import IO, Final

from vnetmig.errors import StreamError

BYTES_MAX: Final = 16 << 20
"""In memory the shortest objects take twenty times as much. Of 20,000 runs, the most that `experiment` does, 8 MiB."""

#  name here       QEMU's, and those of recorded runs
FIGURES: Final = {
    "downtime": ("downtime", "downtime_ms"),
    "expected downtime": ("expected-downtime",),
    "total time": ("total-time", "total_ms"),
    "setup time": ("setup-time", "setup_ms"),
}

_LARGEST = 1 << 53


def figures(answer: Mapping[str, object]) -> dict[str, float]:
    """Milliseconds by name; what is not there or no number of milliseconds is left out.

    >>> figures({"status": "completed", "downtime": 7, "total-time": 64})
    {'downtime': 7, 'total time': 64}
    """
    found = {}
    for name, keys in FIGURES.items():
        for key in keys:
            value = answer.get(key)
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LARGEST:
                found[name] = value
                break
    return found


def read_query_migrate(file: IO[bytes], name: str = "query-migrate") -> list[dict[str, float]]:
    """Of one answer, bare or as QMP sends it, of a list of them, or of one on each line; StreamError for anything else.

    >>> from io import BytesIO
    >>> read_query_migrate(BytesIO(b'{"return": {"downtime": 7}}'))
    [{'downtime': 7}]
    """
    return [figures(answer) for answer in json_objects(file, name)]


def json_objects(file: IO[bytes], name: str) -> Iterator[Mapping[str, object]]:
    """The objects of a JSON text: one, a list, or one on each line; a QMP answer's ``return`` stands for it."""
    text = file.read(BYTES_MAX + 1)
    if len(text) > BYTES_MAX:
        raise _not_json(name, f"at most {BYTES_MAX} bytes", "more")
    try:
        whole = [_parse(text)]
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            whole = [_parse(line) for line in lines]
        except ValueError as error:
            raise _not_json(name, "a JSON object, a list of them, or one on each line", str(error)) from error
    for value in whole[0] if len(whole) == 1 and isinstance(whole[0], list) else whole:
        if not isinstance(value, dict):
            raise _not_json(name, "JSON objects", type(value).__name__)
        inner = value.get("return")
        yield inner if isinstance(inner, dict) else value


def _parse(text: bytes) -> object:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _not_json(name: str, expected: str, got: str) -> StreamError:
    return StreamError(f"{name}: no list of JSON objects", expected=expected, got=got)
