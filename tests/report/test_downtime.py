"""Tables of vnetmig's own migrations, device by device."""

from __future__ import annotations

from runs import run, section, stock_run

from vnetmig.report.downtime import downtime_blocks
from vnetmig.report.measured import Measured
from vnetmig.report.text import plain


def test_a_mode_that_does_not_have_a_device_has_no_row_in_its_table() -> None:
    measured = Measured.of({"stock": [stock_run(9)], "early": [run("early", section("other", 5))]})
    told = list(plain(downtime_blocks(measured, everything=True)))
    rows = told[told.index("other") :]
    assert any(line.startswith("early") for line in rows) and not any(line.startswith("stock") for line in rows)
