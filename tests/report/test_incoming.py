"""What a destination says of itself."""

from __future__ import annotations

from between import STREAMS, machine_of, migrated
from runs import there

from vnetmig.migration.destination import Destination
from vnetmig.migration.source import Source
from vnetmig.report import text
from vnetmig.report.afterwards import Afterwards
from vnetmig.report.incoming import incoming_blocks, incoming_json


def taken() -> Destination:
    return migrated(Source(machine_of(STREAMS / "rfc-user-1q"), "iterative"))


def test_loaded_with_a_guest_and_a_backend() -> None:
    shown = list(text.plain(incoming_blocks(taken(), there())))
    assert any(line.split()[-2:] == ["early", "0000:00:02.0/virtio-net-iterative"] for line in shown)
    assert any("13 items early, 4 at switchover, 0 of them repeated" in line for line in shown)
    assert any("went on for 100 steps" in line for line in shown)
    failed = "\n".join(text.plain(incoming_blocks(taken(), there(failure="packet 7 is lost"))))
    assert "packet 7 is lost" in failed and "went on" not in failed


def test_the_same_as_json() -> None:
    made = incoming_json(taken(), there())
    assert made["loaded"] and made["error"] is None
    assert isinstance(made["guest"], dict) and made["guest"]["steps"] == 100


def test_refused_and_nothing_came() -> None:
    refused = Destination()
    refused.feed(b"no stream")
    assert "refused" in next(text.plain(incoming_blocks(refused, Afterwards())))
    assert not incoming_json(refused, Afterwards())["loaded"]
    assert list(text.plain(incoming_blocks(Destination(), Afterwards()))) == ["nothing came"]


def test_loaded_with_nothing_around_it() -> None:
    shown = list(text.plain(incoming_blocks(taken(), Afterwards())))
    assert shown[0] == "loaded" and "" not in shown
