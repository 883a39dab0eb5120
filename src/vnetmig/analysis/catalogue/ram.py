"""What is said about guest memory: blocks, sizes, page flags, compression.

Knows messages only. Layout: qemu: migration/ram.c, system/physmem.c.
"""

from __future__ import annotations

from vnetmig.analysis.catalogue.wording import SOURCE, Message, Wording

_LOAD = "migration/ram.c:ram_load_precopy"
_DAMAGED = "The bytes are out of step or damaged, or a channel delivered to the wrong place."
_AGAIN = "Migrate again; if it repeats, switch the capability off on both sides."

MESSAGES = (
    Message(
        "ram-size",
        "system/physmem.c:qemu_ram_resize",
        (
            Wording("Size mismatch: {block}: {stream:#x} != {local:#x}: Invalid argument"),
            Wording("Size mismatch: {block}: {stream:#x} != {local:#x}"),
            Wording("Size too large: {block}: {stream:#x} > {local:#x}"),
            Wording("Length mismatch: {block}: {stream:#x} in != {local:#x}", until="5.1"),
        ),
        "A block of guest memory has another size. The first number is the stream's, the second the destination's.",
        (
            "pc.ram, ram-node, mem: -m, the NUMA layout or hotplugged DIMMs differ.",
            "A name that ends in .rom: the option ROM file has another size in the other QEMU package (ipxe).",
            "vga.vram or vram: the display device or its vgamem_mb differs.",
            "pc.bios or flash: other firmware, or a firmware of another size.",
        ),
        (
            "Make the block the same: -m and -numa; romfile= with a file of the same size, or rombar=0; vgamem_mb=.",
            "Fixed for good: keep the ROM files' sizes the same in all packages.",
        ),
        see=("https://www.suse.com/support/kb/doc.php?id=7017048",),
    ),
    Message(
        "ram-block-unknown",
        "migration/ram.c:parse_ramblocks",
        (Wording('Unknown ramblock "{block}", cannot accept migration'),),
        "The stream has a block of memory that the destination does not have.",
        (
            "A memory backend has another id, or DIMMs were hotplugged and are not on the command line.",
            "A device with memory of its own (VGA, ROM, ivshmem) is missing or at another address.",
            "The machine type names its memory differently (pc.ram against a memory backend's id).",
        ),
        ("Give the destination the same memory backends with the same ids, and the same devices.",),
    ),
    Message(
        "ram-page-size",
        "migration/ram.c:parse_ramblock",
        (Wording("Mismatched RAM page size {block} (local) {local:d} != {stream:d}"),),
        "Postcopy needs the same huge page size on both sides.",
        ("Huge pages are used at one side only, or of another size.",),
        ("Use the same hugetlbfs page size, or migrate without postcopy.",),
    ),
    Message(
        "ram-gpa",
        "migration/ram.c:parse_ramblock",
        (Wording("Mismatched GPAs for block {block} {stream:d}!= {local:d}"),),
        "With x-ignore-shared a block must stand at the same guest address on both sides.",
        ("The memory layout differs (-m, max-ram-below-4g, devices with memory).",),
        ("Start the destination with the same memory layout.",),
    ),
    Message(
        "ram-flags",
        _LOAD,
        (
            Wording("Unknown combination of migration flags: {flags:#x}"),
            Wording("Unknown combination of migration flags: {flags:#x} (postcopy mode)"),
        ),
        "A word between two pages has flags that go with no kind of page.",
        (
            _DAMAGED,
            "The source used compression (flag 0x100), which QEMU 9.1 and later no longer know.",
            "The source sends multifd flushes (flag 0x200), which QEMU before 8.1 does not know.",
        ),
        ("Set the same capabilities on both sides; switch compress off.", _AGAIN),
    ),
    Message(
        "ram-zero-page",
        _LOAD,
        (Wording("Found a zero page with value {value:d}", since="9.0"),),
        "A page of one repeated byte came with a byte that is not 0, which newer QEMU does not accept.",
        (_DAMAGED,),
        (_AGAIN,),
    ),
    Message(
        "ram-offset",
        _LOAD,
        (
            Wording("Illegal RAM offset {address:x}"),
            Wording("page outside of ramblock {block} range", since="9.0"),
            Wording("zero page outside of ramblock {block} range", since="10.2"),
        ),
        "A page's address is outside of its block.",
        ("The block is smaller at the destination.", _DAMAGED),
        ("Compare the memory sizes on both sides.",),
    ),
    Message(
        "ram-block-lost",
        "migration/ram.c:ram_block_from_stream",
        (
            Wording("Can't find block {block}"),
            Wording("block {block} should not be migrated !"),
        ),
        "A page names a block of memory that the destination does not have or would not take.",
        ("A memory device is missing at the destination.", _DAMAGED),
        ("Give the destination the same memory backends with the same ids.",),
    ),
    Message(
        "ram-xbzrle",
        "migration/ram.c:load_xbzrle",
        (Wording("Failed to decompress XBZRLE page at {address:x}"),),
        "A page that was sent as a difference could not be put together.",
        ("The page before it is not the one that the source thinks; a page was lost.", _DAMAGED),
        (_AGAIN,),
    ),
    Message(
        "ram-xbzrle-page",
        "migration/ram.c:load_xbzrle",
        (Wording("Failed to load XBZRLE page - {what}!"),),
        "What should be a page sent as a difference is none.",
        (_DAMAGED,),
        (_AGAIN,),
    ),
    Message(
        "ram-block-none",
        "migration/ram.c:ram_block_from_stream",
        (Wording("Ack, bad migration stream!"),),
        "A page belongs to the block of the page before it, and there was none.",
        (_DAMAGED,),
        (_AGAIN,),
    ),
    Message(
        "ram-address",
        _LOAD,
        (Wording("Getting RAM address failed", since="9.0"),),
        "The stream ended in front of a page, or in its address.",
        ("The source closed the connection or died, or the file was cut; see the source's log.",),
        ("Look at the source's log for the reason it stopped. Save again if it is a file.",),
    ),
    Message(
        "ram-compressed",
        _LOAD,
        (Wording("Received an unexpected compressed page", until="9.1"),),
        "A page came compressed, and the capability compress is off here.",
        ("compress is on at the source only.", _DAMAGED),
        ("Set compress alike on both sides; it is gone since QEMU 9.1.",),
    ),
    Message(
        "ram-failed",
        _LOAD,
        (),
        "Guest memory was refused without a word: with Input/output error the stream ended in a page, with Invalid "
        "argument an RDMA hook came over another transport.",
        ("The source closed the connection or died, or the file was cut; see the source's log.",),
        ("Look at the source's log for the reason it stopped. Save again if it is a file.",),
    ),
    Message(
        "ram-version",
        "migration/savevm.c:vmstate_load",
        (Wording("Failed to load vmstate version_id: {version:d}, ret: {code:d}", since="10.2"),),
        "Guest memory was refused; the line before says why. Alone it is the section's version, which must be 4.",
        ("As for the line before.", _DAMAGED),
        ("As for the line before.",),
    ),
    Message(
        "ram-compress",
        "migration/ram-compress.c:decompress_data_with_multi_threads",
        (Wording("Invalid compressed data length: {length:d}", until="9.1"),),
        "A compressed page has an impossible length.",
        (_DAMAGED,),
        ("Switch compress off on both sides; it is gone since QEMU 9.1.",),
    ),
    Message(
        "mapped-ram",
        "migration/ram.c:parse_ramblock_mapped_ram",
        (
            Wording(
                "Could not read whole mapped-ram migration header (expected {expected:d}, got {got:d} bytes)",
                since="9.0",
            ),
            Wording(
                "Migration mapped-ram capability version not supported (expected <= {expected:d}, got {got:d})",
                since="9.0",
            ),
            Wording("Migration mapped-ram header has invalid page_size {got:d} (expected {expected:d})", since="9.0"),
            Wording("Error reading ramblock {block} pages, region has bad alignment", since="9.0"),
            Wording("Error reading dirty bitmap", since="9.0"),
        ),
        "The file's mapped-ram header or bitmap does not fit.",
        ("The file was cut, or copied by something that cannot keep holes.", "mapped-ram is on at one side only."),
        ("Copy the file with `cp --sparse=always` or as raw bytes; set mapped-ram on both sides.",),
    ),
    Message(
        "ram-resized",
        "migration/ram.c:ram_mig_ram_block_resized",
        (
            Wording("RAM block '{block}' resized during precopy.", since="6.1"),
            Wording("RAM block '{block}' resized during postcopy state: {state:d}", since="6.1"),
        ),
        "A block of memory changed its size while it was being copied; the migration is cancelled.",
        ("The guest rebooted, and its firmware tables got another size.",),
        ("Migrate again.",),
        side=SOURCE,
    ),
)
