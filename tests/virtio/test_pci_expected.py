"""The configuration bytes that a device is expected to have, by its properties."""

from __future__ import annotations

from vnetmig.virtio.pci_expected import checked_bytes


def made(**properties: bool) -> dict[int, int]:
    shape: dict[str, bool] = {"modern": True, "legacy": False, "express": False, **properties}
    found = checked_bytes("virtio-net", vectors=0, **shape)  # type: ignore[arg-type]
    return {one.offset: one.value for one in found.bytes}


def test_a_port_for_notifications_has_its_bar_and_its_capability() -> None:
    plain, port = made(), made(port_notify=True)
    assert 0x18 not in plain and port[0x18] == 1, "an I/O BAR"
    assert len(port) > len(plain)


def test_pages_for_queues_make_the_region_larger() -> None:
    plain, pages = made(), made(queue_pages=True)
    assert plain.keys() == pages.keys()
    assert {at for at in plain if plain[at] != pages[at]} == {0x7D, 0x7E, 0x80, 0x81}, "its length and the multiplier"


def test_an_express_device_of_the_legacy_interface_alone_begins_its_list_with_power_management() -> None:
    found = made(modern=False, legacy=True, express=True)
    assert found[0x34] == made(modern=False, legacy=True)[0x34] + 0x7C
