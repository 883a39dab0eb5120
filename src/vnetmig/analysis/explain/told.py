"""What the values of a message say, in sentences: arithmetic, names and addresses.

Knows for each message what its values are; knows nothing of lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vnetmig.analysis.explain import device_path
from vnetmig.analysis.explain.error_numbers import numbered, worded

Told = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a message by name, and what its chain adds."""

    values: Mapping[str, int | str]
    device: str | None
    error: str | None

    def number(self, name: str) -> int:
        value = self.values[name]
        assert isinstance(value, int)
        return value

    def text(self, name: str) -> str:
        return str(self.values[name])

    @property
    def kind(self) -> str | None:
        return None if self.device is None else device_path.kind(self.device)


def _magic(v: Values) -> Told:
    if "magic" not in v.values:
        return ()
    magic = v.number("magic")
    what = next((what for start, what in _MAGICS if magic >> (32 - 4 * len(start)) == int(start, 16)), None)
    letters = magic.to_bytes(4, "big").decode("latin-1") if magic < 1 << 32 else ""
    shown = f" ('{letters}')" if letters.isprintable() and letters.isascii() and letters else ""
    return (f"the first four bytes are {magic:08x}{shown}" + (f": {what}" if what else ""),)


#   first bytes   what begins so
_MAGICS = (
    ("4c696276", "a libvirt save image; restore it with virsh, or let vnetmig unwrap it"),
    ("fd377a58", "xz"),
    ("28b52ffd", "zstd"),
    ("1f8b", "gzip"),
    ("425a68", "bzip2"),
    ("11223344", "a multifd side channel: multifd is on at the source only, or channels came in another order"),
    ("1603", "a TLS handshake: tls-creds is set at the source only"),
    ("51435052", "a CPR state"),
    ("47455420", "an HTTP request: a probe"),
)


def _versions(v: Values) -> Told:
    version = v.number("version")
    if "minimum" in v.values:
        minimum = v.number("minimum")
        return (f"version {version} came; this QEMU reads {minimum} and later",)
    local = v.number("local")
    return (f"version {version} came; this QEMU knows versions up to {local}, {version - local} behind",)


def _machine(v: Values) -> Told:
    stream, local = v.text("stream"), v.text("local")
    told = f"the guest was started as {stream}, the destination as {local}"
    if stream.rpartition("-")[0] == local.rpartition("-")[0]:
        return (f"{told}: the same board in another version; start the destination with -machine {stream}",)
    return (f"{told}: another board; start the destination with -machine {stream}",)


def _page_bits(v: Values) -> Told:
    stream, local = v.number("stream"), v.number("local")
    return (f"pages of {_power(stream)} bytes came, the destination has {_power(local)}",)


def _power(bits: int) -> str:
    return str(1 << bits) if 0 <= bits <= 63 else f"2^{bits}"


_SECTION_TYPES = {
    0: "the end of the stream",
    2: "a part of a section",
    3: "the end of a section",
    5: "a subsection, which belongs inside a device: the device before it is shorter here",
    6: "the vmdescription, which belongs behind the end",
    7: "a configuration section, which this destination does not expect",
    8: "a command",
    0x7E: "a footer: the section before it is shorter here than at the source",
}


def _section_type(v: Values) -> Told:
    number = v.number("type")
    what = _SECTION_TYPES.get(number)
    return (f"byte {number} ({number & 0xFF:#04x}) " + (f"is {what}" if what else "begins no kind of section"),)


def _place(v: Values) -> Told:
    idstr = v.text("idstr")
    where = device_path.in_words(idstr)
    if where is None:
        return (f"'{idstr}' is no device with a PCI address; its name is all there is",)
    addr = device_path.address(idstr)
    kind = device_path.kind(idstr)
    driver = f"-device {kind}-pci,...," if kind.startswith(device_path.VIRTIO) else "-device ...,"
    return (f"it is {where}: {driver}addr={addr} on that bus",)


def _unknown_section(v: Values) -> Told:
    instance = v.number("instance") if "instance" in v.values else 0
    extra = f"instance {instance}: the stream has at least {instance + 1} of them" if instance else ""
    return (*_place(v), *([extra] if extra else []))


def _code(v: Values) -> Told:
    return (numbered(v.number("code")),) if "code" in v.values else ()


def _error(v: Values) -> Told:
    said = worded(v.text("strerror"))
    return (said,) if said else ()


def _number(v: Values) -> Told:
    """The number alone: what it means on loading is not what it means elsewhere."""
    return tuple(text.partition(":")[0] for text in _error(v))


