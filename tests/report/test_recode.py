"""A stream that does not come back as it was: the place, and both sides' bytes."""

from __future__ import annotations

from typing import Any

import vnetmig
from vnetmig.report.recode import recode, recode_blocks, recode_json
from vnetmig.report.text import plain


def test_the_first_difference_by_section_and_field() -> None:
    stream = vnetmig.load(vnetmig.sample())
    data = bytearray(stream.encode())
    (net,) = stream.nets()
    place = net.fields()["mac"].offset
    data[place] ^= 0xFF
    made = recode(stream, [bytes(data)])
    assert not made.identical
    lines = list(plain(recode_blocks(made)))
    assert lines[0] == f"different at offset {place:#x} ({place}) in section '{net.section.idstr}', mac"
    assert lines[1].startswith("  input    ad 54 00") and lines[2].startswith("  encoded  52 54 00")
    said: Any = recode_json(made)["difference"]
    assert said["field"] == "mac" and bytes.fromhex(said["input"])[0] == 0x52 ^ 0xFF


def test_an_input_that_ends_early() -> None:
    stream = vnetmig.load(vnetmig.sample())
    whole = stream.encode()
    lines = list(plain(recode_blocks(recode(stream, [whole[:-1]]))))
    assert lines[1] == "  input    ends here" and lines[2] == f"  encoded  {whole[-1]:02x}"
