"""Profiles of command lines: the idstrs are those of the streams that the same command lines wrote."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_streams import document, every_capture, truth
from recorded_offers import addresses, offers, profile_of_start

from vnetmig.analysis.profile.cmdline import fitted, profile_of_command
from vnetmig.analysis.profile.toml import from_toml, to_toml
from vnetmig.analysis.release import Release
from vnetmig.errors import FieldError
from vnetmig.virtio.section import SECTIONS


def on_pci(idstrs: list[str]) -> list[str]:
    """Sections of PCI devices; those of what is plugged into them (usb, scsi) are named one level deeper."""
    return sorted({name for name in idstrs if name.startswith("0000:") and name.count("/") == 1})


@pytest.mark.parametrize("start", addresses(), ids=lambda start: f"{start['qemu']} {' '.join(start['argv'])}"[:110])
def test_addresses_as_recorded(start: dict[str, object]) -> None:
    profile = profile_of_start(start)
    found = [*(device.idstr for device in profile.devices), *profile.others]
    idstrs = start["idstrs"]
    assert isinstance(idstrs, list)
    mmio = [name for name in idstrs if name.startswith("virtio-mmio@")]
    assert sorted(found) == sorted(on_pci(idstrs) + mmio)
    assert profile.complete == ("microvm" not in profile.machine if profile.machine else False)
    assert start["machine"] in (profile.machine, None)


def test_every_machine_type_has_its_own_devices() -> None:
    """Each of some 260 machine types of five releases, all sections of PCI devices."""
    seen = 0
    for start in offers():
        profile = profile_of_start(start)
        found = sorted([*(device.idstr for device in profile.devices), *profile.others])
        assert found == sorted(start["idstrs"]), start["argv"]
        seen += profile.complete
    assert seen > 500


@every_capture
def test_every_capture(folder: Path) -> None:
    """The virtio sections of the stream are exactly the devices of the profile."""
    command = (folder / "cmdline.txt").read_bytes()
    program = command.split()[0]
    if program.startswith(b"qemu-system") and not program.endswith(b"x86_64"):
        return  # other boards' addresses are not known
    version = truth(folder)["version"]["qemu"]
    profile = profile_of_command(command, folder.name, Release(version["major"], version["minor"], version["micro"]))
    stream = document(folder)
    idstrs = [section.idstr for section in stream.sections if section.type == "full"]
    virtio = {name for name in idstrs if name.rpartition("/")[2] in (*SECTIONS, "virtio-mem")}
    assert {device.idstr for device in profile.devices} == virtio
    assert profile.machine == stream.machine
    if profile.complete:
        assert {*virtio, *profile.others} == set(on_pci(idstrs))


COMMAND = "qemu-system-x86_64 -M pc-q35-8.2 -nodefaults "


def devices(command: str, release: str | None = "10.0") -> dict[str, dict[str, str]]:
    """idstr -> properties."""
    profile = profile_of_command(command.encode(), "vm.sh", Release.parse(release) if release else None)
    return {device.idstr: dict(device.properties) for device in profile.devices}


def test_libvirt_style() -> None:
    command = COMMAND + (
        """-device '{"driver":"pcie-root-port","chassis":1,"id":"pci.1","bus":"pcie.0","multifunction":true,"""
        """"addr":"0x2"}' -device '{"driver":"pcie-root-port","id":"pci.2","bus":"pcie.0","addr":"0x2.0x1"}' """
        """-netdev '{"type":"tap","fds":"31:32:33:34","vhost":true,"vhostfds":"35:36:37:38","id":"hostnet0"}' """
        """-device '{"driver":"virtio-net-pci","mq":true,"vectors":10,"netdev":"hostnet0","id":"net0","""
        """"mac":"52:54:00:aa:bb:cc","bus":"pci.2","addr":"0x0"}'"""
    )
    profile = profile_of_command(command.encode(), "domain.log", Release.parse("9.0"))
    (nic,) = profile.devices
    assert nic.idstr == "0000:00:02.1:00.0/virtio-net"
    assert (nic.queue_pairs, nic.vectors, nic.vhost, nic.backend) == (4, 10, True, "tap")
    assert (nic.config_size, nic.pci_ids) == (4096, (0x1041, 1, 0x1100))
    assert nic.mac == "52:54:00:aa:bb:cc" and nic.has_vnet_hdr
    assert nic.queue_sizes == (256, 256, 64)
    assert [nic.queue_size(index, 9) for index in (0, 1, 7, 8)] == [256, 256, 256, 64]
    assert profile.complete


def test_globals_stand_below_what_a_device_is_given() -> None:
    found = devices(
        COMMAND + "-global virtio-net-pci.mq=on -global virtio-net-device.mq=off -device virtio-net-pci,mq=on"
    )
    assert found["0000:00:01.0/virtio-net"]["mq"] == "on"
    found = devices(COMMAND + "-global virtio-pci.disable-modern=on -device virtio-rng-pci")
    assert found["0000:00:01.0/virtio-rng"] == {"disable-modern": "on"}