def _not_equal(v: Values) -> Told:
    local, stream = v.number("local"), v.number("stream")
    return (f"the destination has {local}, the stream {stream} (the line is in hexadecimal)",)


def _queue_pairs(v: Values) -> Told:
    if "current" not in v.values:
        return _not_equal(v) if "local" in v.values else ()
    current, most = v.number("current"), v.number("max")
    told = f"the guest uses {current} queue pairs, the destination's backend has {most}"
    if current > 0x8000 // 2:
        return (told, f"{current} pairs cannot be: the bytes before are out of step")
    return (told, f"-netdev ...,queues={current} and vectors={2 * current + 2} would do")


def _used_index(v: Values) -> Told:
    size, last, used = v.number("size"), v.number("last"), v.number("used")
    flying = (last - used) & 0xFFFF
    told = [
        (
            f"{_queue(v)}: last_avail_idx {last} (in the stream) - used_idx {used} (in guest memory) = {flying} modulo "
            f"65536 buffers in flight, in a ring of {size}"
        )
    ]
    back = (used - last) & 0xFFFF
    if back < flying:
        told.append(
            f"seen the other way, guest memory is {back} ahead of the stream: memory is newer than the device state, "
            "or the stream's index is too old"
        )
    if used == 0:
        told.append("used_idx 0: the ring's page may never have arrived (all zero)")
    return tuple(told)


def _guest_index(v: Values) -> Told:
    size, guest, host = v.number("size"), v.number("guest"), v.number("host")
    delta = (guest - host) & 0xFFFF
    told = [
        (
            f"{_queue(v)}: guest index {guest} (in guest memory) - host index {host} (last_avail_idx, in the stream) = "
            f"{delta} modulo 65536 buffers to come, in a ring of {size}"
        )
    ]
    if delta != v.number("delta"):
        told.append(f"the line says {v.number('delta'):#x}; {delta:#x} comes of its two indices")
    back = (host - guest) & 0xFFFF
    if back < delta:
        told.append(f"the device is {back} ahead of guest memory: memory is older than the device state")
    if size & (size - 1):
        told.append(f"{size} is no power of two: the ring's size itself is wrong")
    return tuple(told)


def _queue(v: Values) -> str:
    index = v.number("index")
    if v.kind in (None, "virtio-net"):
        way = "receive" if index % 2 == 0 else "transmit"
        last = " (or the control queue, if it is the last one)" if index % 2 == 0 and index else ""
        return f"queue {index}, {way} queue of pair {index // 2}{last}"
    return f"queue {index} of {v.kind}"


def _queue_address(v: Values) -> Told:
    return (f"{_queue(v)}: the device had taken {v.number('last')} buffers (modulo 65536) from a ring at address 0",)


def _queue_size(v: Values) -> Told:
    num, most = v.number("num"), v.number("max")
    told = [f"{_queue(v)}: the guest's ring has {num} entries, the destination made room for {most}"]
    if num == 1024:
        told.append("1024 entries are what QEMU 10.0.13 and stable releases like it give every queue")
    elif num & (num - 1) or num > 1024:
        told.append(f"{num} is no size that a ring of this device can have: the bytes are out of step")
    return tuple(told)


def _num_queues(v: Values) -> Told:
    return (f"{v.number('count')} queues came; 1024 are the most",)


def _pci_config(v: Values) -> Told:
    from vnetmig.analysis.explain.registers import bad_config

    return bad_config({name: v.number(name) for name in v.values}, v.device)


def _footer(v: Values) -> Told:
    return (f"section {v.number('got')} ended where section {v.number('expected')} had begun", *_place(v)[:1])


def _ram_size(v: Values) -> Told:
    stream, local = v.number("stream"), v.number("local")
    told = [f"{v.text('block')}: {_bytes(stream)} in the stream, {_bytes(local)} at the destination"]
    if v.text("block").endswith(".rom"):
        told.append("it is an option ROM: take the same ROM file, romfile= with one of that size, or rombar=0")
    return tuple(told)


