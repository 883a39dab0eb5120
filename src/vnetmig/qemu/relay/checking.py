"""Checking a migration while it goes by: each section beside what came before it, before the destination gets it.

Knows how a stream without its guest memory is put together out of what has come. Must not know how bytes are held back;
the rules are `analysis.check`'s.
"""

from __future__ import annotations

from typing import Final

from vnetmig.analysis.check.check import check
from vnetmig.analysis.check.stream_rules import takes
from vnetmig.analysis.finding import CheckResult, Severity
from vnetmig.analysis.profile.from_stream import OfStream
from vnetmig.analysis.profile.profile import Profile
from vnetmig.document.load import load
from vnetmig.errors import FieldError
from vnetmig.qemu.relay.refusal import Refusal
from vnetmig.stream.events import Command, Configuration, Eof, FileHeader, SectionFooter, SectionStart
from vnetmig.stream.passed import RamPassed
from vnetmig.stream.payload import SectionHeader
from vnetmig.stream.ram_words import PAGE_SIZE, Block, BlockList, EndOfSection, encode_words
from vnetmig.virtio.section import device_of

KEPT_MAX: Final = 256 << 20
"""Bytes of device sections that are kept for the check of the whole; real machines have a few megabytes at most."""

_EOF: Final = Eof().encode()
_UNDECIDED: Final = "vmdesc-unexpected"
"""A stream that has been cut behind its devices has no description: that says nothing of the migration."""


class Checking:
    """``opening`` takes what stands in front of the sections, ``ram`` the block list, ``section`` each FULL section.

    ``qemu``: the destination's release, where ``against`` does not say it. A Refusal is raised as soon as the
    destination would not take it (``strict``: at the end also for warnings).
    """

    def __init__(
        self,
        against: Profile | OfStream,
        *,
        qemu: str | None = None,
        strict: bool = False,
        engine: str | None = None,
    ) -> None:
        if isinstance(against, OfStream) and qemu is None:
            raise FieldError("nothing in a migration says which QEMU waits at the other end\n  give --qemu VERSION")
        self.result = CheckResult()
        self._against = against
        self._qemu = qemu
        self._least = Severity.WARNING if strict else Severity.REFUSED
        self._engine = engine
        self._opening = bytearray()
        self._sections = bytearray()

    def opening(self, event: FileHeader | Configuration | Command) -> None:
        self._opening += event.encode()

    def ram(self, start: SectionStart, passed: RamPassed, page_size: int = PAGE_SIZE) -> None:
        """The section that lists RAM blocks. What is refused here is refused while the source runs undisturbed."""
        self._opening += start.encode() + _block_list(passed.blocks, page_size)
        self._opening += SectionFooter(start.section_id).encode()
        self._judge(bytes(self._opening) + _EOF)

    def section(self, start: SectionStart, rest: bytes) -> None:
        """A FULL section; ``rest`` is its payload with its footer."""
        whole = start.encode() + rest
        if not self._is_quiet(start.header):
            self._judge(bytes(self._opening) + whole + _EOF)
        if len(self._sections) + len(whole) > KEPT_MAX:
            raise Refusal(f"the devices' state is larger than {KEPT_MAX >> 20} MiB: it cannot be checked as it goes by")
        self._sections += whole

    def end(self) -> None:
        """All sections have come: what only shows in all of them together."""
        found = self._checked(bytes(self._opening + self._sections) + _EOF)
        self.result = found
        if found.worst >= self._least:
            raise _refusal(found, self._least)

    def _is_quiet(self, header: SectionHeader) -> bool:
        """Nothing but the end has something to say to it: the guest stands still while sections are looked at."""
        if device_of(header.idstr) is not None:
            return False
        return isinstance(self._against, OfStream) or takes(header, None, self._against, ())

    def _judge(self, data: bytes) -> None:
        found = self._checked(data)
        if found.refusing is not None:
            self.result = found
            raise _refusal(found, Severity.REFUSED)

    def _checked(self, data: bytes) -> CheckResult:
        found = check(
            load(data, partial=True, engine=self._engine), self._against, qemu=self._qemu, engine=self._engine
        )
        kept = [one for one in found if one.rule != _UNDECIDED]
        return CheckResult(kept, found.qemu, found.against, found.assumed)


def _block_list(blocks: tuple[Block, ...], page_size: int) -> bytes:
    return encode_words([BlockList(sum(block.used_length for block in blocks), blocks), EndOfSection()], page_size)


def _refusal(found: CheckResult, least: Severity) -> Refusal:
    worst = found.refusing or next(one for one in found if one.severity >= least and not one.follows)
    where = f"'{worst.device}': " if worst.device is not None and worst.device not in worst.message else ""
    return Refusal(f"the destination (QEMU {found.qemu}) would not take this: {where}{worst.message}", found)
