"""`vnetmig recode`: decode to values, encode from values, compare.

Knows options; comparing is the report layer's.
"""

from __future__ import annotations

import click

from vnetmig.cli import options
from vnetmig.cli.group import DIFFERENCES, Verb

EXAMPLE = """
vnetmig recode vm.qemu
vnetmig recode vm.qemu -o again.qemu.xz
"""


@click.command("recode", cls=Verb, example=EXAMPLE)
@click.argument("stream", metavar="IN", type=options.PATH)
@click.option("-o", "--output", type=click.Path(path_type=str), metavar="OUT", help="Write the encoded stream.")
@options.engine
@options.as_json
def command(stream: str, output: str | None, engine: str | None, as_json: bool) -> int:
    """Decode IN to values, encode it from the values, and say whether the bytes are the same.

    If they are not, the first byte that differs is shown with its section and field, and the exit code is 1. What is
    compared, and written to OUT, is the stream with the libvirt header in front of it, if there is one; OUT is
    compressed when its name ends in .xz or .gz.
    """
    from vnetmig.cli.output import note, progress, write_blocks, write_json
    from vnetmig.cli.source import open_input, unpacked
    from vnetmig.document.load import load
    from vnetmig.report.recode import recode, recode_blocks, recode_json

    source = open_input(stream)
    with progress("reading") as report:
        document = load(source, engine=engine, progress=report)
    with progress("encoding") as report, unpacked(source) as original:
        result = recode(document, original, report)
    written = None
    if output is not None:
        try:
            written = document.save(output)
        except OSError as error:
            raise click.UsageError(f"cannot write {output}: {error.strerror}") from error
    if as_json:
        write_json({**recode_json(result), "written": written})
    else:
        write_blocks(recode_blocks(result))
        if written is not None:
            note(f"{output}: {written} bytes written")
    return 0 if result.identical else DIFFERENCES
