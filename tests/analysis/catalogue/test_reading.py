"""Finding messages in lines: several, nested, beside other text."""

from __future__ import annotations

import pytest

from vnetmig.analysis.catalogue.messages import MESSAGES
from vnetmig.analysis.catalogue.reading import Finder
from vnetmig.analysis.release import Release

FINDER = Finder(MESSAGES)


def ids(line: str) -> list[str]:
    return [reading.message.id for reading in FINDER.find(line)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            (
                "load of migration failed: Invalid argument: error while loading state for instance 0x0 of device "
                "'0000:00:02.0/virtio-net': Failed to load element of type virtio for virtio"
            ),
            ["migration-failed", "device-failed", "element-failed"],
        ),
        (
            (
                "Loading VM subsection 'virtio/64bit_features' in 'virtio' failed: virtio/64bit_features: incoming "
                "version_id 9 is too new for local version_id 1"
            ),
            ["subsection-failed", "vmstate-too-new"],
        ),
        ("Not a migration stream, magic: 51455658 != 5145564d", ["not-a-stream"]),
        ("qemu-system-x86_64: 4 != 2", ["not-equal"]),
        ("if 4 != 2 then", []),
        ("4 != 2, it says", []),
        ("savevm: unsupported version 12 for 'slirp' v11", ["unsupported-version"]),
        ("Unknown savevm section 7", ["unknown-section-id"]),
        ("Unknown savevm section type 7", ["unknown-section-type"]),
        ("NotA migration stream", []),
        ("a virtio_net_change_num_queues: Assertion `old_num_queues >= 3' failed.", ["queue-size-zero"]),
        ("hw/pci/pci.c:12: pci_bus: Assertion `a == 'b'' failed.", ["assertion"]),
    ],
)
def test_what_stands_in_a_line(line: str, expected: list[str]) -> None:
    assert ids(line) == expected


def test_values_are_numbers_in_their_own_base() -> None:
    (reading,) = FINDER.find("virtio-net: curr_queue_pairs 10 > max_queue_pairs 4")
    assert reading.values == {"current": 16, "max": 4}
    (reading,) = FINDER.find("VQ 12 vring.num 1024 exceeds allocated max 256")
    assert reading.values == {"index": 12, "num": 1024, "max": 256}


def test_a_last_value_ends_where_the_next_message_begins() -> None:
    readings = FINDER.find("Failed to load virtio-net:virtio / load of migration failed: Operation not permitted'")
    assert [reading.values for reading in readings] == [
        {"vmsd": "virtio-net", "field": "virtio"},
        {"strerror": "Operation not permitted"},
    ]


def test_both_feature_words_are_told_apart() -> None:
    (reading,) = FINDER.find(f"Features 0x{1 << 65 | 2:032x} unsupported. Allowed features: 0x{2:032x}")
    assert reading.values == {"guest": 1 << 65 | 2, "host": 2} and reading.wording.since == "10.2"


def test_narrowing_forgets_nothing_that_is_there() -> None:
    finder = Finder(MESSAGES)
    finder.narrow("x Missing section footer for slirp y")
    assert [reading.message.id for reading in finder.find("Missing section footer for slirp")] == ["footer-missing"]
    assert not finder.find("4 != 2")


def test_only_one_release() -> None:
    old, new = Finder(MESSAGES, Release.parse("7.2")), Finder(MESSAGES, Release.parse("11.1"))
    assert old.find("Unknown savevm section type 9") and not new.find("Unknown savevm section type 9")
