"""`vnetmig explain`: what a line or a log means.

Knows options; reading and explaining is the analysis layer's, wording the report layer's.
"""

from __future__ import annotations

import sys

import click

from vnetmig.cli import options
from vnetmig.cli.group import DIFFERENCES, Verb

EXAMPLE = """
vnetmig explain "Features 0x1c0010130afffaf unsupported. Allowed features: 0x10179bfffef"
vnetmig explain - < /var/log/libvirt/qemu/vm.log
kubectl logs virt-launcher-vm-x7k2p | vnetmig explain -
vnetmig explain host_uso
"""


@click.command("explain", cls=Verb, example=EXAMPLE)
@click.argument("text", nargs=-1)
@click.option("--qemu", metavar="VERSION", help="Only the wordings of this release, such as 7.2 or 10.0.13.")
@click.option("--list", "everything", is_flag=True, help="All rules that are known, and what QEMU says.")
@options.as_json
def command(text: tuple[str, ...], qemu: str | None, everything: bool, as_json: bool) -> int:
    """Say what TEXT means, who usually did it, and what to do about it.

    TEXT is a line that QEMU, libvirt, virt-launcher, Nova or Proxmox logged when a migration failed; the id of a rule;
    the name of a virtio feature, or feature bits (0x...). With - (or without TEXT, in a pipe) a whole log is read from
    stdin: lines that only follow from another are told with it.

    The exit code is 1 when nothing in TEXT is known.
    """
    if everything:
        return _list(qemu, as_json)
    if not text and sys.stdin.isatty():
        raise click.UsageError("a line to explain is missing; - reads a log from stdin, --list shows what is known")
    from vnetmig.analysis.explain.explain import explain
    from vnetmig.cli.output import write_blocks, write_json
    from vnetmig.report.explain import explanation_blocks, explanations_json

    told = explain(_stdin() if text in ((), ("-",)) else " ".join(text), qemu=qemu)
    if as_json:
        write_json(explanations_json(told))
    else:
        write_blocks(explanation_blocks(told))
    return 0 if told.known else DIFFERENCES


def _stdin() -> str:
    return sys.stdin.buffer.read().decode("utf-8", "backslashreplace")


def _list(qemu: str | None, as_json: bool) -> int:
    from vnetmig.analysis.catalogue.messages import messages_of
    from vnetmig.analysis.release import Release
    from vnetmig.cli.output import write_blocks, write_json
    from vnetmig.report.explain import list_blocks, list_json

    messages = messages_of(None if qemu is None else Release.parse(qemu))
    if as_json:
        write_json(list_json(messages))
    else:
        write_blocks(list_blocks(messages))
    return 0
