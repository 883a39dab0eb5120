"""From what people type to a profile."""

from __future__ import annotations

from pathlib import Path

import pytest

import vnetmig
from vnetmig.analysis.profile.from_stream import OfStream
from vnetmig.analysis.profile.net_backend import Host
from vnetmig.analysis.profile.toml import to_toml
from vnetmig.analysis.release import Release
from vnetmig.errors import FieldError, StreamError
from vnetmig.qemu import host as host_module
from vnetmig.qemu.specs import destination_from, profile_from

COMMAND = "qemu-system-x86_64 -M pc-q35-8.2 -nodefaults -netdev tap,id=n,vhost=on -device virtio-net-pci,netdev=n\n"
OLD = Host(
    kernel="5.15",
    vnet_hdr=True,
    multi_queue=True,
    ufo=True,
    uso=False,
    tunnel=False,
    vhost_features=1 << 15 | 0b1111 << 27 | 1 << 32 | 1 << 24,
)
USO = 0b111 << 54
RING_RESET = 1 << 40


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "vm.sh"
    path.write_text(COMMAND)
    return f"cmdline:{path}"


@pytest.fixture
def old_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "probe_host", lambda: OLD)


def test_a_file_and_a_release(script: str, tmp_path: Path) -> None:
    profile = profile_from(script, "10.0.13")
    assert profile.qemu == Release(10, 0, 13) and profile.origin == script
    path = tmp_path / "there.toml"
    path.write_text(to_toml(profile))
    assert profile_from(str(path)) == profile
    assert profile_from(str(path), "11.1").qemu == Release(11, 1)


@pytest.mark.usefixtures("old_host")
def test_a_command_line_on_this_host(script: str, tmp_path: Path) -> None:
    (assumed,) = profile_from(script).devices
    (probed,) = profile_from(f"{script}+host").devices
    assert assumed.host_features is not None and probed.host_features is not None
    assert assumed.assumed_features & USO == USO and assumed.assumed_features & RING_RESET
    assert not probed.host_features & (USO | RING_RESET) and not probed.assumed_features
    assert probed.has_ufo and probed.has_vnet_hdr
    path = tmp_path / "there.toml"
    path.write_text(
        to_toml(profile_from(script)).replace("[[device]]", '[host]\nkernel = "5.15"\nuso = false\n[[device]]', 1)
    )
    (read,) = profile_from(str(path)).devices
    assert read.host_features is not None and not read.host_features & USO
    assert read.host_features & RING_RESET, "the file's host says nothing of vhost-net"


@pytest.mark.usefixtures("old_host")
def test_a_stream_on_this_host() -> None:
    """Against host: the QEMU that wrote it, with what this kernel's tap can."""
    stream = vnetmig.load(vnetmig.sample())
    there, here = profile_from("self", stream=stream), profile_from("host", stream=stream)
    assert here.origin == "host" and here.host == OLD
    net, narrowed = there.devices[0], here.devices[0]
    assert net.host_features is not None and narrowed.host_features is not None
    assert narrowed.host_features == net.host_features & ~(USO | 0b1111 << 65)


@pytest.mark.usefixtures("old_host")
def test_the_host_alone() -> None:
    assert profile_from("host", "9.1").host == OLD


def test_no_qemu_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "PROGRAMS", ("no-such-qemu",))
    with pytest.raises(FieldError, match="give --qemu VERSION"):
        profile_from("host")


def test_of_a_saved_stream(tmp_path: Path) -> None:
    path = tmp_path / "vm.qemu.xz"
    path.write_bytes(vnetmig.sample())
    profile = profile_from(f"stream:{path}")
    assert profile.origin == f"stream:{path}" and profile.qemu == Release(10, 0, 13)
    path.write_bytes(b"no stream")
    with pytest.raises(StreamError):
        profile_from(f"stream:{path}")


@pytest.mark.parametrize("spec", ["nothing", "tcp:host:1", "self", ""])
def test_specs_that_are_none(spec: str) -> None:
    with pytest.raises(FieldError):
        profile_from(spec)


@pytest.mark.parametrize("spec", ["no.toml", "cmdline:/no/such", "stream:/no/such"])
def test_files_that_are_not_there(spec: str) -> None:
    with pytest.raises(OSError, match="No such file"):
        profile_from(spec)


def test_a_version_that_is_none(script: str) -> None:
    with pytest.raises(FieldError, match="is no QEMU version"):
        profile_from(script, "newest")


@pytest.mark.usefixtures("old_host")
def test_the_destination_of_streams_to_come(script: str) -> None:
    assert destination_from("self") == OfStream()
    assert destination_from("host") == destination_from("self+host") == OfStream(OLD)
    assert destination_from(script) == profile_from(script)
