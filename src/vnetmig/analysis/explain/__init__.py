"""What a line or a log of QEMU means: unwrapped, read, put together, explained."""
