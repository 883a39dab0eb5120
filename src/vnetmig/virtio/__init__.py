"""Virtio devices as QEMU migrates them: features, rings, the core, transports, and each device's own part.

Knows descriptions (vmstate) and the virtio and PCI specifications; knows no stream framing and no file.
"""
