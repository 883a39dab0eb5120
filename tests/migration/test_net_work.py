"""What a backend is told of a net's state."""

from __future__ import annotations

import pytest

from vnetmig.migration.net_work import net_work
from vnetmig.model import properties as p
from vnetmig.model.guest.layout import RAM_MIN
from vnetmig.model.guest_ram import GuestRam
from vnetmig.model.net_model import NetModel

TUNNEL = 1 << 65  # VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO


@pytest.mark.parametrize(
    ("features", "size"),
    [(0, 10), (p.VERSION_1, 12), (p.VERSION_1 | p.HASH_REPORT, 20), (p.VERSION_1 | p.HASH_REPORT | TUNNEL, 24)],
)
def test_the_header_grows_with_the_features(features: int, size: int) -> None:
    device = NetModel.new(GuestRam(RAM_MIN), offered=p.OFFERED | TUNNEL)
    device.values.set_features(features)
    assert net_work(device.save()).vnet_header_size == size
