"""Lines that stand beside every migration and mean nothing for it.

Knows texts; knows no message.
"""

from __future__ import annotations

#   part of the line                               what it is
HARMLESS = (
    ("warning: host doesn't support requested feature", "a CPU feature that was dropped at the start"),
    ("is deprecated", "a warning about an old option or machine type"),
    ("failed to initialize module", "modules of another QEMU package lie in the module directory"),
    ("char device redirected to", "where a console went"),
    ("libbpf: ", "receive steering is done without eBPF"),
    ("Can't load eBPF RSS - fallback to software RSS", "receive steering is done without eBPF"),
    ("terminating on signal", "the management layer ended this QEMU"),
    ("Received a live migration error", "KubeVirt's note that there was an error"),
    ("shutting down, reason=", "libvirt's note that this QEMU was ended"),
    ("is tainted: ", "libvirt's note about the guest's options"),
    ("-machine accel=", "a command line"),
    ("LC_ALL=C", "a command line"),
    ("starting up libvirt version", "libvirt's note about the start"),
    ("warning: TSC frequency mismatch", "clocks differ; only an error without scaling"),
)


def harmless(line: str) -> str | None:
    """What the harmless ``line`` is; None when it is none of these."""
    return next((what for part, what in HARMLESS if part in line), None)
