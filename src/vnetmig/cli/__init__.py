"""The command line: verbs, options and exit codes.

Knows which verbs there are and where each lives; loads a verb's module only when it is used, so that ``--help`` and
``--version`` stay quick. No verb holds logic: they open, call and print.
"""

from __future__ import annotations

import click

from vnetmig.cli.group import VerbGroup

#   verb          what it does; the module has the verb's name
VERBS = {
    "explain": "What a line or a log of QEMU's means, who did it, and what to do.",
    "inspect": "Sections, devices and fields of a stream, with offsets.",
    "check": "What QEMU would say to a stream, or to many, before anybody migrates.",
    "diff": "What differs between two streams, field by field.",
    "edit": "Set values in a stream, add and drop subsections; everything else stays as it is.",
    "recode": "Decode a stream to values and encode it again; say whether the bytes are the same.",
    "profile": "What a destination offers: of a running QEMU, a command line or this host, as TOML.",
    "matrix": "Which machine type and pair of QEMUs works, forward and back.",
    "capture": "Save the state of a running QEMU, which goes on as it was.",
    "send": "Send a stream into a QEMU that waits for one, and say what became of it.",
    "serve": "Be the destination of a real QEMU's migration, or rehearse one.",
    "migrate": "Live-migrate a stream's devices between two processes; show the downtime.",
    "relay": "Stand between two QEMUs during a migration: look, check, change, record.",
    "experiment": "Migrate a real QEMU again and again in two arms, in turns, with traces on both sides.",
    "downtime": "Trace logs of both sides: what each device took, and whether a difference is real.",
    "bench": "The engines on this machine, against the floor.",
}


def _version(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from vnetmig._version import version
    from vnetmig.engine import describe

    click.echo(f"vnetmig {version()}\n{describe()}")
    context.exit()


@click.group(
    cls=VerbGroup,
    verbs=VERBS,
    package="vnetmig.cli",
    epilog="Exit codes: 0 fine, 1 differences or refusals found, 2 wrong usage, 3 unreadable input.",
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Version and engine."
)
def main() -> None:
    """Read, check, edit, write and live-migrate the state of QEMU's virtio-net devices."""
