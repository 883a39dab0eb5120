"""What docs/performance.md promises can be measured: every goal has a way, and a QEMU's log is read right."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COUNTED = {"instructions"}  # tools/count_instructions.py

BEFORE_8_2 = """\
7606@1795727002.778601:qemu_loadvm_state_section 4
7606@1795727002.778604:qemu_loadvm_state_section_startfull 41(0000:00:02.0/virtio-net) 0 11
7606@1795727002.779618:qemu_loadvm_state_section 4
7606@1795727002.779620:qemu_loadvm_state_section_startfull 42(acpi_build) 0 1
7606@1795727002.779700:qemu_loadvm_state_section 0
"""
SINCE_8_2 = """\
2026-11-26T21:05:07Z qemu_loadvm_state_section_startfull 41(0000:00:02.0/virtio-net) 0 11
2026-11-26T21:05:07Z vmstate_downtime_load type=non-iterable idstr=0000:00:02.0/virtio-net instance_id=0 downtime=984
2026-11-26T21:05:07Z qemu_loadvm_state_section 4
"""


def test_every_goal_has_a_way_to_measure_it() -> None:
    tools = ROOT / "tools"
    code = """if True:
        import goals, measure_goals
        print(*(key for keys, _ in measure_goals.MEASURES for key in keys))
        print(*(goal.key for goal in goals.GOALS))
        """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tools, check=True)
    measured, wanted = (line.split() for line in run.stdout.splitlines())
    assert sorted(measured) == sorted(set(wanted) - COUNTED)


@pytest.mark.parametrize(("log", "microseconds"), [(BEFORE_8_2, 1014), (SINCE_8_2, 984)])
def test_the_load_of_one_section_in_a_log(monkeypatch: pytest.MonkeyPatch, log: str, microseconds: int) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from qemu_load import section_seconds

    assert round(section_seconds(log) * 1e6) == microseconds
    with pytest.raises(AssertionError):
        section_seconds(re.sub("virtio-net", "e1000", log))
