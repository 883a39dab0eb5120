"""What carries a virtio-net's frames on the host, set up in two stages: early, and at switchover.

Knows queues, ioctls and what setting them up costs; knows no stream, no device state and no migration.
"""
