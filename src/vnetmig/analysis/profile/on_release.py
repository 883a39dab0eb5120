"""A profile taken to another QEMU release: the same machine, started by that QEMU.

Knows what of a profile follows from the release. A command line is worked out again; of what was recorded (a running
QEMU, a stream, a file) the features that the release does not have are gone, and rings are as it makes them.
"""

from __future__ import annotations

from dataclasses import replace

from vnetmig.analysis.profile import shape
from vnetmig.analysis.profile.cmdline import fitted
from vnetmig.analysis.profile.from_stream import later_than
from vnetmig.analysis.profile.machine_type import MachineType, machine_type
from vnetmig.analysis.profile.profile import DeviceProfile, Profile
from vnetmig.analysis.profile.properties import KINDS, Settings
from vnetmig.analysis.release import Release


def on_release(profile: Profile, release: Release, machine: str | None = None) -> Profile:
    """``profile`` as QEMU ``release`` would have it. ``machine``: what an alias such as "pc" is taken for."""
    if profile.command is not None:
        return fitted(profile, release, machine)
    if profile.qemu == release:
        return profile
    kind = machine_type(profile.machine or "none", release)
    words = f"recorded of QEMU {profile.qemu}; on QEMU {release} taken to be the same, but for what it does not have"
    return replace(
        profile,
        qemu=release,
        devices=tuple(_device(device, profile.qemu, release, kind) for device in profile.devices),
        assumed=(*profile.assumed, words),
    )


def _device(device: DeviceProfile, recorded: Release, release: Release, machine: MachineType) -> DeviceProfile:
    features = device.host_features
    if features is None or device.kind not in KINDS:
        return device
    features &= ~later_than(device.kind, release)
    return replace(
        device,
        host_features=features,
        assumed_features=device.assumed_features & features,
        queue_sizes=_queue_sizes(device, recorded, release, machine),
    )


def _queue_sizes(
    device: DeviceProfile, recorded: Release, release: Release, machine: MachineType
) -> tuple[int, ...] | None:
    sizes = device.queue_sizes
    if sizes is None or shape.always_largest_queues(recorded) == shape.always_largest_queues(release):
        return sizes
    if shape.always_largest_queues(release):
        return (shape.QUEUE_SIZE_MAX,) * len(sizes)
    settings = Settings(device.kind, machine, release, device.properties)
    return shape.queue_sizes(settings, 1, device.queue_pairs or 1)