def test_which_release() -> None:
    def release(command: str) -> str:
        return str(profile_of_command(command.encode(), "vm.sh").qemu)

    assert release("/opt/qemu-system-x86_64-7.2 -M pc-i440fx-5.2 -nodefaults") == "7.2"
    assert release("qemu-kvm -M pc-i440fx-5.2 -nodefaults") == "5.2"
    assert release("q72 -M pc-q35-4.0.1 -nodefaults") == "4.0"
    with pytest.raises(FieldError, match=r"does not say which QEMU it is\n  give --qemu"):
        release("q72 -M q35 -nodefaults")


def test_doubt_is_said() -> None:
    def profile(command: str) -> tuple[bool, str]:
        made = profile_of_command((COMMAND + command).encode(), "vm.sh", Release.parse("10.0"))
        return made.complete, "; ".join(made.assumed)

    complete, words = profile("-device frobnicator -device virtio-rng-pci")
    assert not complete and "frobnicator" in words
    complete, words = profile("-device virtio-rng-pci,bus=nowhere")
    assert not complete and "bus=nowhere" in words
    complete, words = profile("-readconfig more.cfg")
    assert not complete and "-readconfig more.cfg" in words
    assert profile("-device usb-tablet -device virtio-rng-pci") == (True, "")


def test_a_netdev_that_is_not_there() -> None:
    made = profile_of_command((COMMAND + "-device virtio-net-pci,netdev=x").encode(), "vm.sh", Release.parse("10.0"))
    assert any("netdev x" in word for word in made.devices[0].assumed)


def test_a_property_of_a_later_qemu() -> None:
    command = "q -M pc-i440fx-5.2 -nodefaults -device virtio-net-pci,guest_uso4=off,netdev=n -netdev tap,id=n"
    (nic,) = profile_of_command(command.encode(), "vm.sh", Release.parse("5.2")).devices
    assert any("guest_uso4" in word for word in nic.assumed)


def test_memory_and_uuid() -> None:
    def ram(command: str) -> dict[str, int]:
        return dict(profile_of_command((COMMAND + command).encode(), "vm.sh", Release.parse("10.0")).ram)

    assert ram("-m 2G") == {"pc.ram": 2 << 30}
    assert ram("-m size=96,slots=2,maxmem=1G") == {"pc.ram": 96 << 20}
    assert ram("") == {"pc.ram": 128 << 20}
    backed = "-object memory-backend-memfd,id=mem0,size=1.5G -machine memory-backend=mem0 -m 1536M"
    assert ram(backed) == {"mem0": 3 << 29}
    nodes = '-object \'{"qom-type":"memory-backend-ram","id":"a","size":1048576}\' -numa node,memdev=a -m 1M'
    assert ram(nodes) == {"a": 1 << 20}
    uuid = "2f6b4a80-66e9-4b2f-8a5c-0a3fd4f0e2d1"
    assert profile_of_command((COMMAND + f"-uuid {uuid}").encode(), "vm.sh").uuid == uuid


def test_cpus_count_for_queues() -> None:
    made = profile_of_command(
        (COMMAND + "-smp sockets=2,cores=2 -drive if=virtio,file=x,readonly=on -device virtio-scsi-pci").encode(),
        "vm.sh",
    )
    blk, scsi = made.device("0000:00:02.0/virtio-blk"), made.device("0000:00:01.0/virtio-scsi")
    assert blk is not None and scsi is not None
    assert (blk.vectors, blk.queue_sizes) == (5, (256,) * 4)
    assert (scsi.vectors, scsi.queue_sizes) == (7, (256,) * 6)
    assert blk.host_features is not None and blk.host_features & 1 << 5 and blk.host_features & 1 << 12


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("-device", "option -device: expected a value"),
        ("-device '{\"driver\":'", "-device: expected JSON"),
        ("-device virtio-net-pci,addr=20", "PCI address '20'"),
        ("-device virtio-net-pci,addr=1.8", "PCI address '1.8'"),
        ("-smp many", "-smp: cpus='many': expected a number"),
        ("-netdev tap,id=n,queues=many", "expected a number"),
        ("-netdev tap,id=n,queues=1000000", "1000000 queues"),
        ("-global nothing", "-global nothing: expected DRIVER"),
        (" ".join(["-device virtio-rng-pci"] * 40), "no free slot"),
        ("-device pxb,id=x,bus_nr=many", "bus_nr"),
    ],
)
def test_what_is_wrong_is_named(command: str, words: str) -> None:
    with pytest.raises(FieldError, match=words):
        profile_of_command((COMMAND + command).encode(), "vm.sh", Release.parse("10.0"))


def test_buses_without_end() -> None:
    chain = "-device pcie-root-port,id=p0 " + " ".join(
        f"-device xio3130-downstream,id=p{number},bus=p{number - 1}" for number in range(1, 200)
    )
    with pytest.raises(FieldError, match="PCI buses behind each other"):
        profile_of_command((COMMAND + chain).encode(), "vm.sh")


