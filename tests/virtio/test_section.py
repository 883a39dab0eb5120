"""Which programs may read a section."""

from __future__ import annotations

import pytest

from vnetmig.virtio.section import candidates


def test_a_section_of_another_device_has_none() -> None:
    with pytest.raises(ValueError, match="'slirp' is no described virtio device"):
        candidates("slirp", 4, bytes(256))
