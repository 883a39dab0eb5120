"""What a guest or its host may change of a virtio-net between the early state and the final one: a table."""

from __future__ import annotations

from functools import lru_cache

from two_states import Edit, bare, changing, setting, unchanged

from vnetmig.migration.machine import Machine
from vnetmig.vmstate.record import Record

MERGEABLE = 1 << 15
NO_VECTOR = 0xFFFF


def addresses(count: int, first: int = 1) -> Edit:
    def edit(record: Record) -> None:
        record.resize("mac_table.macs", count)
        for i in range(count):
            record[f"mac_table.macs[{i}]"] = f"52:54:00:00:00:{first + i:02x}"

    return edit


def pairs(count: int) -> Edit:
    def edit(record: Record) -> None:
        record["curr_queue_pairs"] = count
        record.resize("tx_waiting_of_pair", count - 1)

    return edit


def features(off: int) -> Edit:
    """A driver that was loaded again, and accepted less."""

    def edit(record: Record) -> None:
        accepted = record["64bit_features.guest_features"] & ~off  # type: ignore[operator]
        record["64bit_features.guest_features"] = accepted
        record["guest_features_low"] = accepted & 0xFFFFFFFF
        record["mergeable_rx_bufs"] = int(accepted & MERGEABLE != 0)

    return edit


def reset(queues: int | None = None) -> Edit:
    """A device that was reset; ``queues``: and has that many, since MQ is not accepted any more."""

    def edit(record: Record) -> None:
        for path in ("rss", "started", "broken"):
            if path in record.subsections():
                record.drop(path)
        for name in ("status", "isr", "queue_sel", "guest_features_low"):
            record[name] = 0
        record["config_vector"] = NO_VECTOR
        if "64bit_features" in record.subsections():
            record["64bit_features.guest_features"] = 0
        if queues is not None:
            record.resize("vq", queues)
        for i in range(record.count("vq")):
            for name in ("desc", "last_avail_idx"):
                record[f"vq[{i}].{name}"] = 0
            record[f"vq[{i}].vector"] = NO_VECTOR

    return edit


def subsection(name: str, **values: int) -> Edit:
    def edit(record: Record) -> None:
        record.add(name)
        for field, value in values.items():
            record[f"{name}.{field}"] = value

    return edit


def both(*edits: Edit) -> Edit:
    def edit(record: Record) -> None:
        for one in edits:
            one(record)

    return edit


ONE, FOUR, LEGACY, PACKED = "rfc-user-1q", "rfc-chg-rss-on", "rfc-user-1q-legacy", "linux-user-packed-q72"

#              name                             capture  early                   final
CHANGES: dict[str, tuple[str, Edit, Edit]] = {
    "nothing": (ONE, unchanged, unchanged),
    "ring indices": (ONE, unchanged, setting(**{f"vq[{i}].last_avail_idx": 60_000 + i for i in range(3)})),
    "MAC": (ONE, unchanged, setting(mac="02:00:00:00:00:01", **{"config.mac": "02:00:00:00:00:01"})),
    "mac_table grows": (ONE, addresses(2), addresses(9, 7)),
    "mac_table shrinks": (ONE, addresses(9), addresses(1, 7)),
    "mac_table is emptied": (ONE, addresses(9), addresses(0)),
    "mac_table overflows": (ONE, addresses(3), both(addresses(0), setting(**{"mac_table_overflow.multi": 1}))),
    "VLAN": (ONE, setting(**{"vlans[0]": 5, "vlans[9]": 1 << 31}), setting(**{"vlans[0]": 1, "vlans[127]": 8})),
    "rx mode on": (ONE, unchanged, setting(promisc=1, allmulti=1, alluni=1, nobcast=1)),
    "rx mode off": (ONE, setting(promisc=1, allmulti=1, nomulti=1, nouni=1), unchanged),
    "MQ up": (FOUR, pairs(1), pairs(4)),
    "MQ down": (FOUR, pairs(4), pairs(1)),
    "RSS off": (FOUR, unchanged, lambda record: record.drop("rss")),
    "offloads": (ONE, unchanged, setting(curr_guest_offloads=2)),
    "features after a driver reload": (ONE, unchanged, features(MERGEABLE)),
    "reset": (ONE, unchanged, reset()),
    "reboot into a driver": (ONE, reset(), unchanged),
    "reset of many queues": (FOUR, unchanged, both(reset(3), pairs(1))),
    "link down": (ONE, unchanged, setting(**{"net_status": 0, "config.status": 0})),
    "link up, announced": (ONE, setting(**{"net_status": 0, "config.status": 0}), setting(net_status=3)),
    "broken": (ONE, unchanged, subsection("broken", broken=1)),
    "not broken any more": (ONE, subsection("broken", broken=1), unchanged),
    "disabled": (ONE, unchanged, subsection("disabled", disabled=1)),
    "stopped": (ONE, unchanged, lambda record: record.drop("started")),
    "vectors": (ONE, unchanged, setting(**{"msix.table[1].data": 7, "vq[1].vector": 2, "config_vector": 1})),
    "pending transmissions": (ONE, unchanged, setting(tx_waiting=1, isr=3)),
    "packed rings": (PACKED, unchanged, setting(**{"packed_virtqueues.vq[0].used_idx": 9})),
    "legacy ring addresses": (LEGACY, unchanged, setting(**{"vq[0].desc": 0x123000, "vq[2].num": 0x40})),
    "legacy unbind": (LEGACY, unchanged, reset()),
    "legacy bind": (LEGACY, reset(), unchanged),
    "byte order": (LEGACY, unchanged, subsection("device_endian", device_endian=2)),
}


@lru_cache
def pair(change: str) -> Machine:
    """The machine of one change."""
    capture, early, final = CHANGES[change]
    return changing(bare(capture), early, final)
