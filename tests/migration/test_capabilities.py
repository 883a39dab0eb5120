"""F24: capabilities as QMP treats them: asked for, turned on and off, refused with a reason."""

from __future__ import annotations

from itertools import product

import pytest

from vnetmig.errors import MigrationError, StreamError
from vnetmig.migration.capabilities import (
    DELTA,
    EARLY,
    EXTENSIONS,
    HANDOVER,
    KNOWN,
    VALIDATED,
    VIRTIO_ITERATIVE,
    CapabilitySet,
    check_capabilities,
    with_capabilities,
)
from vnetmig.stream.configuration import Capabilities, ConfigurationBody, TargetPageBits, Uuid

BODY = ConfigurationBody("pc-i440fx-10.0", ())


def test_f24_all_are_known_and_off() -> None:
    assert CapabilitySet().query() == dict.fromkeys(KNOWN, False)
    assert CapabilitySet().on == ()


def test_f24_set_and_query() -> None:
    here = CapabilitySet()
    here.set({VIRTIO_ITERATIVE: True, "x-ignore-shared": True})
    assert here.on == ("x-ignore-shared", VIRTIO_ITERATIVE)  # in the order of the enum
    assert [name for name, on in here.query().items() if on] == list(here.on)
    here.set({"x-ignore-shared": False})
    assert here.on == (VIRTIO_ITERATIVE,)
    here.set({})
    assert here.on == (VIRTIO_ITERATIVE,)


def test_f24_an_unknown_one_is_refused() -> None:
    here = CapabilitySet([VIRTIO_ITERATIVE])
    with pytest.raises(MigrationError, match="Parameter 'capability' does not accept value 'virtio-iterativ'"):
        here.set({VIRTIO_ITERATIVE: False, "virtio-iterativ": True})
    assert here.on == (VIRTIO_ITERATIVE,)  # all or none


@pytest.mark.parametrize(("name", "needed"), [("switchover-ack", "return-path"), (DELTA, HANDOVER), (EARLY, HANDOVER)])
def test_f24_what_needs_another(name: str, needed: str) -> None:
    words = f"Capability '{name}' requires capability '{needed}'"
    here = CapabilitySet()
    with pytest.raises(MigrationError, match=words):
        here.set({name: True})
    assert here.on == ()
    here.set({name: True, needed: True})
    assert set(here.on) == {name, needed}
    with pytest.raises(MigrationError, match=words):
        here.set({needed: False})
    assert set(here.on) == {name, needed}
    with pytest.raises(MigrationError, match=words):
        CapabilitySet([name])


def test_f24_a_running_migration_pins_them() -> None:
    here = CapabilitySet()
    here.active = True
    with pytest.raises(MigrationError, match="There's a migration process in progress"):
        here.set({VIRTIO_ITERATIVE: True})
    assert here.query()[VIRTIO_ITERATIVE] is False
    here.active = False
    here.set({VIRTIO_ITERATIVE: True})
    assert here.query()[VIRTIO_ITERATIVE] is True


@pytest.mark.parametrize("name", VALIDATED)
def test_f04_every_combination_of_one_capability(name: str) -> None:
    for there, here in product((True, False), repeat=2):
        received, local = (name,) if there else (), (name,) if here else ()
        if there == here:
            check_capabilities(received, local)
            continue
        with pytest.raises(StreamError) as caught:
            check_capabilities(received, local)
        on = {True: "on", False: "off"}
        assert caught.value.message == f"Capability {name} is {on[here]}, but received capability is {on[there]}"


def test_f04_who_says_nothing_takes_all_that_is_known() -> None:
    check_capabilities(VALIDATED, None)
    with pytest.raises(StreamError, match="Received unknown capability dirty-limit"):
        check_capabilities((*VALIDATED, "dirty-limit"), None)


def test_f04_capabilities_that_are_not_validated_are_never_compared() -> None:
    """QEMU puts neither of them into the stream, and so does not notice when the sides differ."""
    check_capabilities((), ("return-path", "switchover-ack"))


def test_a_configuration_with_others() -> None:
    on = with_capabilities(BODY, on=(VIRTIO_ITERATIVE, "x-ignore-shared"))
    assert on.capabilities == ("x-ignore-shared", VIRTIO_ITERATIVE)
    assert with_capabilities(on, off=("x-ignore-shared",)).capabilities == (VIRTIO_ITERATIVE,)
    assert with_capabilities(on, off=(VIRTIO_ITERATIVE, "x-ignore-shared")) == BODY
    assert with_capabilities(BODY, off=(VIRTIO_ITERATIVE,)) is BODY


def test_subsections_stay_in_order() -> None:
    body = ConfigurationBody("pc", (TargetPageBits(12), Uuid(bytes(16))))
    kinds = [type(subsection) for subsection in with_capabilities(body, on=EXTENSIONS).subsections]
    assert kinds == [TargetPageBits, Capabilities, Uuid]
