"""What QEMU says when it refuses a stream: one entry for each message, its wording release by release.

Knows how a wording is written: ``{name:format}`` stands for a value. Knows no stream and no rule. The messages
themselves are tables in the modules beside this one, one for each layer of QEMU's loader; ``reading.py`` finds them in
a line.
"""

from __future__ import annotations

from dataclasses import dataclass

from vnetmig.analysis.release import Release

DESTINATION, SOURCE, EITHER, MANAGEMENT = "destination", "source", "either side", "management layer"


@dataclass(frozen=True, slots=True)
class Wording:
    """One wording, in use from release ``since`` to before ``until``. The text is a ``str.format`` template."""

    text: str
    since: str | None = None
    until: str | None = None

    def used_by(self, release: Release) -> bool:
        return release.since(self.since) and not (self.until is not None and release.since(self.until))


@dataclass(frozen=True, slots=True)
class Message:
    """A message of QEMU's, what it means and what to do about it.

    Without wordings it is a fault that QEMU does not report. Of two wordings in one release the first is what a plain
    refusal says; the others stand in the same release in other circumstances.
    """

    id: str  #: also the id of the rule of `vnetmig check` that foresees it
    source: str  #: QEMU file:symbol
    wordings: tuple[Wording, ...]
    means: str  #: one or two sentences
    causes: tuple[str, ...]  #: who usually did it, likeliest first
    remedies: tuple[str, ...]  #: what to do, likeliest to help first
    see: tuple[str, ...] = ()  #: public threads and bug numbers
    follows: bool = False  #: does it only pass on what another message said before it?
    side: str = DESTINATION  #: who prints it

    def wording(self, release: Release) -> Wording | None:
        """What ``release`` says; None when it says nothing."""
        return next((wording for wording in self.wordings if wording.used_by(release)), None)

    def say(self, release: Release, **values: object) -> str | None:
        """The message of ``release`` with ``values`` in it; None when that release says nothing."""
        found = self.wording(release)
        return None if found is None else found.text.format_map(values)
