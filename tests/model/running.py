"""Devices and guests for tests: how they are made, moved to the other side, and compared."""

from __future__ import annotations

from vnetmig.model.guest import Guest
from vnetmig.model.guest.layout import RAM_MIN
from vnetmig.model.guest_ram import GuestRam
from vnetmig.model.net_model import NetModel
from vnetmig.model.wire import EchoWire

KINDS = {"split": False, "packed": True}


def made(
    kind: str, *, seed: int = 1, profile: str = "busy", model: type[NetModel] = NetModel, queue_pairs: int = 4
) -> tuple[Guest, NetModel]:
    """A guest beside its device, on an echo."""
    ram = GuestRam(RAM_MIN)
    device = model.new(ram, EchoWire(), packed=KINDS[kind], queue_pairs=queue_pairs)
    return Guest.boot(ram, device, seed=seed, profile=profile), device


def moved(guest: Guest, device: NetModel, engine: str | None = None) -> tuple[Guest, NetModel]:
    """The guest at the other side: its memory page by page, its device as bytes of a stream."""
    device.pause()
    record = device.save()
    loaded = record.program.load(record.save(engine), engine=engine)
    assert loaded.error is None
    ram = GuestRam.from_pages(guest.ram.size, dict(guest.ram.pages()))
    other = type(device).from_record(loaded.record, ram, EchoWire(), device.properties)
    other.resume()
    return Guest.attach(ram, other), other


def steps(guest: Guest, count: int) -> None:
    for _ in range(count):
        guest.step()
