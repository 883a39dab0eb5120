"""What is told of a migration that was watched."""

from __future__ import annotations

import json

from account_of_sample import watched

from vnetmig.migration.account import Account, Phase, Round
from vnetmig.report.account import ROUNDS_SHOWN, account_blocks, account_json, progress_line
from vnetmig.report.text import plain


def text(account: Account) -> list[str]:
    return list(plain(account_blocks(account)))


def test_every_device_and_phase_has_a_line() -> None:
    account = watched()
    lines = text(account)
    for device in account.devices:
        assert any(line.startswith(device.name) and line.endswith(str(device.size)) for line in lines)
    for phase, _, offset in account.phases:
        assert any(line.startswith(phase.value) and line.endswith(f"{offset:#x}") for line in lines)


def test_many_rounds_are_shortened() -> None:
    lines = text(Account(rounds=[Round("PART", n, n + 1) for n in range(100)]))
    assert sum(line.startswith("PART") for line in lines) == ROUNDS_SHOWN
    assert f"{100 - ROUNDS_SHOWN} rounds between them are left out; --json has them" in lines


def test_json_is_json_and_counts_from_the_first_byte() -> None:
    told = json.loads(json.dumps(account_json(watched())))
    assert told["phases"][0] == {"phase": "setup", "at": 0, "offset": 0}
    assert told["return_path"]["pongs"] == 1 and told["return_path"]["shut"] == 0
    assert told["complete"]
    assert sum(device["bytes"] for device in told["devices"]) < told["size"]


def test_progress_is_one_line() -> None:
    assert progress_line(Account()) == "nothing yet: 0.0 MB, 0 pages, 0 iterations, 0 devices"
    assert progress_line(watched()).startswith(f"{Phase.ENDING.value}: ")
