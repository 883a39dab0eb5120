"""The source of one migration in every mode, one line of JSON for each: python acme_source.py STREAM ADDRESS"""

from __future__ import annotations

import json
import sys

from acme_ring.table import TABLE

import vnetmig

TABLE.entries = {key: 3 * key for key in range(100)}
for mode in vnetmig.MODES:
    TABLE.busy = 7
    sizes: list[int] = []
    timeline = vnetmig.migrate(sys.argv[1], sys.argv[2], mode, progress=sizes.append)
    ring = vnetmig.load(sys.argv[1]).device("acme-ring")
    found = {
        "mode": timeline.mode,
        "engine": timeline.engine,
        "ring": ring.save().hex(),
        "table": sorted(TABLE.entries.items()),
        "devices": [device.idstr for device in timeline.devices],
        "busy": TABLE.busy,
        "dirty": TABLE.dirty,
    }
    print(json.dumps(found), flush=True)
