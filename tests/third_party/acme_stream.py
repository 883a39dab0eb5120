"""A real stream with the devices of the package acme-ring in it: python acme_stream.py CAPTURE OUT [VERSION]"""

from __future__ import annotations

import sys

from acme_ring.ring import RING, AcmeRing

import vnetmig
from vnetmig.stream import framing
from vnetmig.stream.events import Eof, SectionFooter, SectionStart
from vnetmig.stream.payload import SectionHeader

IDSTR = "0000:00:1f.0/acme-ring"


def the_ring() -> AcmeRing:
    ring = AcmeRing(status=3, pending=0x81)
    ring.descriptors = [(0x1000 * (index + 1), 64 + index, 10**9 + index) for index in range(20)]
    return ring


def with_section(capture: str, payload: bytes, version: int) -> bytes:
    """The capture, and behind its last section one of an acme-ring."""
    stream = vnetmig.load(capture)
    number = 1 + max(section.section_id for section in stream.sections)
    header = SectionHeader(framing.SECTION_FULL, number, IDSTR, 0, version)
    section = SectionStart(header, 0).encode() + payload + SectionFooter(number, 0).encode()
    return b"".join((section if isinstance(event, Eof) else b"") + event.encode() for event in stream.events)


if __name__ == "__main__":
    version = int(sys.argv[3]) if len(sys.argv) > 3 else RING.version
    payload = the_ring().save(min(version, RING.version))
    with open(sys.argv[2], "wb") as file:
        file.write(with_section(sys.argv[1], payload, version))
