"""What is told of a relayed migration."""

from __future__ import annotations

import json

import vnetmig
from vnetmig.errors import MigrationError
from vnetmig.migration.account import Account, Phase, Round
from vnetmig.migration.watcher import Watcher
from vnetmig.qemu.relay.outcome import Relayed, RelayedChannel
from vnetmig.report.relay import ROUNDS_SHOWN, progress_line, relay_blocks, relay_json, switchover
from vnetmig.report.text import plain
from vnetmig.stream.return_path import Pong, Shut


def watched() -> Account:
    """The sample, in pieces of 32 KiB that come a millisecond after each other."""
    data = vnetmig.load(vnetmig.sample()).encode()
    watcher = Watcher()
    now = 0
    for at in range(0, len(data), 1 << 15):
        now += 1_000_000
        watcher.feed(data[at : at + (1 << 15)], now)
    watcher.close(now)
    watcher.feed_back(Pong(1).encode() + Shut(0).encode(), now)
    return watcher.account


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


def test_the_timeline_has_every_device() -> None:
    account = watched()
    lines = text(Relayed(account), timeline=True)
    for device in account.devices:
        assert any(line.startswith(device.name) and line.endswith(str(device.size)) for line in lines)
    for phase, _, offset in account.phases:
        assert any(line.startswith(phase.value) and line.endswith(f"{offset:#x}") for line in lines)


def test_many_rounds_are_shortened() -> None:
    account = Account(rounds=[Round("PART", n, n + 1) for n in range(100)])
    lines = text(Relayed(account), timeline=True)
    assert sum(line.startswith("PART") for line in lines) == ROUNDS_SHOWN
    assert f"{100 - ROUNDS_SHOWN} rounds between them are left out; --json has them" in lines


def test_a_failure_and_its_notes() -> None:
    made = Relayed(Account(), error=MigrationError("no"), side="destination", notes=["the recording ended early"])
    lines = text(made)
    assert lines[0] == "failed" and "because of   the destination" in lines and lines[-1] == "the recording ended early"
    assert relay_json(made)["error"] == "no"


def test_what_could_not_be_read_is_told() -> None:
    watcher = Watcher()
    watcher.feed(b"\x16\x03\x01\x02\x00\x01\x00\x01", 0)
    assert any("it could not be read: Not a migration stream" in line for line in text(Relayed(watcher.account)))


def test_json_is_json_and_counts_from_the_first_byte() -> None:
    made = relay_json(Relayed(watched()))
    told = json.loads(json.dumps(made))
    assert told["phases"][0] == {"phase": "setup", "at": 0, "offset": 0}
    assert told["return_path"]["pongs"] == 1 and told["return_path"]["shut"] == 0
    assert told["confirmed"] and told["complete"]
    assert sum(device["bytes"] for device in told["devices"]) < told["size"]


def test_progress_is_one_line() -> None:
    assert progress_line(Account()) == "nothing yet: 0.0 MB, 0 pages, 0 iterations, 0 devices"
    assert progress_line(watched()).startswith(f"{Phase.ENDING.value}: ")
