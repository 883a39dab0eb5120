"""Write the tables and diagrams of docs/protocol.md from the code; the prose between them stays.

`tools/gen_protocol.py` writes them, `tools/gen_protocol.py --check` fails when they are stale. A block stands between
`<!-- generated: NAME -->` and `<!-- end of NAME -->`.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import lru_cache
from pathlib import Path

from protocol_runs import Play, diagrams, failures
from vnetmig.backend import states as backend
from vnetmig.engine import python_delta
from vnetmig.migration import (
    capabilities,
    delta_handlers,
    destination_states,
    handover,
    options,
    preheat_handlers,
    result,
    source,
    source_states,
    tentative_state,
)
from vnetmig.migration.decoders import EARLY_SUFFIX
from vnetmig.stream import iterative, tentative
from vnetmig.stream.tentative import ON_BASE, Frame
from vnetmig.virtio import used_queues
from vnetmig.virtio.resync import ALWAYS_CHANGE
from vnetmig.vmstate.delta import identity, make_delta

TARGET = Path(__file__).resolve().parent.parent / "docs" / "protocol.md"
_BLOCK = re.compile(r"<!-- generated: ([\w-]+) -->\n.*?<!-- end of \1 -->", re.DOTALL)
COMMON = 6
"""A turn that leads from so many states to the same one is a line of text, not arrows."""


def table(head: str, rows: Iterable[tuple[object, ...]]) -> str:
    titles = [title.strip() for title in head.split("|")]
    lines = [titles, ["---"] * len(titles), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mermaid(lines: Iterable[str]) -> str:
    return "\n".join(("```mermaid", *lines, "```"))


def code(value: object) -> str:
    return f"`{value}`"


# The RFC.


def rfc_flags() -> str:
    meaning = {
        iterative.INIT_STATE: "a whole device state follows",
        iterative.END_DATA: "nothing more in this section",
        iterative.NO_DATA: "nothing at all in this section",
    }
    rows = [(name, f"`{flag:#018x}`", meaning[flag]) for flag, name in iterative.FLAG_NAMES.items()]
    return table("flag | u64 | meaning", rows)


# Extensions.


def extension_names() -> str:
    on = {
        capabilities.HANDOVER: "messages behind the end of the stream, both ways; the destination waits for START",
        capabilities.DELTA: f"sections `...{delta_handlers.IDSTR_SUFFIX}`; virtio-net's FULL section holds a frame",
        capabilities.EARLY: f"FULL sections `...{EARLY_SUFFIX}` at setup; virtio-net's own FULL section holds a frame",
        capabilities.PREHEAT: f"sections `...{preheat_handlers.SUFFIX}` and `{preheat_handlers.DESCRIPTION}`",
        capabilities.USED_QUEUES: "every virtio device's FULL section holds a frame; whole states are PACKED_STATE",
    }
    rows = [
        (
            code(name),
            name.rpartition("-")[2],
            ", ".join(map(code, capabilities.REQUIRES.get(name, ()))) or "-",
            on[name],
        )
        for name in capabilities.EXTENSIONS
    ]
    return table("capability | version | needs | when it is on; nothing of it is on the wire when it is off", rows)


def frames() -> str:
    meaning = {
        tentative.FULL_STATE: "the state",
        tentative.PACKED_STATE: "the state without unused queue entries",
        tentative.DELTA: "a delta from the base; empty when nothing changed",
        tentative.RESYNC: "the values that always change, one behind the other",
        tentative.NO_STATE: "-",
    }
    rows = []
    for flag, name in tentative.FLAG_NAMES.items():
        at = tentative.FLAG_BYTES
        parts = [f"0: flag `{flag:#018x}`"]
        if flag in ON_BASE:
            parts += [f"{at}: base", f"{at + tentative.IDENTITY_BYTES}: identity"]
            at += 2 * tentative.IDENTITY_BYTES
        if flag != tentative.NO_STATE:
            parts += [f"{at}: length u32", f"{at + tentative.LENGTH_BYTES}: data"]
        rows.append((name, "; ".join(parts), meaning[flag]))
    return table("frame | offset: what stands there | data", rows)


def frame_examples() -> str:
    whole = identity(b"state")
    unchanged = tentative_state.following(whole, b"")
    delta = make_delta(b"state", b"stage")
    changed = tentative_state.following(unchanged, delta)
    examples = {
        "nothing to say": Frame(tentative.NO_STATE),
        "a state of five bytes": Frame(tentative.FULL_STATE, b"state"),
        "no change since": Frame(tentative.DELTA, b"", whole, unchanged),
        "one byte changed": Frame(tentative.DELTA, delta, unchanged, changed),
    }
    return table("example | bytes", ((what, code(frame.encode().hex(" ", -4))) for what, frame in examples.items()))


def resync_values() -> str:
    return table(
        "value | of each queue",
        ((code(path), ", ".join(map(code, columns)) or "-") for path, columns in ALWAYS_CHANGE.items()),
    )


def used_queues_layout() -> str:
    rows = [
        (1, "encoding", ", ".join(f"{number} {name}" for name, number in used_queues.ENCODINGS.items())),
        (4, "size", f"bytes of the whole state, at most {used_queues.SIZE_MAX}"),
        (1, "number of arrays", f"at most {used_queues.ARRAYS_MAX}"),
        (f"{used_queues._ARRAY.size} each", "offset u32, stride u16, elements u16", "ascending, not overlapping"),
        ("n", "the rest", "all bytes of the state that are in no array"),
        ("k each", "entries of an array", "the unused one; count: a u16, then those up to the last other one"),
        ("", "", "bitmap: a bit for each entry, least significant first, then the others"),
    ]
    return table("bytes | field | remark", rows)


def delta_format() -> str:
    base = bytes(4000)
    target = bytes(2000) + b"new" + bytes(1997)
    rows = [
        ("magic", code(f"{python_delta.MAGIC:#04x}"), "the format; another one gets another number"),
        ("block", python_delta._BLOCK, "bytes that are told together; equal ones are skipped by number"),
        ("line", python_delta._LINE, "bytes that one mask covers"),
        ("gap", python_delta._GAP, "equal bytes between two changes that are not worth a run of their own"),
    ]
    made = make_delta(base, target).hex(" ")
    return table("constant | value | meaning", rows) + f"\n\n4,000 zeros, of which `new` replaces three: `{made}`."


def handover_messages() -> str:
    rows = []
    for number, kind in handover._NUMBERS.items():
        side = "source" if kind in handover._ORDERS else "destination"
        said = " ".join((kind.__doc__ or "").split()).partition(": ")[2]
        limit = handover.LENGTH_MAX if kind is handover.Resend else handover.SMALL_MAX
        rows.append((number, kind.__name__, side, said, limit))
    return table("type | message | from | meaning | most bytes", rows)


def limits() -> str:
    rows = [
        ("bytes of a frame's data", tentative.FRAME_MAX),
        ("bytes of the state that a DELTA makes", tentative.FRAME_MAX),
        ("bytes of a packed state unpacked", used_queues.SIZE_MAX),
        ("bytes of a hand-over message (RESEND)", handover.LENGTH_MAX),
        ("bytes of every other hand-over message", handover.SMALL_MAX),
        ("devices in NEED_FULL", handover.DEVICES_MAX),
        ("times that whole states are asked for behind the end", source.RESEND_ROUNDS_MAX),
        ("times that a device's state is sent again while the guest runs", options.RESENDS_MAX),
        ("states in one section of the RFC", iterative.STATES_MAX),
        ("bytes of a result's JSON", result.HEADER_MAX),
        ("bytes of all payloads in a result", result.DATA_MAX),
        ("sections in a result", result.SECTIONS_MAX),
    ]
    return table("limit | value", rows)


# State machines.


def machine(
    transitions: Mapping[tuple[Enum, Enum], Enum], owners: Mapping[Enum, str], first: Enum, default: str
) -> str:
    """The diagram, then the turns that come from so many states that arrows would hide the rest."""
    sources: dict[tuple[Enum, Enum], list[Enum]] = defaultdict(list)
    for (state, turn), following in transitions.items():
        sources[turn, following].append(state)
    common = {key: states for key, states in sources.items() if len(states) >= COMMON}
    lines = ["stateDiagram-v2", f"    [*] --> {first.name}"]
    states = dict.fromkeys(s for (state, _), following in transitions.items() for s in (state, following))
    for state in states:
        owner = owners.get(state, default)
        lines.append(f"    {state.name}: {state.value}" + (f" ({owner})" if owner else ""))
    for (state, turn), following in transitions.items():
        if (turn, following) not in common:
            lines.append(f"    {state.name} --> {following.name}: {turn.name}")
    text = mermaid(lines)
    if common:
        rows = [
            (turn.name, turn.value, ", ".join(s.name for s in found), to.name) for (turn, to), found in common.items()
        ]
        text += "\n\n" + table("turn | meaning | from | to", rows)
    drawn = dict.fromkeys(turn for _, turn in transitions if all(turn is not common_turn for common_turn, _ in common))
    return text + "\n\n" + table("turn | meaning", ((turn.name, turn.value) for turn in drawn))


def source_machine() -> str:
    return machine(source_states.TRANSITIONS, source_states.OWNERS, source_states.State.HEADER, "source")


def destination_machine() -> str:
    return machine(destination_states.TRANSITIONS, destination_states.OWNERS, destination_states.Phase.SETUP, "source")


def backend_machine() -> str:
    return machine(backend.TRANSITIONS, {}, backend.State.IDLE, "")


# Runs.


@lru_cache(maxsize=1)
def _played() -> tuple[tuple[str, Play], ...]:
    return tuple(diagrams())


def modes() -> str:
    rows = []
    for title, play in _played():
        if title == play.source.mode.name:
            forms = {final.form or "the state" for final in play.source.plan.finals.values()} or {"the state"}
            names = ", ".join(map(code, play.source.plan.capabilities)) or "-"
            rows.append((code(title), names, play.early, play.final, ", ".join(sorted(forms))))
    head = (
        "mode | announces | bytes while the guest runs | bytes with the guest stopped | virtio-net's FULL section holds"
    )
    return table(head, rows)


def runs() -> str:
    return "\n\n".join(f"### {title}\n\n{mermaid(play.lines)}" for title, play in _played())


def failed_runs() -> str:
    """From the end of the stream on, where it was reached: what comes before is as without the failure."""
    parts = []
    for title, play in failures():
        lines = play.lines
        end = next((i for i, line in enumerate(lines) if "EOF" in line), 3)
        parts.append(f"### {title}\n\n{mermaid([*lines[:3], *lines[end:]])}")
    return "\n\n".join(parts)


BLOCKS: dict[str, Callable[[], str]] = {
    "rfc-flags": rfc_flags,
    "extensions": extension_names,
    "frames": frames,
    "frame-examples": frame_examples,
    "resync": resync_values,
    "used-queues": used_queues_layout,
    "delta": delta_format,
    "handover": handover_messages,
    "limits": limits,
    "source-machine": source_machine,
    "destination-machine": destination_machine,
    "backend-machine": backend_machine,
    "modes": modes,
    "runs": runs,
    "failures": failed_runs,
}


def render(text: str) -> str:
    """``text`` with every block as the code has it."""
    found = _BLOCK.findall(text)
    if sorted(found) != sorted(BLOCKS):
        raise SystemExit(f"{TARGET.name}: blocks {sorted(set(BLOCKS) ^ set(found))} stand in one place only")
    return _BLOCK.sub(lambda m: f"<!-- generated: {m[1]} -->\n{BLOCKS[m[1]]()}\n<!-- end of {m[1]} -->", text)


def main() -> int:
    text = TARGET.read_text(encoding="utf-8")
    made = render(text)
    if "--check" in sys.argv[1:]:
        if made != text:
            print(f"{TARGET.name} is stale: run tools/gen_protocol.py", file=sys.stderr)
        return int(made != text)
    TARGET.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
