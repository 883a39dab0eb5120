"""What a destination would say to a saved stream: QEMU's load rules, replayed on decoded values."""
