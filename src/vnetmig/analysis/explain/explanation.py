"""What explaining comes to: one explanation for each failure, and what was not understood.

Knows values only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from vnetmig.analysis.catalogue.reading import Value
from vnetmig.analysis.catalogue.wording import Message
from vnetmig.analysis.explain.feature_fault import FeatureFault, FeatureNote


@dataclass(frozen=True, slots=True)
class Explanation:
    """One failure: its first line is the cause, the lines in ``chain`` follow from it."""

    message: Message
    text: str = ""  #: QEMU's words as they stood; empty when a rule's id was asked for
    line: int = 0  #: where, from 1
    values: Mapping[str, Value] = field(default_factory=dict)  #: of the first line
    device: str | None = None  #: idstr, from the chain
    error: str | None = None  #: strerror at the end of the chain
    chain: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  #: what the values say
    features: FeatureFault | None = None
    releases: str | None = None  #: which QEMUs say it so
    times: int = 1  #: how often it stands in the log

    @property
    def id(self) -> str:
        return self.message.id

    @property
    def means(self) -> str:
        return self.message.means

    @property
    def causes(self) -> tuple[str, ...]:
        return self.message.causes

    @property
    def remedies(self) -> tuple[str, ...]:
        return self.message.remedies


@dataclass(frozen=True, slots=True)
class Unknown:
    """A line that looks like an error and that no table has."""

    text: str
    line: int
    nearest: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanations:
    """All there is to say about a text, in its order. Iterating gives the explanations."""

    found: tuple[Explanation, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    harmless: tuple[str, ...] = ()  #: what the lines are that mean nothing
    features: tuple[FeatureNote, ...] = ()  #: when a feature was asked for
    device: str | None = None  #: whose features they are
    cut: bool = False  #: were there more than is told?

    def __iter__(self) -> Iterator[Explanation]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    @property
    def known(self) -> bool:
        return bool(self.found or self.features or (self.harmless and not self.unknown))
