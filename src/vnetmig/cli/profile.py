"""`vnetmig profile`: what a destination is, as a file for check, diff and matrix.

Knows options; finding out is the qemu layer's, the file's form is the analysis layer's.
"""

from __future__ import annotations

import click

from vnetmig.cli import options
from vnetmig.cli.group import Verb, to_stdout

EXAMPLE = """
vnetmig profile qmp:/run/vm.qmp -o there.toml
vnetmig profile cmdline:vm.sh --qemu 7.2 -o there.toml
vnetmig profile cmdline:/proc/4711/cmdline+host
vnetmig profile host --qemu 10.0.2
"""


@click.command("profile", cls=Verb, example=EXAMPLE)
@click.argument("spec", metavar="SPEC")
@click.option("-o", "--output", type=click.Path(path_type=str, allow_dash=True), metavar="FILE", help="Write TOML.")
@click.option("--qemu", metavar="VERSION", help="The QEMU there, such as 10.0.13, where SPEC does not say it.")
@options.as_json
def command(spec: str, output: str | None, qemu: str | None, as_json: bool) -> int:
    """Find out what a destination offers to its guests, and write it down.

    SPEC is qmp:SOCK (a running QEMU; it is only asked), cmdline:FILE (a script, a libvirt log, /proc/PID/cmdline), host
    (this kernel), stream:FILE (the QEMU that saved it) or FILE.toml; "+host" behind one adds what this kernel can. What
    nothing says is assumed, and listed as such.
    """
    from vnetmig.cli.output import note, write_blocks, write_file, write_json
    from vnetmig.qemu.specs import profile_from

    profile = profile_from(spec, qemu)
    if output is not None:
        from vnetmig.analysis.profile.toml import to_toml

        text = to_toml(profile)
        if output == "-":
            with to_stdout():
                click.echo(text, nl=False)
            return 0
        write_file(output, text.encode(), spec, spec.partition(":")[2])
    if as_json:
        from vnetmig.report.profile import profile_json

        write_json(profile_json(profile))
    else:
        from vnetmig.report.profile import profile_blocks

        write_blocks(profile_blocks(profile))
    if output is not None:
        note(f"{output}: written")
    return 0
