"""The known messages that an unknown line is most like.

Knows words: the fewer messages have a word, the more it says. Knows no message by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from vnetmig.analysis.catalogue.wording import Message

_WORD = re.compile(r"[A-Za-z_]{2,40}")
_LONGEST = 2000


def nearest(messages: Iterable[Message], line: str, most: int = 3) -> list[Message]:
    """Those that share the rarest words with ``line``, best first; none when nothing is shared."""
    wanted = {word.lower() for word in _WORD.findall(line[:_LONGEST])}
    known = [(message, _words(message)) for message in messages if message.wordings]
    counts: dict[str, int] = {}
    for _, words in known:
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    rated = []
    for message, words in known:
        shared = sum(1 / counts[word] for word in words & wanted)
        if shared > 0.1:
            rated.append((shared / len(words) ** 0.5, message))
    rated.sort(key=lambda entry: -entry[0])
    return [message for _, message in rated[:most]]


def _words(message: Message) -> set[str]:
    texts = " ".join(re.sub(r"\{[^}]*\}", " ", wording.text) for wording in message.wordings)
    return {word.lower() for word in _WORD.findall(texts + " " + message.id)}
