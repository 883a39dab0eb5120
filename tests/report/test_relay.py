"""What is told of a relayed migration."""

from __future__ import annotations

import json

import pytest
from account_of_sample import watched

from vnetmig.analysis.finding import CheckResult
from vnetmig.errors import MigrationError
from vnetmig.migration.account import Account, PeerSaid
from vnetmig.migration.watcher import Watcher
from vnetmig.qemu.relay.outcome import Relayed, RelayedChannel
from vnetmig.report.account import switchover
from vnetmig.report.relay import relay_blocks, relay_json
from vnetmig.report.text import plain


def text(made: Relayed, **options: bool) -> list[str]:
    return list(plain(relay_blocks(made, **options)))


def test_the_summary() -> None:
    account = watched()
    lines = text(Relayed(account, [RelayedChannel("main", account.size, 16)]))
    assert lines[0] == "completed"
    assert "machine      pc-i440fx-10.0" in lines
    assert not any(line.startswith("0000:00:04.0/virtio-net") for line in lines)
    lasted = switchover(account)
    assert lasted is not None and f"switchover   {lasted / 1e6:.3f} ms" in " ".join(lines)


def test_a_failure_and_its_notes() -> None:
    made = Relayed(Account(), error=MigrationError("no"), side="destination", notes=["the recording ended early"])
    lines = text(made)
    assert lines[0] == "failed" and "because of   the destination" in lines and lines[-1] == "the recording ended early"
    assert relay_json(made)["error"] == "no"


def test_what_could_not_be_read_is_told() -> None:
    watcher = Watcher()
    watcher.feed(b"\x16\x03\x01\x02\x00\x01\x00\x01", 0)
    assert any("it could not be read: Not a migration stream" in line for line in text(Relayed(watcher.account)))


def test_the_timeline_only_where_it_is_asked_for() -> None:
    made = Relayed(watched())
    assert len(text(made, timeline=True)) > len(text(made)) + len(made.account.devices)


def test_json_has_the_account_and_the_verdict() -> None:
    told = json.loads(json.dumps(relay_json(Relayed(watched()))))
    assert told["confirmed"] and told["complete"] and told["verdict"] == "completed"


def test_what_was_checked_changed_and_went_beside_it() -> None:
    made = Relayed(
        watched(),
        [RelayedChannel("main", 900, 16), RelayedChannel("multifd", 64), RelayedChannel()],
        checked=CheckResult((), "7.2", "what the stream says"),
        changed=["virtio-net: mac"],
    )
    lines = [" ".join(line.split()) for line in text(made)]
    assert "other channels multifd 64 bytes, silent 0 bytes" in lines
    assert any(line.startswith("checked QEMU 7.2, against what the stream says: ") for line in lines)
    assert "changed virtio-net: mac" in lines


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (PeerSaid(1, 2), "2 pongs, the destination has not said that it is done"),
        (PeerSaid(1, 1, page_requests=4, shut=0), "1 pongs, 4 page requests, the destination has taken over"),
        (PeerSaid(1, 0, switchover_ack=7, shut=5), "0 pongs, switchover ack, the destination failed (5)"),
    ],
)
def test_the_return_path(said: PeerSaid, words: str) -> None:
    account = watched()
    account.peer = said
    assert f"return path {words}" in [" ".join(line.split()) for line in text(Relayed(account))]
