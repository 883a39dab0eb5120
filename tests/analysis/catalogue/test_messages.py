"""The tables: complete, and with wordings that can be written and read back."""

from __future__ import annotations

import string

import pytest
from rule_ids import RULES

from vnetmig.analysis.catalogue.messages import MESSAGES, message, messages_of
from vnetmig.analysis.catalogue.reading import Finder
from vnetmig.analysis.catalogue.wording import DESTINATION, EITHER, MANAGEMENT, SOURCE, Message, Wording
from vnetmig.analysis.release import WATCHED, Release
from vnetmig.errors import FieldError

FINDER = Finder(MESSAGES)
IDS = [entry.id for entry in MESSAGES]
WORDINGS = [(entry, wording) for entry in MESSAGES for wording in entry.wordings]

#   value      what stands for it here; other texts get a word
TEXTS = {
    "strerror": "Invalid argument",
    "block": "0000:00:03.0/virtio-net-pci.rom",
    "idstr": "0000:00:03.0/virtio-net",
    "type": "pci config",
    "condition": "a >= 3 && b != 'c'",
    "reason": "the reason: 1 of 2",
    "features": "vmx-vmfunc,vmx-rdseed-exit",
}


def values_for(wording: Wording) -> dict[str, int | str]:
    made: dict[str, int | str] = {}
    for place, (_, name, form, _) in enumerate(string.Formatter().parse(wording.text)):
        if name is not None:
            made[name] = 0x1A0 + place if form else TEXTS.get(name, f"some{place}")
    return made


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_an_entry(rule: str) -> None:
    assert message(rule).id == rule


def test_no_id_twice() -> None:
    assert sorted(set(IDS)) == sorted(IDS)


@pytest.mark.parametrize("entry", MESSAGES, ids=IDS)
def test_every_entry_says_what_who_and_how(entry: Message) -> None:
    assert entry.means.endswith(".")
    assert entry.causes and entry.remedies
    assert all(text.strip() == text and len(text) > 10 for text in (*entry.causes, *entry.remedies))
    assert entry.side in {DESTINATION, SOURCE, EITHER, MANAGEMENT}
    assert all(address.startswith("https://") for address in entry.see)


@pytest.mark.parametrize(("entry", "wording"), WORDINGS, ids=[f"{e.id}-{w.text[:40]}" for e, w in WORDINGS])
def test_what_is_written_is_read_back(entry: Message, wording: Wording) -> None:
    values = values_for(wording)
    line = f"2026-01-09T18:20:49.709830Z qemu-kvm: {wording.text.format_map(values)}"
    found = [reading for reading in FINDER.find(line) if reading.message is entry]
    assert [reading.values for reading in found] == [values]


@pytest.mark.parametrize("entry", MESSAGES, ids=IDS)
@pytest.mark.parametrize("version", WATCHED)
def test_a_release_that_says_something_is_read_by_its_own_wordings(entry: Message, version: str) -> None:
    release = Release.parse(version)
    wording = entry.wording(release)
    if wording is None:
        assert entry.say(release) is None
        return
    said = entry.say(release, **values_for(wording))
    assert said is not None
    assert entry in [reading.message for reading in Finder(MESSAGES, release).find(said)]


def test_a_message_that_nobody_has() -> None:
    with pytest.raises(FieldError, match="--list"):
        message("frobnicated")


def test_the_wordings_of_one_release() -> None:
    (entry,) = (entry for entry in messages_of(Release.parse("7.2")) if entry.id == "queue-pairs")
    assert [wording.text for wording in entry.wordings] == [
        "virtio-net: curr_queue_pairs {current:x} > max_queue_pairs {max:x}"
    ]
    assert messages_of(None) == MESSAGES
