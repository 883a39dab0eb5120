"""Loading and showing for `vnetmig inspect`, and what a broken input comes to.

Knows which report goes where; knows no format.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.cli.output import progress, write_blocks, write_json
from vnetmig.cli.source import Input
from vnetmig.document.load import load
from vnetmig.document.stream import Stream
from vnetmig.errors import FieldError


def load_partial(source: Input, memory: str | None, engine: str | None) -> Stream:
    """The document; what stopped reading is in its ``error``."""
    with progress("reading") as report:
        return load(source, memory=memory, partial=True, engine=engine, progress=report)


def show_stream(stream: Stream, *, rings: bool, everything: bool, as_json: bool) -> int:
    if as_json:
        from vnetmig.report.stream_json import stream_json

        write_json(stream_json(stream, rings=rings))
    else:
        from vnetmig.report.device_text import partial_blocks
        from vnetmig.report.stream_text import broken_note, stream_blocks

        if stream.events:
            write_blocks(stream_blocks(stream))
        if stream.error is not None and stream.events:
            write_blocks([*partial_blocks(stream, everything=everything), broken_note(stream)])
    return _end(stream)


def show_device(stream: Stream, name: str, *, everything: bool, as_json: bool) -> int:
    try:
        view = stream.named(name)
    except FieldError:
        if stream.error is not None:  # it may have stood behind the fault
            raise stream.error from None
        raise
    if as_json:
        from vnetmig.report.fields import coverage
        from vnetmig.report.json import error_json
        from vnetmig.report.stream_json import section_json

        made = section_json(stream, view.section, coverage(view.section), rings=True)
        write_json({**made, "error": None if stream.error is None else error_json(stream.error)})
    else:
        from vnetmig.report.device_text import device_blocks

        write_blocks(device_blocks(stream, view.section, everything=everything))
    return _end(stream)


def show_channel(chunks: Iterator[bytes], *, as_json: bool) -> int:
    from vnetmig.report.side_channel import channel_blocks, channel_json, read_channel

    channel = read_channel(chunks)
    if as_json:
        write_json(channel_json(channel))
    else:
        write_blocks(channel_blocks(channel))
    if channel.error is not None:
        raise channel.error
    return 0


def _end(stream: Stream) -> int:
    if stream.error is not None:
        raise stream.error
    return 0
