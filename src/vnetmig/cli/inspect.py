"""`vnetmig inspect`: what is in a stream.

Knows options; reading is the document layer's, wording the report layer's.
"""

from __future__ import annotations

import click

from vnetmig.cli import options
from vnetmig.cli.group import Verb

EXAMPLE = """
vnetmig inspect vm.qemu
vnetmig inspect vm.qemu virtio-net --memory rings.json
vnetmig inspect vm.qemu --html vm.html --memory rings.json
vnetmig inspect vm.qemu --json | jq '.sections[] | {idstr, offset, coverage}'
"""


@click.command("inspect", cls=Verb, example=EXAMPLE)
@click.argument("stream", type=options.PATH)
@click.argument("device", required=False)
@click.option("--all", "everything", is_flag=True, help="Zero arrays element by element.")
@click.option(
    "--html", type=click.Path(path_type=str), metavar="OUT", help="Write a page to explore fields beside bytes instead."
)
@options.memory
@options.engine
@options.as_json
def command(
    stream: str,
    device: str | None,
    everything: bool,
    html: str | None,
    memory: str | None,
    engine: str | None,
    as_json: bool,
) -> int:
    """Show what is in STREAM: sections, commands, RAM, and the fields of DEVICE with their offsets.

    STREAM is a migration stream, also compressed (.xz, .gz, .bz2, .zst), in a libvirt save image or in mapped-ram
    layout, a multifd side channel, or - for stdin. DEVICE is an idstr or the end of one, `cpu#1` for an instance.

    The rings of DEVICE are checked against guest memory; those of all devices with --json and --memory.

    With --html everything goes into one file for a browser, which loads nothing: fields beside bytes, a search, and
    what was found. It opens at DEVICE. Guest memory is never in it.

    A broken stream is shown up to the fault; then comes the error, and the exit code is 3.
    """
    from vnetmig.cli.source import open_input, side_channel

    source = open_input(stream)
    chunks = side_channel(source)
    if chunks is not None:
        if html is not None:
            raise click.UsageError("a multifd side channel has no sections to explore: leave --html out")
        from vnetmig.cli.show import show_channel

        return show_channel(chunks, as_json=as_json)
    from vnetmig.cli.show import load_partial, show_device, show_stream

    document = load_partial(source, memory, engine)
    if html is not None:
        from vnetmig.cli.explore import write_explorer

        return write_explorer(document, source, html, device, rings=memory is not None, as_json=as_json)
    if device is not None:
        return show_device(document, device, everything=everything, as_json=as_json)
    return show_stream(document, rings=memory is not None, everything=everything, as_json=as_json)
