"""virtio-console's list of ports: one value altered, and what real QEMUs did with it."""

from __future__ import annotations

import pytest
from altered import cut, judged, put, refusals

CONSOLE = "0000:00:02.0/virtio-console"


@pytest.mark.parametrize("port", [1, 5, 31, 0xFFFFFFFF])
def test_a_port_that_the_map_does_not_have(port: int, engine: str) -> None:
    data = put("multi", "q72", "serial.ports[0].id", port.to_bytes(4, "big"), CONSOLE)
    assert refusals("multi", "q72", data, engine) == [("device-state", "Failed to load virtio-console:virtio")]


@pytest.mark.parametrize("word", [0, 2, 0x80000000])
def test_a_map_without_the_port(word: int, engine: str) -> None:
    data = put("multi", "q72", "serial.ports_map", word.to_bytes(4, "big"), CONSOLE)
    assert refusals("multi", "q72", data, engine) == [("device-state", "Failed to load virtio-console:virtio")]


@pytest.mark.parametrize("most", [0, 1, 0x21, 0x200, 0x7FFFFFFF, 0xFFFFFFFF])
def test_the_number_of_ports_is_the_destination_s_own(most: int, engine: str) -> None:
    data = put("multi", "q72", "serial.max_nr_ports", most.to_bytes(4, "big"), CONSOLE)
    assert refusals("multi", "q72", data, engine) == []


@pytest.mark.parametrize("qemu", ["q72", "q111"])
def test_memory_is_asked_for_as_many_as_are_named(qemu: str, engine: str) -> None:
    data = put("multi", qemu, "serial.nr_active_ports", b"\x7f\xff\xff\xff", CONSOLE)
    assert judged("multi", qemu, data, engine).verdict == "QEMU would crash"


def test_an_element_that_is_out_of_step(engine: str) -> None:
    data = put("multi", "q72", "serial.ports[0].elem_popped", b"\0\0\0\1", CONSOLE)
    rule, message = refusals("multi", "q72", data, engine)[0]
    assert rule == "element-too-large"
    assert message == "qemu_get_virtqueue_element: Assertion `ARRAY_SIZE(data.in_addr) >= data.in_num' failed."


@pytest.mark.parametrize("inside", [0, 2])
def test_a_cut_in_the_map_of_ports_is_a_map_without_the_port(inside: int, engine: str) -> None:
    data = cut("multi", "q72", "serial.ports_map", inside, CONSOLE)
    assert refusals("multi", "q72", data, engine) == [("device-state", "Failed to load virtio-console:virtio")]
