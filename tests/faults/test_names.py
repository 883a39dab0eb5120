"""Names that somebody chose: on the wire, in a vmdescription, in logs, profiles and file names. None of them moves a
terminal's cursor, becomes markup, ends a JSON text or a script, or names a file that is written.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from big_streams import EOS, MACHINE, described, front, many_sections, section
from command_line import command, run, stream_bytes

import vnetmig
from traces import checkpoint, event
from vnetmig.stream import framing
from vnetmig.stream.ram_words import Block, BlockList

PLAIN = "[red]x[/red][link=file:///etc]</script><script>alert(1)</script>../../x"
"""Printable ASCII, as QEMU's names are."""
EVIL = f"\x1b[2J\x1b]0;title\x07\x9b31m\r\n\u202e\u2066\u2028\x00\x7f{PLAIN}"
"""Whatever JSON, TOML and a log can hold beside."""
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def evil_stream(value: int = 7) -> bytes:
    """A device, a RAM block and fields with such names."""
    fields = [
        {"name": EVIL, "type": "uint32", "size": 4},
        {"name": "s", "type": "struct", "size": 4, "struct": {"vmsd_name": EVIL, "version": 1, "fields": [
            {"name": f"in{EVIL}", "type": EVIL, "size": 4},
        ]}},
    ]  # fmt: skip
    block = PLAIN[:60]
    ram = BlockList(1 << 20, (Block(block, 1 << 20),)).encode(4096)
    parts = [
        front(),
        section(framing.SECTION_START, 1, "ram", 4, ram + EOS),
        section(framing.SECTION_END, 1, "", 0, EOS),
        section(framing.SECTION_FULL, 2, PLAIN, 1, value.to_bytes(4, "big") + b"abcd"),
        section(framing.SECTION_FULL, 3, "other", 1, b"efgh"),
        described(
            [
                {"name": PLAIN, "instance_id": 0, "vmsd_name": EVIL, "version": 1, "fields": fields},
                {"name": "other", "instance_id": 0, "vmsd_name": "o", "version": 1,
                 "fields": [{"name": "a", "type": "buffer", "size": 4}]},
                {"name": EVIL, "instance_id": 0, "vmsd_name": EVIL, "version": 1, "fields": []},
            ]
        ),
    ]  # fmt: skip
    return b"".join(parts)


QUOTED = json.dumps(EVIL).replace("\x7f", "\\u007f")
"""As TOML wants it."""


def evil_profile(*places: str) -> str:
    """A profile with the name in the place of these texts."""
    text = run("profile", "cmdline:vm.sh", "--qemu", "7.2", "-o", "-").stdout
    for place in places:
        assert place in text
        text = text.replace(place, QUOTED)
    return text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the verbs run: two folders deep, so that ``../../x`` is seen when it comes."""
    here = tmp_path / "one" / "two"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    Path("vm.sh").write_text("qemu-system-x86_64 -M pc-i440fx-7.2 -nodefaults -nic user,model=virtio\n")
    Path("evil.qemu").write_bytes(evil_stream())
    Path("other.qemu").write_bytes(evil_stream(8))
    Path("vm.qemu").write_bytes(stream_bytes("linux-user-legacy-q72"))
    Path("evil.toml").write_text(evil_profile('"cmdline:vm.sh"', '"pc.ram"', '"0000:00:00.0/I440FX"'), "utf-8")
    Path("machine.toml").write_text(evil_profile('"pc-i440fx-7.2"'), "utf-8")
    line = EVIL.replace("\n", "").replace("\r", "")
    Path("evil.log").write_text(
        event("save", line.replace(" ", ""), 356)
        + event("save", "0000:00:03.0/virtio-net", 356)
        + checkpoint("src-vm-stopped")
        + event("load", "0000:00:03.0/virtio-net", 673)
        + f"qemu-kvm: Unknown savevm section or instance '{line}' 0\n{line}\n",
        encoding="utf-8",
    )
    Path("name\x1b[2J\x07\u202e[red]<script>.qemu").write_bytes(evil_stream()[:-3000])
    return tmp_path


VERBS: dict[str, tuple[str, ...]] = {
    "inspect": ("inspect", "evil.qemu"),
    "inspect a device": ("inspect", "evil.qemu", PLAIN, "--all"),
    "inspect, broken": ("inspect", "name\x1b[2J\x07\u202e[red]<script>.qemu"),
    "inspect nothing": ("inspect", "evil.qemu", EVIL.replace("\0", "")),
    "check": ("check", "evil.qemu"),
    "check, broken": ("check", "name\x1b[2J\x07\u202e[red]<script>.qemu", "evil.qemu"),
    "check a profile": ("check", "vm.qemu", "--against", "evil.toml"),
    "diff": ("diff", "evil.qemu", "other.qemu"),
    "recode": ("recode", "evil.qemu"),
    "edit": ("edit", "evil.qemu", "--set", f"{PLAIN}:{EVIL.replace(chr(0), '')}=5"),
    "explain": ("explain", f"Unknown savevm section or instance '\x1b[2J\x07\u202e{PLAIN}' 0"),
    "check a profile's machine": ("check", "vm.qemu", "--against", "machine.toml"),
    "profile": ("profile", "evil.toml"),
    "profile of a machine": ("profile", "machine.toml"),
    "profile of a stream": ("profile", "stream:evil.qemu"),
    "matrix": ("matrix", "evil.toml"),
    "matrix of a machine": ("matrix", "machine.toml"),
    "downtime": ("downtime", "evil.log", "evil.log", "--all"),
    "no such file": ("inspect", "no\x1b[2J\u202e[red]"),
}


def harmless(text: str) -> None:
    for line in text.split("\n"):
        assert line.isprintable(), ascii(line)


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("verb", VERBS)
def test_text_in_a_pipe(verb: str, folder: Path) -> None:
    before = files(folder)
    result = run(*VERBS[verb])
    assert result.exit_code in (0, 1, 2, 3)
    assert result.output
    harmless(result.stdout)
    harmless(result.stderr)
    assert files(folder) == before


@pytest.mark.parametrize("verb", VERBS)
def test_json(verb: str, folder: Path) -> None:
    before = files(folder)
    result = run(*VERBS[verb], "--json")
    for one in result.stdout.splitlines() if "evil.qemu" in VERBS[verb][2:] else [result.stdout]:  # of many: lines
        assert isinstance(json.loads(one), dict)
    assert result.stdout.isascii()
    harmless(result.stdout)
    harmless(result.stderr)
    assert files(folder) == before


@pytest.mark.parametrize("verb", ["inspect a device", "explain", "downtime"])
def test_a_terminal_with_colours(verb: str, folder: Path) -> None:
    shown = on_terminal(*VERBS[verb])
    assert COLOURS.search(shown) or "─" in shown, "rich has drawn it"
    bare = COLOURS.sub("", shown).replace("\r\n", "\n")
    harmless(bare)
    assert "]8;" not in shown, "no link was made"


def test_markup_is_shown_as_it_is(folder: Path) -> None:
    assert PLAIN in run("inspect", "evil.qemu").stdout
    bare = COLOURS.sub("", on_terminal("inspect", "evil.qemu"))
    assert PLAIN in bare


class Elements(HTMLParser):
    """Names of the elements, and of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


PAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "inspect": (("inspect", "evil.qemu"), ("inspect", "plain.qemu")),
    "inspect, name": (("inspect", "name\x1b[2J\x07\u202e[red]<script>.qemu"), ("inspect", "plain.qemu")),
    "downtime": (("downtime", "evil.log", "evil.log"), ("downtime", "plain.log", "plain.log")),
    "matrix": (("matrix", "evil.toml"), ("matrix", "plain.toml")),
}


@pytest.mark.parametrize("kind", PAGES)
def test_pages(kind: str, folder: Path) -> None:
    Path("plain.qemu").write_bytes(many_sections(2))
    Path("plain.log").write_text(event("save", "a/virtio-net", 3) + event("load", "a/virtio-net", 6))
    run("profile", "cmdline:vm.sh", "--qemu", "7.2", "-o", "plain.toml")
    evil, plain = PAGES[kind]
    assert run(*evil, "--html", "evil.html").exit_code in (0, 1, 3)
    assert run(*plain, "--html", "plain.html").exit_code in (0, 1)
    text = Path("evil.html").read_text(encoding="utf-8")
    assert Elements(text).found == Elements(Path("plain.html").read_text(encoding="utf-8")).found
    assert "alert(1)" not in text and "\x1b" not in text and "\u202e" not in text
    assert files(folder) - {folder / "one", *files(folder / "one")} == set()


def test_a_name_on_the_wire_that_is_none_is_refused(folder: Path) -> None:
    data = evil_stream().replace(b"\x05other", b"\x05o\x1b[2J")
    Path("wire.qemu").write_bytes(data)
    result = run("inspect", "wire.qemu")
    assert result.exit_code == 3
    harmless(result.output)
    harmless(run("check", "wire.qemu").output)


@pytest.mark.parametrize("name", ["\x1b[2J\x1b]0;x\x07", "</script>\u202e", "a\nb\r\tc"])
def test_a_machine_and_a_block_of_any_name(name: str, folder: Path) -> None:
    raw = name.encode()
    machine = evil_stream().replace(
        len(MACHINE).to_bytes(4, "big") + MACHINE.encode(), len(raw).to_bytes(4, "big") + raw, 1
    )
    block = PLAIN[:60].encode()
    ram = evil_stream().replace(bytes((60,)) + block, bytes((len(raw),)) + raw, 1)
    for data in (machine, ram):
        assert data != evil_stream()
        Path("x.qemu").write_bytes(data)
        for verb in (("inspect",), ("check",), ("diff", "evil.qemu"), ("profile",)):
            given = ("profile", "stream:x.qemu") if verb == ("profile",) else (*verb, "x.qemu")
            harmless(run(*given).output)
            json.loads(run(*given, "--json").stdout)
        run("inspect", "x.qemu", "--html", "x.html")
        assert "\x1b" not in Path("x.html").read_text(encoding="utf-8")


def test_a_document_is_saved_where_it_is_told(folder: Path) -> None:
    before = files(folder)
    stream = vnetmig.load("evil.qemu")
    stream.save("out.qemu")
    assert files(folder) - before == {folder / "one" / "two" / "out.qemu"}
    assert Path("out.qemu").read_bytes() == evil_stream()


def on_terminal(*args: str) -> str:
    main, child = pty.openpty()
    env: dict[str, Any] = {**os.environ, "COLUMNS": "300", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    env.pop("NO_COLOR", None)
    with subprocess.Popen(command(*args), stdout=child, stderr=subprocess.DEVNULL, env=env) as process:
        os.close(child)
        shown = b""
        while True:
            try:
                piece = os.read(main, 1 << 16)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        process.wait(120)
    os.close(main)
    return shown.decode()
