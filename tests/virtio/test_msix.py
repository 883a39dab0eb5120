"""The MSI-X table and its pending bits."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from real_sections import virtio_head, virtio_sections

from vnetmig.virtio.msix import msix_pending_registers, msix_table_registers
from vnetmig.virtio.pci_config import msix_vectors


def test_one_entry() -> None:
    assert [(r.name, r.offset, r.size, r.kind) for r in msix_table_registers(16)] == [
        ("table[0].address_lo", 0, 4, "le"),
        ("table[0].address_hi", 4, 4, "le"),
        ("table[0].data", 8, 4, "le"),
        ("table[0].vector_control", 12, 4, "le"),
    ]


def test_the_last_of_2048_vectors() -> None:
    assert msix_table_registers(2048 * 16)[-1].name == "table[2047].vector_control"
    assert msix_pending_registers(256)[-1].name == "pending[255]"


@given(st.integers(0, 600))
def test_every_byte_once_at_any_length(length: int) -> None:
    for registers in (msix_table_registers(length), msix_pending_registers(length)):
        end = 0
        for register in registers:
            assert register.offset == end
            end += register.size
        assert end == length
        assert len({register.name for register in registers}) == len(registers)


def test_real_tables(capture: Path) -> None:
    """Entries that a guest has set up point to the local APIC window, the others are as after a reset."""
    for section in virtio_sections(capture):
        head = virtio_head(section)
        vectors = msix_vectors(section.config) or 0
        registers = msix_table_registers(len(head.msix_table))
        assert len(registers) == 4 * vectors
        assert len(msix_pending_registers(len(head.msix_pending))) == (vectors + 7) // 8
        got = {r.name: int.from_bytes(head.msix_table[r.offset : r.offset + r.size], "little") for r in registers}
        for vector in range(vectors):
            assert got[f"table[{vector}].address_lo"] >> 20 in (0, 0xFEE)
            assert got[f"table[{vector}].address_hi"] == 0
            assert got[f"table[{vector}].vector_control"] in (0, 1)
