"""What a watcher saw of the sample."""

from __future__ import annotations

import vnetmig
from vnetmig.migration.account import Account
from vnetmig.migration.watcher import Watcher
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