def _bytes(number: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= size and number % (size // 4) == 0:
            return f"{number / size:g} {unit} ({number} bytes)"
    return f"{number} bytes"


_RAM_FLAGS = {
    0x001: "FULL (obsolete)",
    0x002: "ZERO",
    0x004: "MEM_SIZE",
    0x008: "PAGE",
    0x010: "EOS",
    0x020: "CONTINUE",
    0x040: "XBZRLE",
    0x080: "HOOK (RDMA)",
    0x100: "COMPRESS_PAGE (QEMU up to 9.0)",
    0x200: "MULTIFD_FLUSH (QEMU 8.1 and later)",
}


def _ram_flags(v: Values) -> Told:
    flags = v.number("flags")
    named = [name for bit, name in _RAM_FLAGS.items() if flags & bit]
    rest = flags & ~sum(_RAM_FLAGS)
    return (
        f"flags {flags:#x}: {', '.join(named) or 'none known'}" + (f", and {rest:#x} that has no name" if rest else ""),
    )


_COMMANDS = {
    1: "OPEN_RETURN_PATH",
    2: "PING",
    3: "POSTCOPY_ADVISE",
    4: "POSTCOPY_LISTEN",
    5: "POSTCOPY_RUN",
    6: "POSTCOPY_RAM_DISCARD",
    7: "PACKAGED",
    8: "ENABLE_COLO",
    9: "POSTCOPY_RESUME",
    10: "RECV_BITMAP",
    11: "SWITCHOVER_START, which QEMU 10.0 and later send",
}


def _command(v: Values) -> Told:
    number = v.number("command")
    return (f"command {number:#x} of {v.number('length')} bytes is {_COMMANDS.get(number, 'none that exists')}",)


def _pages(v: Values) -> Told:
    return (f"{v.number('stream')} in the stream, {v.number('local')} at the destination",)


def _truncated(v: Values) -> Told:
    code = v.number("code") if "code" in v.values else -5
    return (f"{v.text('what')} was to be read; {numbered(code)}",)


def _feature_30(v: Values) -> Told:
    return (f"the device is {v.text('device')}",)


#   message              what its values say
TOLD: dict[str, Callable[[Values], Told]] = {
    "not-a-stream": _magic,
    "machine-type": _machine,
    "page-bits": _page_bits,
    "unknown-section-type": _section_type,
    "unknown-section": _unknown_section,
    "unsupported-version": lambda v: (*_versions(v), *_place(v)),
    "vmstate-too-new": _versions,
    "vmstate-too-old": _versions,
    "section-header-truncated": _truncated,
    "section-id-truncated": _code,
    "footer-truncated": _code,
    "footer-missing": _place,
    "footer-mismatch": _footer,
    "device-failed": _place,
    "device-not-migratable": lambda v: _place(v) if "idstr" in v.values else (),
    "loadvm-failed": _code,
    "command-failed": _code,
    "packaged": _code,
    "save-failed": _code,
    "postcopy-failed": _code,
    "sibling-error": _code,
    "vhost-fallback": _code,
    "stream-error": _code,
    "pre-load-hook": _code,
    "post-load-hook": _code,
    "migration-failed": lambda v: _error(v) if "strerror" in v.values else (),
    "peer-gone": _error,
    "tap-create": _number,
    "tap-configure": _number,
    "tap-offload": lambda v: _number(v) if "strerror" in v.values else (),
    "libvirt-connection": _number,
    "not-equal": _not_equal,
    "max-queue-pairs": _queue_pairs,
    "queue-pairs": _queue_pairs,
    "queue-used-index": _used_index,
    "queue-guest-index": _guest_index,
    "queue-address": _queue_address,
    "queue-too-large": _queue_size,
    "num-queues": _num_queues,
    "pci-config": _pci_config,
    "ram-size": _ram_size,
    "ram-flags": _ram_flags,
    "ram-page-size": _pages,
    "ram-gpa": _pages,
    "postcopy-page-size": _pages,
    "command-unknown": _command,
    "command-deprecated": _command,
    "driver-bad-feature": _feature_30,
}

#   strerror                     what a virtio device refuses with it and without a word (qemu: virtio_load)
SILENT = {
    "Operation not permitted": "a queue_sel of 1024 or above (since 10.0 also an absurd config_len): bytes out of step",
    "Invalid argument": (
        "an MSI-X vector that the destination does not have (vectors=), an INTx level that is neither 0 nor 1, another "
        "ports map of a console, or bytes out of step behind another config_len"
    ),
    "No such file or directory": "a subsection of the source that the destination's QEMU does not know",
    "Input/output error": "nothing: the stream ended inside the device",
}

SILENT_SINCE_10_2 = (
    "an MSI-X vector that the destination does not have (vectors=), a queue_sel of 1024 or above, an absurd "
    "config_len, another ports map of a console, or bytes out of step"
)


def notes(message: str, values: Values) -> Told:
    """What ``values`` of the message called ``message`` say."""
    tell = TOLD.get(message)
    return () if tell is None else tell(values)
