"""What a destination is: its QEMU, its machine, its devices and what they offer."""
