"""Transports: of real devices read and written alike, parts that contradict each other refused."""

from __future__ import annotations

import pytest
from real_streams import committed, document

from vnetmig.errors import FieldError
from vnetmig.model.transport import MmioTransport, PciTransport, transport_of

_NAMES = ("linux-tap-4q-load-q72", "linux-user-legacy-q72", "linux-q35-pcie-q72", "microvm-mmio-q72")


@pytest.mark.parametrize("name", _NAMES)
def test_a_real_transport_is_made_again_alike(name: str) -> None:
    (net,) = document(committed(name)).nets()
    transport = transport_of(net.record)
    made = transport.record(multiqueue=bool(net.record.program.params["multiqueue"]))
    assert made.program is net.record.program
    assert isinstance(transport, MmioTransport) == (name == "microvm-mmio-q72")
    front = next(field.offset for path, field in net.record.fields().leaves() if path == "status")
    vector = 0 if isinstance(transport, MmioTransport) else 2  # config_vector is the device's own
    assert made.save()[: front - vector] == net.save()[: front - vector]
    assert transport_of(made) == transport


@pytest.mark.parametrize("vectors", [1, 4, 10, 2048])
def test_a_new_one_is_loaded_with_its_vectors(vectors: int) -> None:
    record = PciTransport.new(vectors).record(multiqueue=False)
    assert record.program.params["vectors"] == vectors
    assert record.program.load(record.save()).record.save() == record.save()


@pytest.mark.parametrize(
    ("transport", "message"),
    [
        (PciTransport(bytes(255)), "takes 256 bytes"),
        (PciTransport(PciTransport.new(4).config, bytes(48), b"\0"), "msix takes 64 bytes, not 48"),
        (PciTransport(PciTransport.new(9).config, bytes(144), b"\0"), "msix_pba 2, not 1"),
    ],
)
def test_parts_that_contradict_each_other(transport: PciTransport, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        transport.record(multiqueue=False)
