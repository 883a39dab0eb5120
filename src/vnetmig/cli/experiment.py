"""`vnetmig experiment`: two arms of a real QEMU, migrated in turns, with traces on both sides.

Knows options; the migrations are the qemu layer's, the statistics another verb's.
"""

from __future__ import annotations

from typing import Any

import click

from vnetmig.cli import options
from vnetmig.cli.group import Verb

EXAMPLE = """
vnetmig experiment -o runs --b parameter.max-bandwidth=100000000
vnetmig experiment -o runs --qemu ./qemu-system-x86_64 --b capability.virtio-iterative=on --migrations 100
vnetmig experiment -o runs --a qemu=/opt/10.0/qemu-system-x86_64 --b qemu=/opt/11.1/qemu-system-x86_64
vnetmig experiment -o runs --b property.virtio-net-pci.packed=on --kernel vmlinuz --initrd initrd --ready login:
vnetmig downtime --runs runs
"""

_FILE = click.Path(path_type=str, exists=True, dir_okay=False)
_SETTING = "KEY=VALUE"


@click.command("experiment", cls=Verb, example=EXAMPLE)
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    type=click.Path(path_type=str, file_okay=False),
    metavar="DIR",
    help="Runs and logs; what is there already is not done again.",
)
@click.option("--a", "of_a", multiple=True, metavar=_SETTING, help="A setting of arm A.")
@click.option("--b", "of_b", multiple=True, metavar=_SETTING, help="A setting of arm B, which is compared with A.")
@click.option("--set", "of_both", multiple=True, metavar=_SETTING, help="A setting of both.")
@click.option("--qemu", type=click.Path(path_type=str), metavar="BINARY", help="The QEMU of both: --set qemu=BINARY.")
@click.option("--migrations", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Of each arm.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the order of the arms.")
@click.option("--name", default="run", show_default=True, help="Of the series: NAME-runs.jsonl.")
@click.option("--accel", type=click.Choice(["tcg", "kvm"]), default="tcg", show_default=True)
@click.option("--cpu", default="qemu64", show_default=True, metavar="MODEL")
@click.option("--memory", type=click.IntRange(16, 1 << 20), default=128, show_default=True, metavar="MIB")
@click.option(
    "--netdev", metavar="ARG", help="QEMU's -netdev, with id=n0; {side} becomes 0 and 1, of a second chain 2, 3."
)
@click.option("--kernel", type=_FILE, metavar="FILE", help="A Linux guest; without it, the firmware.")
@click.option("--initrd", type=_FILE, metavar="FILE")
@click.option("--append", default="", metavar="TEXT", help="To the guest's command line, behind console=ttyS0.")
@click.option("--ready", metavar="TEXT", help="What the guest says on its console when it may be migrated.")
@click.option(
    "--settle",
    type=click.FloatRange(0, 3600),
    default=0.5,
    show_default=True,
    metavar="S",
    help="How long the guest runs between two migrations.",
)
@options.as_json
def command(folder: str, as_json: bool, **values: Any) -> int:
    """Live-migrate the same machine in two arms, in turns, and keep what both sides' trace events say.

    The machine is that of the thread that proposed iterative migration: VGA, virtio-console, virtio-net, and
    virtio-scsi with a disk. What the arms differ in is one or more settings:

    \b
      qemu=BINARY  machine=TYPE  smp=N  queue-pairs=N
      property.DRIVER.NAME=VALUE    capability.NAME=on|off    parameter.NAME=VALUE

    Migrations come in blocks of two, one of each arm, the first by chance. A guest is migrated from process to process;
    arms that differ in nothing but capabilities and parameters migrate the same guest, others have a guest each, and
    one stands still while the other is measured. The first migration of a guest does not count.

    Killed or interrupted, the same command goes on where it was. A migration that fails, or a guest that dies, is told
    of in NAME-failures.jsonl and repeated with a new guest; after three times in a row the command ends with exit code
    1. A QEMU that does not start, or is older than the trace events (8.2), ends it with exit code 3.

    `vnetmig downtime --runs DIR` says what came out.
    """
    from vnetmig.cli.output import counted, note, write_blocks, write_json
    from vnetmig.qemu.experiment.run import experiment
    from vnetmig.report.experiment import experiment_blocks

    labels = tuple(f"{arm}: {' '.join(values[f'of_{arm.lower()}']) or '(as --set)'}" for arm in "AB")
    plan = _plan(values)
    with counted("migrations", 2 * plan.migrations) as count:
        found = experiment(plan, folder, lambda run: count())
    if as_json:
        write_json({"plan": plan.as_json(), "resumed": found.resumed, "failures": found.failures, "runs": found.runs})
    else:
        write_blocks(experiment_blocks(found.runs, (labels[0], labels[1]), found.resumed, found.failures))
        note(f"written to {folder}; what came out: vnetmig downtime --runs {folder}")
    return 0


def _plan(values: dict[str, Any]) -> Any:
    from vnetmig.qemu.experiment.arm import Arm, arm_with
    from vnetmig.qemu.experiment.plan import USER_NETWORK, Plan

    both = arm_with(Arm(), [f"qemu={values['qemu']}"] if values["qemu"] is not None else [])
    both = arm_with(both, values["of_both"])
    kept = ("name", "migrations", "seed", "accel", "cpu", "memory", "kernel", "initrd", "append", "ready", "settle")
    return Plan(
        arm_with(both, values["of_a"]),
        arm_with(both, values["of_b"]),
        netdev=values["netdev"] or USER_NETWORK,
        **{name: values[name] for name in kept},
    )
