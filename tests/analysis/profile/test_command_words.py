"""A command line in the files that people keep it in."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.analysis.profile.command_words import TEXT_MAX, command_words
from vnetmig.errors import FieldError

WORDS = ["/usr/bin/qemu-system-x86_64", "-name", "guest=vm,debug-threads=on", "-m", "1G", "-nodefaults"]


PLAIN = "/usr/bin/qemu-system-x86_64 -name guest=vm,debug-threads=on -m 1G -nodefaults"

SCRIPT = r"""#!/bin/sh
# my VM, isn't it
set -e
exec /usr/bin/qemu-system-x86_64 \
  -name "guest=vm,debug-threads=on" \
  -m 1G -nodefaults  # no more
"""

LIBVIRT = r"""2026-01-01 10:00:00.000+0000: starting up libvirt version: 9.0.0, qemu version: 7.2.22
LC_ALL=C \
QEMU_AUDIO_DRV=none \
/usr/bin/qemu-system-x86_64 \
-name guest=old \
-m 2G
char device redirected to /dev/pts/1 (label charserial0)
qemu-system-x86_64: warning: host doesn't support requested feature
2026-01-01 11:00:00.000+0000: shutting down, reason=shutdown
LC_ALL=C \
/usr/bin/qemu-system-x86_64 \
-name guest=vm,debug-threads=on \
-m 1G \
-nodefaults
2026-01-02 11:00:00.000+0000: Domain id=3 is tainted: high-privileges
"""


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        SCRIPT,
        SCRIPT.replace("\n", "\r\n"),
        LIBVIRT,
        "LC_ALL=C PATH='/bin:/usr/bin' " + PLAIN.replace("1G", '"1G"'),
        "sudo -E true\n" + PLAIN,
    ],
)
def test_the_words_are_found(text: str) -> None:
    assert command_words(text.encode(), "vm") == WORDS


def test_of_proc() -> None:
    """/proc/PID/cmdline has NULs, and nothing in it is quoted; words may be empty."""
    words = [*WORDS, "-append", "a 'b \\", "-device", "VGA,romfile=", ""]
    assert command_words("".join(word + "\0" for word in words[:-1]).encode(), "cmdline") == words[:-1]


def test_a_quoted_word_over_several_lines() -> None:
    words = command_words(b'qemu -m 1G -device \'{\n "driver": "VGA"\n}\' -nodefaults\n', "vm")
    assert words == ["qemu", "-m", "1G", "-device", '{\n "driver": "VGA"\n}', "-nodefaults"]


@pytest.mark.parametrize("text", ["", "hello\n", "# qemu -m 1G\n", "ls -l\n"])
def test_no_command_line_is_in_it(text: str) -> None:
    with pytest.raises(FieldError, match=r"vm\.txt: no QEMU command line"):
        command_words(text.encode(), "vm.txt")


def test_an_assignment_in_the_program_s_place() -> None:
    with pytest.raises(FieldError, match="expected a program before '-m'"):
        command_words(b"QEMU_AUDIO_DRV=qemu-none -m 1G\n", "vm.txt")


def test_too_much() -> None:
    with pytest.raises(FieldError, match="bytes; a command line has"):
        command_words(bytes(TEXT_MAX + 1), "vm.txt")


def test_a_log_of_apostrophes_takes_no_square() -> None:
    command_words(b"don't\n" * 2001 + b"qemu -m 1G\n", "vm.log")


@given(st.binary(max_size=300))
def test_any_bytes_give_words_or_an_error(data: bytes) -> None:
    with suppress(FieldError):
        assert command_words(data, "x")
