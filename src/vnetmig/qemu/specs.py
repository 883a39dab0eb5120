"""From what people name a destination by to its profile.

Knows the forms: FILE.toml, cmdline:FILE, qmp:SOCK, stream:FILE, host, self; "+host" behind one of them adds what this
host's kernel was found to do. Opens files and sockets.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from vnetmig.analysis.profile.cmdline import profile_of_command
from vnetmig.analysis.profile.command_words import TEXT_MAX
from vnetmig.analysis.profile.from_stream import OfStream, profile_of
from vnetmig.analysis.profile.narrowed import narrowed
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.profile.toml import SIZE_MAX, from_toml
from vnetmig.analysis.release import Release
from vnetmig.document.load import load
from vnetmig.document.stream import Stream
from vnetmig.errors import FieldError, QemuError

FORMS: Final = "FILE.toml, cmdline:FILE, qmp:SOCK, stream:FILE, host or self"
_WITH_HOST: Final = "+host"


def destination_from(spec: str, qemu: str | None = None) -> Profile | OfStream:
    """As ``profile_from``, of streams that are not known yet: for "self" and "host" each one's own."""
    if spec not in ("self", "host", "self" + _WITH_HOST, "host" + _WITH_HOST):
        return profile_from(spec, qemu)
    if spec == "self":
        return OfStream()
    from vnetmig.qemu.host import probe_host

    return OfStream(probe_host())


def profile_from(spec: str, qemu: str | None = None, stream: Stream | None = None) -> Profile:
    """The destination that ``spec`` names. ``qemu``: its version, where people know better; ``stream``: what is
    checked, for "self" and for "host" (the QEMU that wrote it, on this host's kernel).

    Raises FieldError for a spec or a file that is none, OSError for one that cannot be opened, QemuError for a QEMU
    that does not answer, StreamError for a stream that cannot be read.
    """
    release = Release.parse(qemu) if qemu is not None else None
    if spec.endswith(_WITH_HOST):
        return _on_this_host(profile_from(spec.removesuffix(_WITH_HOST), qemu, stream))
    if spec == "host":
        return _host(release, stream)
    if spec == "self":
        if stream is None:
            raise FieldError("self: this is for a stream that is checked; stream:FILE names one")
        return profile_of(stream, release)
    form, colon, rest = spec.partition(":")
    if colon and form == "cmdline":
        return profile_of_command(_read(Path(rest), TEXT_MAX), f"cmdline:{rest}", release)
    if colon and form == "stream":
        return replace(profile_of(load(rest), release), origin=spec)
    if colon and form == "qmp":
        return _of(_running(rest), release)
    if colon and form in ("unix", "tcp", "fd", "file"):
        raise FieldError(f"{spec}: expected {FORMS}")
    return _of(_from_file(spec), release)


def _of(profile: Profile, release: Release | None) -> Profile:
    return profile if release is None else replace(profile, qemu=release)


def _read(path: Path, most: int) -> bytes:
    """One byte more than there may be at most: whoever takes it apart complains of that."""
    with path.open("rb") as file:
        return file.read(most + 1)


def _from_file(name: str) -> Profile:
    path = Path(name)
    if path.suffix != ".toml" and not path.is_file():
        raise FieldError(f"{name}: expected {FORMS}")
    profile = from_toml(_read(path, SIZE_MAX), name)
    return profile if profile.host is None else narrowed(profile, profile.host)


def _running(address: str) -> Profile:
    from vnetmig.qemu.qmp_session import QmpSession
    from vnetmig.qemu.running import profile_of_running, told_wrong

    with QmpSession(address) as qmp:
        try:
            return profile_of_running(qmp, f"qmp:{address}")
        except QemuError:
            raise
        except (FieldError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise told_wrong(error) from error


def _host(release: Release | None, stream: Stream | None) -> Profile:
    from vnetmig.qemu.host import installed_release, probe_host

    if stream is not None:
        return replace(narrowed(profile_of(stream, release), probe_host()), origin="host")
    words: tuple[str, ...] = ()
    if release is None:
        release, program = installed_release()
        words = (f"QEMU {release}, which {program} is",)
    return Profile(release, host=probe_host(), origin="host", assumed=words)


def _on_this_host(profile: Profile) -> Profile:
    from vnetmig.qemu.host import probe_host

    return narrowed(profile, probe_host())
