"""vnetmig explain: where the text comes from, exit codes, and what starting it loads."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import click
import pytest
from command_line import run, run_json

from vnetmig.cli.explain import command

LINE = "Features 0x1c0010130afffaf unsupported. Allowed features: 0x10179bfffef"


def test_a_line() -> None:
    result = run("explain", LINE)
    assert result.exit_code == 0 and "VIRTIO_NET_F_GUEST_USO4" in result.stdout


def test_words_without_quotes() -> None:
    assert run("explain", *LINE.split()).stdout == run("explain", LINE).stdout


@pytest.mark.parametrize("args", [("explain", "-"), ("explain",)])
def test_a_log_on_stdin(args: tuple[str, ...]) -> None:
    log = f"qemu-kvm: {LINE}\nqemu-kvm: Failed to load virtio-net:virtio\n\xff\n".encode("latin-1")
    made = run_json(*args, stdin=log)
    (entry,) = made["explanations"]
    assert entry["rule"] == "features-unsupported" and entry["chain"] == ["Failed to load virtio-net:virtio"]


def test_what_nobody_knows_is_1() -> None:
    result = run("explain", "the section footer of the frobnicator is missing")
    assert result.exit_code == 1
    assert "footer-missing" in result.stdout and not result.stderr


def test_one_release() -> None:
    assert run("explain", "--qemu", "11.1", "Unknown savevm section type 9").exit_code == 1
    assert run("explain", "--qemu", "7.2", "Unknown savevm section type 9").exit_code == 0


def test_no_release_is_wrong_usage() -> None:
    result = run("explain", "--qemu", "seven", "x")
    assert result.exit_code == 2 or "is no QEMU version" in str(result.exception)


def test_the_list() -> None:
    result = run("explain", "--list")
    assert result.exit_code == 0 and "\nfooter-missing " in result.stdout
    made = run_json("explain", "--list", "--qemu", "5.2")
    (rule,) = (rule for rule in made["rules"] if rule["rule"] == "queue-pairs")
    assert [wording["text"] for wording in rule["wordings"]] == [
        "virtio-net: curr_queues {current:x} > max_queues {max:x}"
    ]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_it_loads_nothing_heavy(options: list[str]) -> None:
    """A line has to be explained while somebody looks at it: no engine, no numpy, no terminal library."""
    code = f"""
import sys
from vnetmig.cli import main
try:
    main(["explain", {LINE!r}, *{options!r}], prog_name="vnetmig")
except SystemExit as end:
    assert not end.code
print(*sorted(sys.modules))
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(made.stdout.splitlines()[-1].split())
    heavy = {"rich", "numpy", "cffi", "vnetmig.engine", "vnetmig.vmstate", "vnetmig.stream", "vnetmig.document", "html"}
    assert not loaded & heavy


def test_nothing_to_explain_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(click.UsageError, match="a line to explain is missing"):
        command.callback((), None, False, False)  # type: ignore[misc]
