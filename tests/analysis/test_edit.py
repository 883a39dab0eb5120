"""Edits: what was meant comes out, nothing else moves, what would not be valid is refused."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_streams import chosen_captures, committed, document, folders, read

import vnetmig
from vnetmig.analysis.edit import Edited, Operation, edit
from vnetmig.document.net import NetDevice
from vnetmig.document.stream import Stream
from vnetmig.errors import EditError, FieldError, StreamError

LEGACY, PAIRS, PACKED, MMIO = (
    "linux-user-legacy-q72",
    "linux-tap-4q-load-q72",
    "linux-tap-4q-packed-q111",
    "microvm-mmio-q72",
)
NET = "virtio-net"

every_net = pytest.mark.parametrize(
    "folder",
    [folder for folder in folders() if "virtio-net" in (folder / "truth.json").read_text()],
    ids=lambda path: path.name,
)
"""The captures of machines that have one."""


def edited(*texts: str, name: str = PAIRS, force: bool = False) -> Edited:
    """``texts``: "set DEVICE:PATH=VALUE", ..., in order."""
    operations = [Operation.parse(*text.split(" ", 1)) for text in texts]  # type: ignore[arg-type]
    return edit(read(committed(name)), operations, force=force)


def net(found: Edited) -> NetDevice:
    (device,) = found.stream.nets()
    return device


def paths(found: Edited) -> list[str]:
    assert found.difference is not None
    return [field.path for section in found.difference.sections for field in section.fields]


def differing(old: bytes, new: bytes) -> set[int]:
    assert len(old) == len(new)
    return {i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b}


# Nothing else moves

_LAYOUT = (
    "config",
    "len",
    "count",
    "num",
    "size",
    "in_use",
    "#",
    "_pairs",
    "nr_",
    "version",
    "features",
    "n_",
    "marker",
)


def sampled(stream: Stream, rng: random.Random) -> Iterator[tuple[str, str, int, range]]:
    """(device, path, a new value, offsets) of one number in each of some devices; none that others follow from."""
    sections = [s for s in stream.sections if s.type == "full" and s.record is not None]
    final = {(s.idstr, s.instance_id): s for s in sections}  # several states of one device: the last one counts
    for section in rng.sample(sorted(final.values(), key=lambda s: s.offset), min(8, len(final))):
        device = section.device
        assert device is not None
        fields = [
            (path, field)
            for path, field in device.fields().leaves()
            if type(field.value) is int and not any(part in path for part in _LAYOUT) and field.type != "nullptr"
        ]
        if fields:
            path, field = rng.choice(fields)
            assert isinstance(field.value, int)
            yield section_name(stream, section), path, field.value ^ 1, range(field.offset, field.offset + field.size)


def section_name(stream: Stream, section: object) -> str:
    return f"{section.idstr}#{section.instance_id}"  # type: ignore[attr-defined]


@chosen_captures
def test_no_byte_changes_outside_of_the_edited_fields(folder: Path) -> None:
    data = read(folder)
    stream = vnetmig.load(data)
    chosen = list(sampled(stream, random.Random(folder.name)))
    assert chosen
    found = edit(data, [Operation("set", device, path, value) for device, path, value, _ in chosen], force=True)
    spans = [set(span) for _, _, _, span in chosen]
    changed = differing(data, found.data)
    assert changed <= set().union(*spans)
    assert all(changed & span for span in spans)
    for device, path, value, _ in chosen:
        assert found.stream.named(device)[path] == value
    assert sorted(paths(found)) == sorted(path for _, path, _, _ in chosen)


@every_net
def test_a_device_that_grows_moves_the_rest_and_changes_two_numbers(folder: Path) -> None:
    """The entry, its count, the device's size in the vmdescription, and the vmdescription's length; nothing else."""
    data = read(folder)
    before = vnetmig.load(data)
    nets = before.nets()
    device = f"{nets[0].idstr}#{nets[0].instance_id}"
    found = edit(data, [Operation("insert", device, "mac_table.macs[0]", "02:c0:ff:ee:00:01")])
    fields = nets[0].fields()
    table = fields["mac_table.in_use"].offset + 4
    grown = found.data
    assert grown[table : table + 6] == bytes.fromhex("02c0ffee0001")
    end = next((e.offset for e in before.events if type(e).__name__ == "VmDescription"), len(data))
    rest = grown[:table] + grown[table + 6 :]
    moved = {i for i in range(end) if rest[i] != data[i]}
    packages = {i for c in before.commands if c.name == "PACKAGED" for i in range(c.offset, c.offset + c.size)}
    assert moved <= set(range(table - 4, table)) | packages
    if before.description is not None and found.stream.description is not None:
        lengths, others = before.description.lengths(), found.stream.description.lengths()
        same = {key for key in lengths if lengths[key] == others[key]}
        assert set(lengths) - same == {(nets[0].idstr, nets[0].instance_id)}
        old, new = before.description.encode(), found.stream.description.encode()
        assert len(old) == len(new) and len(differing(old, new)) <= 5


@every_net
def test_an_edit_is_undone_by_its_opposite(folder: Path) -> None:
    data = read(folder)
    nets = vnetmig.load(data).nets()
    device = f"{nets[0].idstr}#{nets[0].instance_id}"
    there = edit(
        data,
        inserts=[f"{device}:mac_table.unicast[0]=02:c0:ff:ee:00:01"],
        sets=[f"{device}:net_status={nets[0].net_status ^ 2}", f"{device}:rx_mode.nobcast=on"],
        adds=[f"{device}:virtio/broken"],
    )
    assert there.data != data
    back = edit(
        there.stream,
        removes=[f"{device}:mac_table.unicast[0]"],
        sets=[f"{device}:net_status={nets[0].net_status}", f"{device}:rx_mode.nobcast=off"],
        drops=[f"{device}:broken"],
    )
    assert back.data == data


# Values

_SETS = [
    ("mac=52:54:00:AA:bb:cc", "mac", "52:54:00:aa:bb:cc"),
    ("status=0x4f", "status", 0x4F),
    ("promisc=on", "promisc", 1),
    ("rx_mode.allmulti=on", "allmulti", 1),
    ("queues[1].num=128", "vq[1].num", 128),
    ("queues[0].avail=0x1000", "virtqueues.vq[0].avail", 0x1000),
    ("vq[2].vector=0xffff", "vq[2].vector", 0xFFFF),
    ("config.mac=02:00:00:00:00:01", "config.mac", "02:00:00:00:00:01"),
    ("pci.config.interrupt_line=9", "pci.config.interrupt_line", 9),
    ("mac_table.multi_overflow=1", "mac_table_overflow.multi", 1),
    ("vlans[3]=0x80000000", "vlans[3]", 0x80000000),
    ("config=00112233445566778899", "config", bytes.fromhex("00112233445566778899")),
    ("tx_waiting_of_pair=1,2,3", "tx_waiting_of_pair", (1, 2, 3)),
    ("mac_table.macs[0]=33:33:00:00:00:09", "mac_table.macs[0]", "33:33:00:00:00:09"),
]


@pytest.mark.parametrize(("text", "path", "value"), _SETS)
def test_a_value_is_set(text: str, path: str, value: object) -> None:
    found = edited(f"set {NET}:{text}")
    assert net(found)[path] == value
    assert found.difference is not None and [s.idstr for s in found.difference.sections] == [net(found).idstr]
    assert all(p == path or p.startswith((f"{path}[", f"{path}.")) for p in paths(found))


def test_sets_of_names() -> None:
    found = edited(
        f"set {NET}:guest_features=+VIRTIO_NET_F_GUEST_USO4,-mq",
        f"set {NET}:vlans=+42,-0",
        f"set {NET}:mac_table.unicast=+02:c0:ff:ee:00:01",
    )
    before = document(committed(PAIRS)).nets()[0]
    assert net(found).guest_features == (before.guest_features | 1 << 54) & ~(1 << 22)
    assert net(found).vlans == (before.vlans | {42}) - {0}
    assert net(found).mac_table.unicast == (*before.mac_table.unicast, "02:c0:ff:ee:00:01")
    assert net(edited(f"set {NET}:vlans=all")).vlans == frozenset(range(4096))
    assert net(edited(f"set {NET}:vlans=none")).vlans == frozenset()
    assert net(edited(f"set {NET}:mac_table.macs=none")).mac_table.macs == ()


def test_values_as_a_program_has_them() -> None:
    key = bytes(range(40))
    found = edit(
        read(committed(PAIRS)),
        adds=[f"{NET}:virtio-net-device/rss"],
        sets={
            f"{NET}:vlans": {7, 9},
            f"{NET}:rss.key": key,
            f"{NET}:rss.indirections_table": (0, 1, 2, 3),
            f"{NET}:rx_mode.promisc": True,
            f"{NET}:guest_features": 1 << 32 | 1 << 5,
            f"{NET}:mac_table.multicast": ["33:33:00:00:00:01"],
        },
    )
    device = net(found)
    assert device.vlans == {7, 9} and device.rx_mode.promisc and device.guest_features == 1 << 32 | 1 << 5
    assert device.mac_table.macs == ("33:33:00:00:00:01",)
    assert device.rss is not None and device.rss.key == key and device.rss.indirections_table == (0, 1, 2, 3)
    assert device["rss.indirections_len"] == 4 and device["rss.#version"] == 1


def test_what_follows_from_features_goes_with_them() -> None:
    before = document(committed(PAIRS)).nets()[0]
    assert before["mergeable_rx_bufs"] == 1 and before["curr_guest_offloads"]
    device = net(edited(f"set {NET}:guest_features=-MRG_RXBUF,-GUEST_CSUM"))
    assert device["mergeable_rx_bufs"] == 0
    assert device["curr_guest_offloads"] == int(before["curr_guest_offloads"]) & ~2  # type: ignore[arg-type]
    again = net(edited(f"set {NET}:guest_features=-MRG_RXBUF", f"set {NET}:guest_features=+MRG_RXBUF"))
    assert again.save() == before.save()


def test_features_of_another_virtio_device() -> None:
    found = edited("set virtio-blk:guest_features=-flush", name="linux-multi-q72")
    assert found.difference is not None
    (one,) = (s for s in found.difference["virtio-blk"].sets if s.name == "guest_features")
    assert one.only_a == ("VIRTIO_BLK_F_FLUSH",)


def test_features_of_a_word() -> None:
    path = "extra_state.pci.modern_state.guest_features[1]"
    assert net(edited(f"set {NET}:{path}=VERSION_1,GUEST_USO4"))[path] == 1 | 1 << 22
    with pytest.raises(FieldError, match="features 32 to 63 only"):
        edited(f"set {NET}:{path}=+mac")


def test_pairs_with_the_array_that_follows_from_them() -> None:
    found = edited(f"set {NET}:curr_queue_pairs=2")
    assert net(found).curr_queue_pairs == 2 and len(net(found)["tx_waiting_of_pair"]) == 1  # type: ignore[arg-type]


def test_devices_by_suffix_instance_and_description() -> None:
    found = edited("set cpu#2:env.efer=0x500", "set timer:cpu_clock_offset=5")
    assert found.stream.named("cpu#2")["env.efer"] == 0x500
    assert found.stream.device("timer")["cpu_clock_offset"] == 5


def test_operations_are_done_in_order() -> None:
    found = edited(
        f"insert {NET}:mac_table.macs[0]=02:00:00:00:00:01",
        f"insert {NET}:mac_table.macs[0]=02:00:00:00:00:02",
        f"remove {NET}:mac_table.macs[1]",
        f"set {NET}:mac_table.macs[0]=02:00:00:00:00:03",
    )
    before = document(committed(PAIRS)).nets()[0].mac_table.macs
    assert net(found).mac_table.macs == ("02:00:00:00:00:03", *before)


def test_the_input_stays_as_it_is() -> None:
    stream = document(committed(PAIRS))
    stream.nets()[0].mac = "52:54:00:00:00:07"
    kept = stream.encode()
    found = edit(stream, sets=[f"{NET}:status=1"])
    assert stream.encode() == kept
    assert net(found).mac == "52:54:00:00:00:07" and paths(found) == ["status"]


def test_an_iterative_stream_keeps_its_early_copy() -> None:
    found = edited(f"set {NET}:mac=52:54:00:aa:bb:cc", name="rfc-user-1q")
    macs = [s.device.mac for s in found.stream.sections if isinstance(s.device, NetDevice)]
    assert macs == ["52:54:00:12:34:56", "52:54:00:aa:bb:cc"]


def test_a_legacy_and_an_mmio_device() -> None:
    for name in (LEGACY, MMIO):
        found = edited(f"set {NET}:mac=52:54:00:aa:bb:cc", f"set {NET}:queues[0].num=64", name=name)
        assert net(found).mac == "52:54:00:aa:bb:cc" and net(found).queues[0].num == 64
    with pytest.raises(FieldError, match="no field"):
        edited(f"set {NET}:queues[0].avail=0", name=LEGACY)


def test_a_subsection_of_a_device_that_only_the_vmdescription_knows() -> None:
    found = edited("drop cpu#1:fpop_ip_dp")
    (section,) = found.difference.sections if found.difference is not None else ()
    assert [(s.name, s.only_a) for s in section.sets] == [("subsections", ("fpop_ip_dp",))]
    before, after = document(committed(PAIRS)).description, found.stream.description
    assert before is not None and after is not None
    old, new = before.lengths(), after.lengths()
    assert {key for key in old if old[key] != new[key]} == {("cpu", 1)}
    begin, end = found.stream.named("cpu#1").section.payload_span
    assert new["cpu", 1] == [end - begin] and not found.stream.named("cpu#1").section.assumed


# Refusals

_INVALID = [
    (f"set {NET}:mac_table.in_use=65", "macs holds 3 elements, its count field says 65"),
    (f"set {NET}:num_queues=3", "vq holds 9 elements"),
    (f"set {NET}:config_len=8", "config holds 10 elements"),
    (f"set {NET}:curr_queue_pairs=5", "curr_queue_pairs 5 > max_queue_pairs 4"),
    (f"set {NET}:max_queue_pairs=2", "curr_queue_pairs 4 > max_queue_pairs 2"),
    (f"set {NET}:vq[0].num=0", "old_num_queues >= 3"),
    (f"set {NET}:vq[0].num=2048", "1024 entries at most"),
    (f"set {NET}:vq[0].vector=80", "there are 10 vectors"),
    (f"set {NET}:queue_sel=1024", "queue_sel"),
    (f"set {NET}:guest_features_low=0", "set guest_features, which is both"),
    (f"set {NET}:guest_features=+RING_PACKED", "needs the subsection packed_virtqueues"),
    (f"drop {NET}:64bit_features", "VIRTIO_F_VERSION_1"),
    (f"drop {NET}:virtio/virtqueues", "needs the subsection virtqueues"),
    (f"drop {NET}:extra_state", "VIRTIO_F_VERSION_1 is on"),
    (f"insert {NET}:mac_table.macs[3]=02:00:00:00:00:01", "stand in front of the multicast"),
]


@pytest.mark.parametrize(("text", "reason"), _INVALID, ids=[text for text, _ in _INVALID])
def test_what_would_not_be_valid_is_refused_and_can_be_forced(text: str, reason: str) -> None:
    with pytest.raises(EditError) as refused:
        edited(text)
    assert any(reason in one for one in refused.value.reasons)
    forced = edited(text, force=True)
    assert any(reason in one for one in forced.forced)
    assert forced.data != read(committed(PAIRS))


def test_a_forced_count_is_in_the_bytes() -> None:
    data = read(committed(PAIRS))
    forced = edited(f"set {NET}:mac_table.in_use=65", force=True)
    place = document(committed(PAIRS)).nets()[0].fields()["mac_table.in_use"].offset
    assert forced.data == data[:place] + (65).to_bytes(4, "big") + data[place + 4 :]
    assert forced.difference is None and forced.stream.error is not None


_WRONG = [
    (f"set {NET}:mac=52:54:00", "takes a MAC address"),
    (f"set {NET}:promisc=maybe", "takes a number"),
    (f"set {NET}:promisc=256", "takes 0 to 255"),
    (f"set {NET}:statsu=1", "there is:"),
    (f"set {NET}:vlans=4096", "ids 0 to 4095"),
    (f"set {NET}:vlans=-x", "takes a number"),
    (f"set {NET}:tx_waiting_of_pair=1,2", "its number follows"),
    (f"set {NET}:rss.enabled=1", "no field"),
    (f"set {NET}:guest_features=bit 70", "add it first"),
    (f"set {NET}:mac_table.unicast=33:33:00:00:00:01", "is none"),
    (f"add {NET}:started", "already there"),
    (f"add {NET}:virtio/wings", "there may be"),
    (f"drop {NET}:rss", "no subsection"),
    ("drop timer:anything", "no subsection"),
    ("set virtio-gpu:mac=1", "no device"),
    ("set cpu:env.eip=1", "may be"),
    (f"insert {NET}:mac_table.macs=02:00:00:00:00:01", "write a place"),
    (f"remove {NET}:mac_table.macs[3]", "index 3 of 3"),
    (f"insert {NET}:vlans[0]=1", "fixed number"),
    (f"set {NET}:msix=00", "fixed number of elements"),
]


@pytest.mark.parametrize(("text", "message"), _WRONG, ids=[text for text, _ in _WRONG])
def test_what_cannot_be_set_is_refused_even_by_force(text: str, message: str) -> None:
    for force in (False, True):
        with pytest.raises(FieldError, match=message):
            edited(text, force=force)


def test_a_rule_that_was_broken_before_does_not_stop_another_edit() -> None:
    broken = edited(f"set {NET}:vq[0].vector=80", force=True)
    again = edit(broken.stream, sets=[f"{NET}:status=1"])
    assert net(again).status == 1 and net(again)["vq[0].vector"] == 80


def test_a_cut_stream_is_no_input() -> None:
    data = read(committed(LEGACY))
    for cut in range(0, len(data) - 50_000, len(data) // 16):
        with pytest.raises(StreamError):
            edit(data[:cut], sets=[f"{NET}:status=1"])
    with pytest.raises(StreamError):
        edit(vnetmig.load(data[:1000], partial=True), sets=[f"{NET}:status=1"])


# Anything

_NUMBERS = {
    "status": 8, "isr": 8, "net_status": 16, "promisc": 8, "nouni": 8, "has_vnet_hdr": 32, "vq[1].desc": 64,
    "vq[0].last_avail_idx": 16, "vlans[127]": 32, "msix.table[1].data": 32,
}  # fmt: skip


@settings(max_examples=15)
@given(st.dictionaries(st.sampled_from(sorted(_NUMBERS)), st.integers(0, (1 << 64) - 1), min_size=1))
def test_what_differs_is_what_was_set_and_the_opposite_undoes_it(wanted: dict[str, int]) -> None:
    before = document(committed(LEGACY)).nets()[0]
    values = {path: value & (1 << _NUMBERS[path]) - 1 for path, value in wanted.items()}
    found = edit(read(committed(LEGACY)), sets={f"{NET}:{path}": value for path, value in values.items()})
    assert set(paths(found)) == {path for path, value in values.items() if before[path] != value}
    back = edit(found.data, sets={f"{NET}:{path}": before[path] for path in values})
    assert back.data == read(committed(LEGACY))


@settings(max_examples=10)
@given(st.lists(st.binary(min_size=6, max_size=6), max_size=8), st.sets(st.integers(0, 4095), max_size=8))
def test_tables_come_back_as_they_were_set(macs: list[bytes], vlans: set[int]) -> None:
    texts = sorted((mac.hex(":") for mac in macs), key=lambda mac: int(mac[:2], 16) & 1)
    found = edit(read(committed(LEGACY)), sets={f"{NET}:mac_table.macs": texts, f"{NET}:vlans": vlans})
    assert list(net(found).mac_table.macs) == texts and net(found).vlans == vlans


def test_an_entry_of_nothing_in_another_device() -> None:
    found = edited("insert virtio-console:serial.ports[0]", name="linux-multi-q72", force=True)
    assert found.stream.named("virtio-console")["serial.nr_active_ports"] == 2


def test_a_subsection_inside_a_struct_stays_where_only_the_description_knows_it() -> None:
    with pytest.raises(FieldError, match="of a device that only the vmdescription describes, own subsections go"):
        edited("drop fdc:state.drives[0].media_rate", name="linux-multi-q72")
