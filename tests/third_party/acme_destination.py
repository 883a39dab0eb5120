"""The destination of several migrations, one line of JSON for each: python acme_destination.py ADDRESS NUMBER"""

from __future__ import annotations

import json
import sys

from acme_ring.table import TABLE

from vnetmig.channel.opening import listen
from vnetmig.migration.run import serve_incoming

with listen(sys.argv[1]) as listener:
    print("listening", flush=True)
    for _ in range(int(sys.argv[2])):
        TABLE.entries.clear()
        with listener.accept() as channel:
            there = serve_incoming(channel)
        ring = next((d for d in there.devices if d.idstr.endswith("/acme-ring")), None)
        found = {
            "owner": there.owner,
            "error": str(there.error) if there.error is not None else None,
            "ring": ring.state.save().hex() if ring is not None else None,
            "described_by": ring.described_by.value if ring is not None else None,
            "table": sorted(TABLE.entries.items()),
            "incoming": TABLE.incoming,
        }
        print(json.dumps(found), flush=True)
