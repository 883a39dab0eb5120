"""Mutations of the refusal corpus in the transport of a virtio-pci device: config space, interrupts, MSI-X, status.

Each function is one group: it yields (name, edits).
"""

from __future__ import annotations

from collections.abc import Iterator

from refused_corpus import Edit

from refused_subject import Mutation, Subject


def pci_config(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    for path, field in nic.fields.items():
        if not path.startswith("pci.config."):
            continue
        raw = s.bytes(field.offset, field.offset + field.size)
        yield f"{path.removeprefix('pci.config.')} inverted", (nic.put(path, bytes(255 - byte for byte in raw)),)
        if any(raw):
            yield f"{path.removeprefix('pci.config.')} zero", (nic.put(path, bytes(len(raw))),)
    for name, values in {
        "device_id": (0x1001, 0x1041),
        "revision_id": (1, 2),
        "command": (0x0001, 0x0003, 0x0007, 0x0107, 0xFFFF),
        "status": (0x0010 ^ 8, 0x0018, 0xF900),
        "bar0": (0x1, 0xC001, 0xC041, 0xC003, 0xFFFFFFFF),
        "bar1": (0xFEBF1000, 0xFEBF1008, 0x10),
        "bar4": (0xFE00000C, 0xFE000000, 0xFE000004),
        "subsystem_id": (0, 2, 0x1100),
        "interrupt_line": (0, 11, 255),
        "interrupt_pin": (0, 2, 4),
        "msix.message_control": (0, 2, 0x8002, 0x8003, 0x8004, 0xC003, 0x87FF),
        "msix.table": (0, 2, 0x801),
    }.items():
        if f"pci.config.{name}" in nic:
            for value in values:
                yield f"{name}={value:#x}", (nic.put(f"pci.config.{name}", value),)


def pci_device(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    words = nic.remove("pci.irq_state[0]", "pci.irq_state[3]")
    for version in (0, 1, 2, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        if version != 2:
            yield f"version={version:#x}", (nic.put("pci.version_id", version),)
            yield f"version={version:#x} without interrupts", (nic.put("pci.version_id", version), words)
    yield "no interrupts", (words,)
    for line in range(4):
        for value in (1, 2, 0x7FFFFFFF, 0xFFFFFFFF):
            yield f"irq_state[{line}]={value:#x}", (nic.put(f"pci.irq_state[{line}]", value),)


def msix(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    if "config_vector" not in nic:
        return
    vectors = sum(path.endswith(".vector_control") for path in nic.fields)
    last = nic.value("num_queues") - 1
    for path in ("config_vector", "vq[0].vector", f"vq[{last}].vector"):
        for value in (0, 1, 2, vectors - 1, vectors, vectors + 1, 0x50, 0x7FF, 0x8000, 0xFFFE, 0xFFFF):
            if value != nic.value(path):
                yield f"{path}={value:#x}", (nic.put(path, value),)
    table, behind = nic.at("msix.table[0].address_lo"), nic.at("msix_pba.pending[0]")
    yield "table all ones", (Edit(table, behind - table, b"\xff" * (behind - table)),)
    yield "table all zero", (Edit(table, behind - table, bytes(behind - table)),)
    yield "one entry less", (Edit(behind - 16, 16, b""),)
    yield "one entry more", (Edit(behind, 0, bytes(16)),)
    yield "all pending", (nic.put("msix_pba.pending[0]", 0xFF),)
    yield "no table", (Edit(table, nic.at("status") - table, b""),)


def transport(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    for path, values in {
        "status": (0, 1, 3, 4, 7, 8, 0x0B, 0x40, 0x4F, 0x80, 0x8F, 0xFF),
        "isr": (0, 1, 2, 3, 0x80, 0xFF),
        "queue_sel": (0, 1, 3, 9, 64, 1022, 1023, 1024, 1025, 2000, 0x8000, 0xFFFF),
    }.items():
        for value in values:
            if value != nic.value(path):
                yield f"{path}={value:#x}", (nic.put(path, value),)
