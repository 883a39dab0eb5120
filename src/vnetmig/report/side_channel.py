"""A multifd side channel: its packets, as rows and as JSON.

Knows packets; the pages in them are counted, not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from vnetmig.errors import StreamError
from vnetmig.report.blocks import Block, Facts, Table, columns
from vnetmig.report.json import Json, error_json
from vnetmig.stream.multifd import DeviceStatePacket, InitPacket, MultifdReader, Packet, PagesPacket


@dataclass(frozen=True, slots=True)
class Entry:
    """One packet on the channel; ``payload`` bytes were behind its header, and are not kept."""

    offset: int
    size: int
    payload: int
    packet: Packet


@dataclass(slots=True)
class SideChannel:
    """What one channel carried, and what stopped reading, if anything did."""

    packets: list[Entry] = field(default_factory=list)
    error: StreamError | None = None


def read_channel(chunks: Iterable[bytes]) -> SideChannel:
    """All packets up to the end or the first fault."""
    reader = MultifdReader()
    channel = SideChannel()
    try:
        for chunk in chunks:
            reader.feed(chunk)
            _take(reader, channel)
        reader.finish()
    except StreamError as error:
        channel.error = error
    return channel


def _take(reader: MultifdReader, channel: SideChannel) -> None:
    while True:
        start = reader.offset
        packet = reader.next_packet()
        if packet is None:
            return
        payload = 0 if isinstance(packet, InitPacket) else len(packet.data)
        if not isinstance(packet, InitPacket):
            packet = replace(packet, data=b"")  # a channel may carry more than memory holds
        channel.packets.append(Entry(start, reader.offset - start, payload, packet))


def channel_blocks(channel: SideChannel) -> Iterator[Block]:
    pages = [entry.packet for entry in channel.packets if isinstance(entry.packet, PagesPacket)]
    facts = Facts("")
    facts.pairs.append(("stream", "multifd side channel: RAM pages only, the devices are in the main channel"))
    for entry in channel.packets:
        packet = entry.packet
        if isinstance(packet, InitPacket):
            facts.pairs.append(("channel", f"id {packet.id}, uuid {packet.uuid.hex()}, version {packet.version}"))
    facts.pairs.append(("packets", str(len(channel.packets))))
    facts.pairs.append(("pages", f"{sum(p.normal for p in pages)} normal, {sum(p.zero for p in pages)} zero"))
    facts.pairs.append(("compression", ", ".join(sorted({p.compression.name for p in pages})) or "-"))
    yield facts
    table = Table("packets", columns(">offset", ">bytes", ">number", "flags", ">normal", ">zero", ">payload", "block"))
    for entry in channel.packets:
        table.rows.append((f"{entry.offset:#x}", str(entry.size), *_row(entry)))
    yield table


def _row(entry: Entry) -> tuple[str, ...]:
    packet = entry.packet
    if isinstance(packet, InitPacket):
        return "-", "init", "-", "-", "-", ""
    if isinstance(packet, DeviceStatePacket):
        return "-", f"device state {packet.flags:#x}", "-", "-", str(entry.payload), packet.idstr
    return (
        str(packet.packet_num),
        _flags(packet),
        str(packet.normal),
        str(packet.zero),
        str(entry.payload),
        packet.block,
    )


def _flags(packet: PagesPacket) -> str:
    names = ["SYNC"] if packet.sync else []
    if packet.compression.flag:
        names.append(packet.compression.name)
    return "|".join(names) or "-"


def channel_json(channel: SideChannel) -> dict[str, Json]:
    return {
        "multifd_channel": True,
        "packets": (_packet_json(entry) for entry in channel.packets),
        "error": None if channel.error is None else error_json(channel.error),
    }


def _packet_json(entry: Entry) -> Json:
    packet = entry.packet
    made: dict[str, Json] = {"offset": entry.offset, "size": entry.size, "version": packet.version}
    if isinstance(packet, InitPacket):
        return {**made, "kind": "init", "id": packet.id, "uuid": packet.uuid.hex()}
    if isinstance(packet, DeviceStatePacket):
        return {
            **made,
            "kind": "device state",
            "flags": packet.flags,
            "idstr": packet.idstr,
            "instance_id": packet.instance_id,
            "payload": entry.payload,
        }
    return {
        **made,
        "kind": "pages",
        "flags": packet.flags,
        "sync": packet.sync,
        "compression": packet.compression.name,
        "packet_num": packet.packet_num,
        "pages_alloc": packet.pages_alloc,
        "normal": packet.normal,
        "zero": packet.zero,
        "next_packet_size": packet.next_packet_size,
        "block": packet.block,
        "offsets": list(packet.offsets[: packet.normal + packet.zero]),
        "payload": entry.payload,
    }
