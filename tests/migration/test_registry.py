from __future__ import annotations

import pytest

from vnetmig.errors import EncodeError, MigrationError, StreamError
from vnetmig.migration.device import Device
from vnetmig.migration.handlers import LoadFile, QuietHandlers, SaveFile, SaveVMHandlers
from vnetmig.migration.registry import INSTANCE_ID_ANY, Registry
from vnetmig.stream.payload import Raw


def device(idstr: str) -> Device:
    return Device(idstr, 0, 1, 0, b"")


def names(registry: Registry) -> list[str]:
    return [entry.idstr for entry in registry]


def test_priority_decides_and_then_registration() -> None:
    registry = Registry()
    for name, priority in (("timer", 0), ("cpu", 0), ("iommu", 1), ("gic", 6), ("late", -1), ("net", 0)):
        registry.register_vmstate(name, 0, 1, device(name), priority=priority)
    assert names(registry) == ["gic", "iommu", "timer", "cpu", "net", "late"]


def test_section_ids_never_come_twice() -> None:
    registry = Registry()
    first = registry.register_vmstate("a", 0, 1, device("a"))
    given = registry.register_vmstate("b", 0, 1, device("b"), section_id=40)
    after = registry.register_vmstate("c", 0, 1, device("c"))
    assert (first.section_id, given.section_id, after.section_id) == (0, 40, 41)
    assert registry.unregister("c") == 1
    assert registry.register_vmstate("d", 0, 1, device("d")).section_id == 42
    with pytest.raises(MigrationError, match="section id 40 is taken"):
        registry.register_vmstate("e", 0, 1, device("e"), section_id=40)


def test_any_instance_is_the_next_of_its_name() -> None:
    registry = Registry()
    got = [registry.register_vmstate("dma", INSTANCE_ID_ANY, 1, device("dma")).instance_id for _ in range(3)]
    assert got == [0, 1, 2]
    assert registry.register_vmstate("cpu", INSTANCE_ID_ANY, 1, device("cpu")).instance_id == 0
    assert registry.find("dma", 2) is not None
    assert registry.find("dma", 3) is None


def test_hot_unplug_really_removes() -> None:
    """The RFC's unrealize puts the device path in front of the idstr twice and finds nothing to remove."""
    registry = Registry()
    path = "0000:00:03.0"
    handlers: SaveVMHandlers = QuietHandlers()
    ours, other = object(), object()
    registry.register_savevm_live(f"{path}/virtio-net-iterative", INSTANCE_ID_ANY, 1, handlers, ours)
    assert registry.unregister(f"{path}/{path}/virtio-net-iterative", ours) == 0
    assert registry.unregister(f"{path}/virtio-net-iterative", other) == 0
    assert registry.unregister(f"{path}/virtio-net-iterative", ours) == 1
    assert len(registry) == 0


@pytest.mark.parametrize("idstr", ["", "x" * 256])
def test_an_idstr_fits_its_length_byte(idstr: str) -> None:
    with pytest.raises(MigrationError, match="1 to 255"):
        Registry().register_vmstate(idstr, 0, 1, device("x"))


def test_files_are_big_endian_and_bounded() -> None:
    file = SaveFile()
    file.put_byte(1)
    file.put_be16(2)
    file.put_be32(3)
    file.put_be64(4)
    file.put_buffer(b"end")
    assert file.contents().hex() == "010002000000030000000000000004" + b"end".hex()
    with pytest.raises(EncodeError):
        file.put_be16(1 << 16)
    read = LoadFile(Raw(file.contents()), "x")
    assert (read.get_byte(), read.get_be16(), read.get_be32(), read.get_be64()) == (1, 2, 3, 4)
    assert read.left == 3
    assert read.get_buffer(3) == b"end"
    with pytest.raises(StreamError, match="Input/output error"):
        read.get_byte()
