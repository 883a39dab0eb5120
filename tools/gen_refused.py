"""Record tests/refused/: broken streams, and what real QEMUs do with them.

    python tools/gen_refused.py capture --qemu q72=/usr/bin/qemu-system-x86_64 --kernel vmlinuz --initrd initramfs.cpio
    python tools/gen_refused.py record --qemu q72=/usr/bin/qemu-system-x86_64
    python tools/gen_refused.py again --qemu q72=/usr/bin/qemu-system-x86_64 --only num_queues/

``capture`` makes the base streams of refused_machines.MACHINES that are missing; the guest in ``--initrd`` brings up
its network as lab.ip= and lab.gw= on its command line say, pings the gateway, and prints "lab: READY" on its serial
line; with lab.rss it turns RSS on before.
``record`` loads every base with every mutation and replaces the cases of the QEMUs named. Cases of other QEMUs stay.
``again`` loads recorded cases once more and drops those that do not end alike: a QEMU that writes behind its heap's
blocks dies or not as luck has it.
"""

from __future__ import annotations

import argparse
import itertools
import lzma
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import local

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "qemu"))

import refused_corpus as corpus
from refused_corpus import Case, Edit
from refused_load import isolated, load
from refused_machines import MACHINES, QEMUS

from refused_capture import capture
from refused_framing import configuration, ending, every_section, framing, header, ram
from refused_net import mac_table, net_fields, offloads, queue_pairs, rss, truncation
from refused_others import destinations, other_devices
from refused_pci import msix, pci_config, pci_device, transport
from refused_subject import Mutation, Subject
from refused_subsections import added, modern_state, packed, subsections
from refused_virtio import (
    config,
    features,
    last_avail,
    memory,
    num_queues,
    queue_addresses,
    queue_num,
)

WORKERS = 2

SPLIT = ("1q", "4q", "legacy")
EVERY = (*SPLIT, "packed", "rss")
#  group                                         machines it is done to
GROUPS: dict[Callable[[Subject], Iterator[Mutation]], tuple[str, ...]] = {
    header: ("1q",),
    configuration: ("1q",),
    framing: ("1q",),
    every_section: ("1q",),
    ending: ("1q",),
    ram: ("1q",),
    truncation: SPLIT,
    pci_config: ("1q", "legacy"),
    pci_device: ("1q",),
    msix: ("1q", "4q"),
    transport: ("1q", "legacy"),
    features: SPLIT,
    config: ("1q", "4q", "rss"),
    num_queues: SPLIT,
    queue_num: (*SPLIT, "packed"),
    queue_addresses: (*SPLIT, "packed"),
    last_avail: (*SPLIT, "packed"),
    memory: SPLIT,
    net_fields: ("1q", "4q"),
    mac_table: SPLIT,
    queue_pairs: EVERY,
    offloads: ("1q", "4q"),
    rss: ("1q", "4q", "rss"),
    subsections: EVERY,
    added: (*SPLIT, "packed"),
    modern_state: ("1q", "packed"),
    packed: ("packed",),
    other_devices: ("multi",),
}

# What the machines of SPLIT do not have.
OWN = {"packed": ("packed_virtqueues",), "rss": ("rss", "128bit_features")}


@dataclass(frozen=True, slots=True)
class Plan:
    """A case before it was tried."""

    name: str
    machine: str
    edits: tuple[Edit, ...] = ()
    destination: tuple[tuple[str, str], ...] = ()


def plans(qemu: str) -> Iterator[Plan]:
    """Every case of ``qemu``."""
    for machine in MACHINES:
        own = OWN.get(machine)
        subject = Subject(machine, corpus.base(machine, qemu))
        yield Plan("good/unchanged", machine)
        for group, machines in GROUPS.items():
            if machine in machines:
                for name, edits in group(subject):
                    if group is subsections and own is not None and not name.startswith(own):
                        continue
                    yield Plan(f"{group.__name__}/{name}", machine, edits)
        for name, edits in truncation(subject):
            if own is not None and name.startswith(own):
                yield Plan(f"truncation/{name}", machine, edits)
        for name, replaced in destinations(machine, qemu):
            yield Plan(f"destination/{name}", machine, (), replaced)


def distinct(qemu: str) -> list[Plan]:
    """``plans`` without those that have the name of an earlier one."""
    return list({(plan.machine, plan.name): plan for plan in reversed(list(plans(qemu)))}.values())[::-1]


def record(binary: str, qemu: str, chosen: Iterable[Plan]) -> Iterator[Case]:
    """Load each of ``chosen``."""
    scratch = local()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:

        def one(plan: Plan) -> Case | None:
            if not hasattr(scratch, "file"):
                scratch.file = Path(tempfile.mkstemp(dir=folder)[1])
            scratch.file.write_bytes(corpus.edited(corpus.base(plan.machine, qemu), plan.edits))
            arguments = corpus.arguments(MACHINES[plan.machine].arguments(qemu), plan.destination)
            command = [binary, *arguments]
            try:
                outcome = load(isolated(command) if "tap," in " ".join(arguments) else command, scratch.file)
            except RuntimeError as error:
                print(f"{qemu} {plan.machine} {plan.name}: {error}", file=sys.stderr)
                return None
            return Case(
                *(plan.name, plan.machine, qemu, plan.edits, outcome.result, outcome.stderr),
                destination=plan.destination,
            )

        yield from filter(None, pool.map(one, chosen))


def unsteady(binary: str, qemu: str, recorded: list[Case]) -> set[str]:
    """The ids of those of ``recorded`` that end otherwise when loaded again."""
    chosen = [Plan(case.name, case.base, case.edits, case.destination) for case in recorded]
    ends = {case.id: (case.result, case.first) for case in record(binary, qemu, chosen)}
    return {case.id for case in recorded if ends.get(case.id) != (case.result, case.first)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("capture", "record", "again"))
    parser.add_argument("--qemu", action="append", required=True, metavar="NAME=BINARY", help=f"of {', '.join(QEMUS)}")
    parser.add_argument("--kernel", type=Path)
    parser.add_argument("--initrd", type=Path)
    parser.add_argument("--only", default="", help="cases whose name begins so (the others are kept)")
    given = parser.parse_args()
    binaries = dict(text.split("=", 1) for text in given.qemu)
    if given.what == "capture":
        corpus.FOLDER.mkdir(exist_ok=True)
        for (name, binary), machine in itertools.product(binaries.items(), MACHINES.values()):
            path = corpus.base_path(machine.name, name)
            if not path.exists():
                data = capture(binary, machine, name, given.kernel, given.initrd)
                path.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
        return
    kept = list(corpus.cases()) if corpus.CASES.exists() else []
    if given.what == "again":
        for name, binary in binaries.items():
            chosen = [case for case in kept if case.qemu == name and case.name.startswith(given.only)]
            varying = unsteady(binary, name, chosen)
            print(f"{name}: {len(chosen)} cases, dropped: {sorted(varying)}")
            kept = [case for case in kept if case.id not in varying]
        corpus.store(kept)
        return
    for name, binary in binaries.items():
        new = list(record(binary, name, [plan for plan in distinct(name) if plan.name.startswith(given.only)]))
        kept = [case for case in kept if case.qemu != name or not case.name.startswith(given.only)] + new
        corpus.store(kept)
        print(f"{name}: {len(new)} cases")


if __name__ == "__main__":
    main()
