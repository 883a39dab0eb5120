"""The migration stream itself: framing, sections, RAM, containers, side channels. Bytes in, events out, no sockets.

Knows QEMU's wire format outside of devices; device decoders are handed in (payload.py).
"""