DRIVERS = [
    "virtio-net-pci",
    "virtio-blk-pci",
    "virtio-serial-pci",
    "virtio-balloon",
    "pci-bridge",
    "VGA",
    "pxb",
    "usb-kbd",
]
KEYS = [
    "netdev",
    "id",
    "bus",
    "addr",
    "vectors",
    "mq",
    "rx_queue_size",
    "max_ports",
    "num-queues",
    "speed",
    "packed",
    "x",
]
VALUES = ["n0", "a", "b", "pci.0", "0", "3", "1f.7", "-1", "99999999999999999999", "on", "off", "auto", "", "0x2.0x1"]
keys = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=4)
option_words = st.one_of(
    st.tuples(st.just("-device"), st.sampled_from(DRIVERS), keys),
    st.tuples(st.just("-netdev"), st.sampled_from(["tap", "user", "vhost-user", "odd"]), keys),
    st.tuples(st.just("-nic"), st.sampled_from(["tap", "none"]), keys),
    st.tuples(
        st.sampled_from(["-smp", "-m", "-M", "-vga", "-drive", "-global", "-uuid"]), st.sampled_from(VALUES), keys
    ),
)


@given(st.lists(option_words, max_size=6), st.sampled_from(["5.2", "7.2", "10.0.13", "11.1"]))
def test_any_line_gives_a_profile_or_an_error(line: list[tuple[str, str, dict[str, str]]], release: str) -> None:
    words = ["qemu-system-x86_64", "-nodefaults"]
    for option, first, given_keys in line:
        words += [option, ",".join([first, *(f"{key}={value}" for key, value in given_keys.items())])]
    with suppress(FieldError):
        made = profile_of_command(shlex.join(words).encode(), "line", Release.parse(release))
        assert from_toml(to_toml(made).encode(), "line.toml") == made


@pytest.mark.parametrize(
    ("options", "idstr"),
    [
        ("-virtfs local,path=/x,mount_tag=x,security_model=none", "0000:00:01.0/virtio-9p"),
        ("-drive if=virtio,file=x.img", "0000:00:01.0/virtio-blk"),
    ],
)
def test_options_that_make_devices(options: str, idstr: str) -> None:
    profile = profile_of_command((COMMAND + options).encode(), "vm.sh", Release.parse("10.0"))
    assert idstr in [*(device.idstr for device in profile.devices), *profile.others]


def test_other_drives_are_no_virtio_devices() -> None:
    assert devices(COMMAND + "-drive if=none,id=d,file=x.img") == {}


def test_options_for_a_machine_property() -> None:
    def others(options: str) -> set[str]:
        line = f"qemu-system-x86_64 -M pc-i440fx-8.2 -nodefaults {options}"
        return set(profile_of_command(line.encode(), "vm.sh", Release.parse("8.2")).others)

    assert others("-usb") == others("-M usb=on") > others("")
    assert others("-no-acpi") == others("-M acpi=off") < others("")


def test_a_device_without_a_driver() -> None:
    with pytest.raises(FieldError, match="-device id=x: expected a driver"):
        devices(COMMAND + "-device id=x")


def test_passt_over_vhost_user_may_withhold_features() -> None:
    def backend(keys: str) -> str | None:
        line = f"{COMMAND}-netdev passt,id=n{keys} -device virtio-net-pci,netdev=n"
        return profile_of_command(line.encode(), "vm.sh", Release.parse("10.1")).devices[0].backend

    assert (backend(",vhost-user=on"), backend("")) == ("vhost-user", "passt")


def test_memory_of_numa_nodes() -> None:
    def ram(line: str) -> dict[str, int]:
        return dict(profile_of_command((COMMAND + line).encode(), "vm.sh", Release.parse("10.0")).ram)

    assert ram("-object memory-backend-ram,id=m0,size=64M -numa node,memdev=m0") == {"m0": 64 << 20}
    assert ram("-object memory-backend-file,id=m0,mem-path=/x -numa node,memdev=m0") == {}
    assert ram("-numa node,cpus=0") == {"pc.ram": 128 << 20}


def test_a_driver_that_is_not_known_keeps_the_slot_that_it_names() -> None:
    found = devices(COMMAND + "-device no-such-driver,addr=1 -device virtio-rng-pci")
    assert list(found) == ["0000:00:02.0/virtio-rng"]


def test_an_alias_of_another_board_is_no_stream_s() -> None:
    line = b"qemu-system-x86_64 -M q35 -nodefaults"
    made = profile_of_command(line, "vm.sh", Release.parse("10.0"), None, "pc-i440fx-8.2")
    assert made.machine == "pc-q35-10.0"


def test_a_recorded_profile_takes_the_release_alone() -> None:
    recorded = replace(profile_of_command(COMMAND.encode(), "vm.sh", Release.parse("10.0")), command=None)
    assert fitted(recorded, None, None) is recorded
    assert fitted(recorded, Release.parse("11.1"), None) == replace(recorded, qemu=Release.parse("11.1"))


def test_vectors_of_a_scsi_controller_and_of_one_that_says_its_own() -> None:
    line = COMMAND + "-smp 4 -device virtio-scsi-pci -device virtio-rng-pci"
    found = profile_of_command(line.encode(), "vm.sh", Release.parse("10.0")).devices
    assert [device.vectors for device in found] == [7, 2]
