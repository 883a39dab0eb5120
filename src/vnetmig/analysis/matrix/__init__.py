"""Source by destination: what becomes of a machine on its way from one QEMU to another."""
