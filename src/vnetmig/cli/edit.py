"""`vnetmig edit`: change values of a stream and nothing else.

Knows options and files; editing is the analysis layer's, wording the report layer's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vnetmig.cli import options
from vnetmig.cli.group import Verb
from vnetmig.errors import EditError

if TYPE_CHECKING:
    from vnetmig.analysis.edit import Kind, Operation
    from vnetmig.document.stream import Stream

EXAMPLE = """
vnetmig edit vm.qemu -o edited.qemu --set virtio-net:mac=52:54:00:aa:bb:cc --set virtio-net:vlans=+42,-5
vnetmig edit vm.qemu -o edited.qemu --set virtio-net:guest_features=-GUEST_USO4,-GUEST_USO6
vnetmig edit vm.qemu -o edited.qemu --insert virtio-net:mac_table.macs[0]=02:c0:ff:ee:00:01
vnetmig edit vm.qemu --in-place --drop 0000:00:03.0/virtio-net:virtio/started --set cpu#1:env.eip=0xfff0
vnetmig edit vm.qemu -o old.qemu --set virtio-net:guest_features=-GUEST_USO4,-GUEST_USO6 --qemu 7.2
vnetmig edit vm.qemu --dry-run --add virtio-net:rss --set virtio-net:rss.enabled=1
"""

_KINDS: tuple[Kind, ...] = ("set", "add", "drop", "insert", "remove")
_ORDER = "vnetmig.edit.order"


class _InOrder(Verb):
    """A verb that keeps the order in which its operations were written: click groups them by option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given, _, order = self.make_parser(ctx).parse_args(list(args))
        texts = {kind: iter(given.get(kind, ())) for kind in _KINDS}
        ctx.meta[_ORDER] = [(p.name, next(texts[p.name])) for p in order if p.name in texts]
        return super().parse_args(ctx, args)


def _operation(kind: Kind, metavar: str, text: str) -> click.Option:
    return click.Option([f"--{kind}"], multiple=True, metavar=metavar, help=text, expose_value=False)


@click.command("edit", cls=_InOrder, example=EXAMPLE)
@click.argument("stream", metavar="IN", type=options.PATH)
@click.option("-o", "--output", type=click.Path(path_type=str), metavar="OUT", help="Write the edited stream.")
@click.option("--in-place", is_flag=True, help="Write it over IN.")
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would change.")
@options.against
@click.option(
    "--qemu", metavar="VERSION", help="The QEMU that it is for; with either of the two the result is checked."
)
@click.option("--force", is_flag=True, help="Write a stream that is not valid, too.")
@options.engine
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    stream: str,
    output: str | None,
    in_place: bool,
    dry_run: bool,
    against: str | None,
    qemu: str | None,
    force: bool,
    engine: str | None,
    as_json: bool,
) -> int:
    """Change values of IN, in the order of the options, and write OUT. Every other byte stays as it is, but for the
    size of the device in the vmdescription.

    DEVICE is an idstr or the end of one, `cpu#1` for an instance. PATH is a path as inspect shows it, or a name of the
    live view: mac, rx_mode.promisc, mac_table.unicast, vlans, guest_features, queues[0].num. VALUE is a number, on/off,
    a MAC address, bytes in hexadecimal, or a list with commas; sets take +MEMBER,-MEMBER, features by name.

    The result is encoded, loaded again with nothing assumed, and must hold the values that were meant. What would not
    be valid is refused (exit code 1): a count against its list, features without their subsection. So is what the QEMU
    of --against and --qemu would refuse (see check --help). OUT is compressed when its name ends in .xz or .gz.
    """
    from vnetmig.analysis.edit import Operation, edit
    from vnetmig.cli.output import note, progress, write_blocks, write_json
    from vnetmig.cli.source import open_input
    from vnetmig.document.load import load
    from vnetmig.report.diff import diff_blocks, diff_json

    operations: list[Operation] = [Operation.parse(kind, text) for kind, text in context.meta[_ORDER]]
    if not operations:
        raise click.UsageError("nothing to do: --set, --add, --drop, --insert or --remove")
    target = _target(stream, output, in_place=in_place, dry_run=dry_run)
    source = open_input(stream)
    with progress("reading") as report:
        document = load(source, engine=engine, progress=report)
    if in_place and not dry_run:
        _keeps_its_wrapping(stream, document.wrappers)
    edited = edit(document, operations, force=force)
    forced = [*edited.forced]
    if against is not None or qemu is not None:
        refused = _refused(edited.stream, against, qemu, engine)
        if refused and not force:
            raise EditError(tuple(refused))
        forced += refused
    written = None
    if target is not None:
        try:
            written = edited.save(target)
        except OSError as error:
            raise click.UsageError(f"cannot write {target}: {error.strerror}") from error
    for reason in forced:
        note(f"forced: {reason}")
    if as_json:
        found = None if edited.difference is None else diff_json(edited.difference)
        write_json({"difference": found, "forced": forced, "output": target, "written": written})
    elif edited.difference is not None:
        write_blocks(diff_blocks(edited.difference, churn=True))
    if written is not None:
        note(f"{target}: {written} bytes written")
    return 0


command.params += [
    _operation("set", "DEVICE:PATH=VALUE", "Set a value; VALUE also +A,-B of a set."),
    _operation("add", "DEVICE:SUBSECTION", "Put a subsection in, all zero."),
    _operation("drop", "DEVICE:SUBSECTION", "Take a subsection out."),
    _operation("insert", "DEVICE:LIST[i]=VALUE", "Put an entry into a list at a place."),
    _operation("remove", "DEVICE:LIST[i]", "Take an entry out of a list."),
]


def _refused(stream: Stream, against: str | None, qemu: str | None, engine: str | None) -> list[str]:
    """What the destination would refuse, or not survive."""
    from vnetmig.analysis.check.check import check
    from vnetmig.analysis.finding import Severity
    from vnetmig.cli.destination import destinations

    (destination,), _ = destinations(against, () if qemu is None else (qemu,))
    result = check(stream, destination, qemu=qemu, engine=engine)
    return [
        f"QEMU {result.qemu}, {result.verdict}: {finding.device or 'stream'}: {finding.message}"
        for finding in result
        if finding.severity >= Severity.REFUSED and not finding.follows
    ]


def _target(stream: str, output: str | None, *, in_place: bool, dry_run: bool) -> str | None:
    """Where the result goes; None: nowhere."""
    if dry_run:
        return None
    if in_place:
        if output is not None or stream == "-":
            raise click.UsageError("--in-place writes over IN: there is no OUT then, and IN is a file")
        return stream
    if output is None:
        raise click.UsageError("where to: -o OUT, --in-place or --dry-run")
    if stream != "-" and os.path.exists(output) and os.path.samefile(stream, output):
        raise click.UsageError(f"{output} is IN: say --in-place to write over it")
    return output


def _keeps_its_wrapping(stream: str, wrappers: object) -> None:
    """Writing over a file must not change how it is compressed."""
    from vnetmig.document.saving import COMPRESS
    from vnetmig.stream.compression import Compression

    packed = [w for w in wrappers if isinstance(w, Compression)] if isinstance(wrappers, tuple) else []
    named = Path(stream).suffix in COMPRESS
    if bool(packed) != named or len(packed) > 1:
        raise click.UsageError(f"{stream} would not be compressed as it is now: write another file with -o")
