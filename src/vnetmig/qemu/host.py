"""What this host's kernel can do for a NIC, as the profile has it.

Knows how the backend's answers become a ``Host``, and where a QEMU's version is to be had without a machine.
"""

from __future__ import annotations

import platform
import shutil
import subprocess

from vnetmig.analysis.profile.net_backend import Host
from vnetmig.analysis.release import Release
from vnetmig.backend.probe import probe_tap, vhost_features
from vnetmig.errors import FieldError

PROGRAMS = ("qemu-system-x86_64", "qemu-kvm", "/usr/libexec/qemu-kvm", "kvm")
TIMEOUT = 20.0


def probe_host() -> Host:
    """Ask the kernel; what it does not say stays unknown, and ``assumed`` says why."""
    answers = probe_tap()
    features, why = vhost_features()
    return Host(
        kernel=platform.release(),
        vnet_hdr=answers.vnet_hdr,
        multi_queue=answers.multi_queue,
        ufo=answers.ufo,
        uso=answers.uso,
        tunnel=answers.tunnel,
        tunnel_csum=answers.tunnel_csum,
        vhost_features=features,
        assumed=(*answers.words, *([why] if why else [])),
    )


def installed_release() -> tuple[Release, str]:
    """(the release, the program) of the QEMU that is installed here."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            continue
        try:
            run = subprocess.run(
                [program, "--version"], capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL
            )
            return Release.parse(run.stdout), program
        except (OSError, subprocess.SubprocessError, FieldError):
            continue
    raise FieldError(
        f"there is no QEMU here ({', '.join(PROGRAMS)}) whose version could be taken\n  give --qemu VERSION"
    )
