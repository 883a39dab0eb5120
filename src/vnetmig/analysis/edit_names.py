"""The names of a device's live view beside the paths of its record: what `edit` takes on the left of ``=``.

Knows which values a name stands for and how their texts are read; what may not be set is ``edit_rules``'.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from vnetmig.analysis import edit_text
from vnetmig.document.device import Device
from vnetmig.document.net import NetDevice
from vnetmig.document.receive import RX_MODES
from vnetmig.errors import FieldError
from vnetmig.virtio import features
from vnetmig.virtio.accepted_features import WORDS, set_guest_features
from vnetmig.virtio.rings import guest_features
from vnetmig.vmstate import Record, elements
from vnetmig.vmstate.value import Value, mac_bytes, mac_text

_Setter = Callable[[NetDevice, str], None]


def _mac(path: str) -> Callable[[str], str]:
    return lambda text: mac_text(mac_bytes(path, text))


def _set_vlans(net: NetDevice, text: str) -> None:
    ids = (
        range(4096)
        if text == "all"
        else edit_text.members("vlans", text, sorted(net.vlans), lambda word: edit_text.number("vlans", word))
    )
    net.vlans = frozenset(ids)


def _set_macs(net: NetDevice, text: str) -> None:
    path = "mac_table.macs"
    net.mac_table.macs = edit_text.members(path, text, net.mac_table.macs, _mac(path))


def _set_unicast(net: NetDevice, text: str) -> None:
    path = "mac_table.unicast"
    net.mac_table.unicast = tuple(edit_text.members(path, text, net.mac_table.unicast, _mac(path)))


def _set_multicast(net: NetDevice, text: str) -> None:
    path = "mac_table.multicast"
    net.mac_table.multicast = tuple(edit_text.members(path, text, net.mac_table.multicast, _mac(path)))


def _set_curr_queue_pairs(net: NetDevice, text: str) -> None:
    """With the array whose number follows from it."""
    path = "curr_queue_pairs"
    pairs = edit_text.number(path, text)
    net.record[path] = pairs
    net.record.resize("tx_waiting_of_pair", max(0, pairs - 1))


# Where a path of the record has the same name, the two mean the same value.
_OF_NET: dict[str, _Setter] = {
    "vlans": _set_vlans,  # ids; the words that they are bits of are vlans[0] to vlans[127]
    "mac_table.macs": _set_macs,
    "mac_table.unicast": _set_unicast,
    "mac_table.multicast": _set_multicast,
    "curr_queue_pairs": _set_curr_queue_pairs,
}

_PATHS = {
    **{f"rx_mode.{mode}": mode for mode in RX_MODES},
    "mac_table.uni_overflow": "mac_table_overflow.uni",
    "mac_table.multi_overflow": "mac_table_overflow.multi",
}

_QUEUE = re.compile(r"queues\[(\d+)\]\.(\w+)")
_QUEUE_PATHS = {"avail": "virtqueues.vq[{}].avail", "used": "virtqueues.vq[{}].used"}


def virtio_kind(device: Device) -> str:
    """The kind of virtio device, if its features have names; empty otherwise."""
    state = device.section.state
    name = state.record.program.vmsd.name if state is not None else ""
    return name if name in features.DEVICES else ""


def path_of(device: Device, name: str) -> str:
    """The path in the record that ``name`` stands for; ``name`` itself when it is one."""
    if name in device.record or not isinstance(device, NetDevice):
        return name
    queue = _QUEUE.fullmatch(name)
    if queue is not None:
        return _QUEUE_PATHS.get(queue[2], f"vq[{{}}].{queue[2]}").format(queue[1])
    return _PATHS.get(name, name)


def entry_of(device: Device, name: str) -> tuple[str, int]:
    """(list, index) of an entry; those of the unicast and multicast part of the MAC table count by themselves."""
    path, index = edit_text.split_index(name)
    if isinstance(device, NetDevice):
        table = device.mac_table
        part = {"mac_table.unicast": 0, "mac_table.multicast": len(table.unicast)}.get(path)
        if part is not None:
            return "mac_table.macs", part + index
    return path, index


def set_text(device: Device, name: str, text: str) -> None:
    """Set what ``name`` stands for to the value that ``text`` says. FieldError when it does not fit there."""
    kind = virtio_kind(device)
    if kind and name == "guest_features":
        bits = edit_text.feature_bits(kind, name, text, guest_features(device.record))
        if isinstance(device, NetDevice):
            device.guest_features = bits
        else:
            set_guest_features(device.record, bits)
    elif isinstance(device, NetDevice) and name in _OF_NET:
        _OF_NET[name](device, text)
    else:
        set_path(device.record, path_of(device, name), text, kind)


def set_path(record: Record, path: str, text: str, kind: str = "") -> None:
    """Set the value at ``path`` of the record. ``kind`` of virtio device: words of features take names."""
    now = _present(record, path)
    form = elements.form(record, path) if not path.rpartition(".")[2].startswith("#") else "uint"
    if isinstance(now, tuple):
        read = _mac(path) if form == "mac" else lambda word: edit_text.number(path, word)
        values: list[int | bool | str] = [read(word) for word in edit_text.words(text)]
        _fit(record, path, len(values))
        record[path] = tuple(values)
    elif isinstance(now, bytes):
        data = edit_text.content(path, text)
        if len(data) != len(now):
            _fit(record, path, len(data))
        record[path] = data
    elif isinstance(now, str):
        record[path] = text
    elif kind and path in WORDS:
        first, width = WORDS[path]
        bits = edit_text.feature_bits(kind, path, text, int(now) << first) if not _is_number(text) else None
        record[path] = edit_text.number(path, text) if bits is None else _word(path, bits, first, width)
    else:
        record[path] = edit_text.number(path, text)


def _is_number(text: str) -> bool:
    return text[:1].isdigit()


def _word(path: str, bits: int, first: int, width: int) -> int:
    word = bits >> first
    if word >> width or bits & (1 << first) - 1:
        raise FieldError(f"'{path}' holds features {first} to {first + width - 1} only")
    return word


def _present(record: Record, path: str) -> Value:
    """The value at ``path``; an array that is empty has one, too."""
    value = record.get(path)
    return record[path] if value is None else value


def _fit(record: Record, path: str, count: int) -> None:
    if record.count(path) != count:
        record.resize(path, count)
