"""A virtio-net that runs: rings in guest memory, a device that serves them, and guests that drive it.

Knows virtio and a device's record; knows no stream, no channel and no migration: whoever migrates takes records and
pages.
"""
