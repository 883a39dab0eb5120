"""Write docs/format.md from the descriptions: the tables that the programs are compiled from, for people.

`tools/gen_format.py` writes it, `tools/gen_format.py --check` fails when it is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from vnetmig.virtio.section import SECTIONS
from vnetmig.vmstate.description import Check, Field, Item, List, Optional, Struct, Vmsd
from vnetmig.vmstate.expression import Expr

TARGET = Path(__file__).resolve().parent.parent / "docs" / "format.md"

HEAD = """\
# The format of virtio device sections

Generated from the descriptions in `src/vnetmig/virtio/` by `tools/gen_format.py`. Every integer is big-endian unless
its type says `le`; there is no padding. `$name` is a parameter: it is not on the wire, and follows from what was read
before (PCI config space, idstr) or is tried out, with the end of the section as the judge.

| parameter | meaning |
|---|---|
| `$mmio` | 1: virtio-mmio transport, 0: PCI |
| `$config_size` | bytes of PCI config space: 256, or 4096 when the device is PCI Express |
| `$vectors` | entries of the MSI-X table; 0 without MSI-X |
| `$multiqueue` | 1: the NIC has more than one backend queue pair |
| `$packed_elements` | 1: packed rings are offered, so in-flight elements carry `ndescs` |
"""


def number(count: int | Expr | None) -> str:
    return "" if count is None else str(count)


def condition(item: Item) -> str:
    when = getattr(item, "when", None)
    since = getattr(item, "since", 0)
    parts = [f"`{when}`"] if when is not None else []
    if since:
        parts.append(f"since version {since}")
    return ", ".join(parts)


def rows(vmsd: Vmsd, prefix: str = "") -> Iterator[str]:
    for item in vmsd.fields:
        if isinstance(item, Check):
            yield f"| | | | must hold: `{item.got}` {item.relation.name.lower().replace('_', ' ')} `{item.expected}` |"
            continue
        path = f"{prefix}{item.name}" if item.name else prefix.rstrip(".")
        if isinstance(item, Field):
            yield f"| `{path}` | {item.type.name} | {number(item.count)} | {condition(item)} |"
            continue
        kind = {Struct: "struct", Optional: "struct, optional", List: "list"}[type(item)]
        if isinstance(item, List):
            kind += f", u{8 * item.marker} marker before each, zero at the end"
        count = number(getattr(item, "count", None))
        if item.name and (count or not isinstance(item, Struct)):
            yield f"| `{path}[]` | {kind} | {count} | {condition(item)} |"
            inner = f"{path}[]."
        else:
            note = condition(item)
            if note and item.name:
                yield f"| `{path}` | {kind} | | {note} |"
            inner = f"{path}." if item.name else prefix
        yield from rows(item.body, inner)
        for sub in item.body.subsections:
            yield f"| | subsection | | see `{sub.name}` |"


def subsections(vmsd: Vmsd) -> Iterator[Vmsd]:
    for sub in vmsd.subsections:
        yield sub
        yield from subsections(sub)
    for item in vmsd.fields:
        if isinstance(item, Struct | Optional | List):
            yield from subsections(item.body)


def table(vmsd: Vmsd) -> list[str]:
    return ["", "| field | type | number | there when |", "|---|---|---|---|", *rows(vmsd)]


def render() -> str:
    lines = [HEAD]
    shown: set[str] = set()
    for name, (vmsd, _) in SECTIONS.items():
        lines += ["", f"## {name}, version {vmsd.version}", *table(vmsd)]
    lines += ["", "# Subsections", "", "On the wire: u8 0x05, u8 length and name, u32 version, then the fields."]
    for vmsd, _ in SECTIONS.values():
        for sub in subsections(vmsd):
            if sub.name not in shown:
                shown.add(sub.name)
                lines += ["", f"## `{sub.name}`, version {sub.version}"]
                lines += table(sub) if sub.fields or not sub.subsections else ["", "Subsections only."]
    return "\n".join(lines) + "\n"


def main() -> int:
    text = render()
    if "--check" in sys.argv[1:]:
        stale = not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text
        if stale:
            print(f"{TARGET.name} is stale: run tools/gen_format.py", file=sys.stderr)
        return int(stale)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
