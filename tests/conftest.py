"""``namespace``: the test runs in a network namespace of its own, with the right to make tap interfaces.

``network``: in it a bridge for guests, with a TCP server that they can talk to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from lab_network import LabNetwork, lab_network
from network_namespace import interfaces, network_namespace, shortfall


@pytest.fixture
def namespace() -> Iterator[None]:
    missing = shortfall()
    if missing and os.environ.get("VNETMIG_REQUIRE_TAP"):
        pytest.fail(f"VNETMIG_REQUIRE_TAP is set and there is {missing}", pytrace=False)
    if missing:
        pytest.skip(missing.replace("\n", ";"))
    with network_namespace():
        assert not interfaces()
        yield


@pytest.fixture
def network(namespace: None) -> Iterator[LabNetwork]:
    with lab_network() as found:
        yield found
