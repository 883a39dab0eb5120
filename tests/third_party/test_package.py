"""A package of its own that brings devices: found by its entry point, read, edited and migrated on both engines."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import vnetmig

HERE = Path(__file__).resolve().parent
CAPTURE = HERE.parent / "streams" / "linux-user-1q-ping-q52" / "stream.bin.xz"
RING = "0000:00:1f.0/acme-ring"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package is installed, as pip does it: nothing is downloaded."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-index", "--no-build-isolation", "--target", str(target), str(HERE / "acme-ring")]
    subprocess.run(command, check=True)
    return target


@pytest.fixture(scope="module")
def stream(site: Path) -> Path:
    return made(site, site.parent / f"{site.name}.qemu")


def made(site: Path, path: Path, *version: str) -> Path:
    run(site, "python", str(HERE / "acme_stream.py"), str(CAPTURE), str(path), *version)
    return path


def environment(site: Path, engine: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(site), "VNETMIG_ENGINE": engine}


def run(site: Path, engine: str, *command: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, *command], env=environment(site, engine), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout if code == 0 else done.stderr


def vnetmig_run(site: Path, engine: str, *arguments: str, code: int = 0) -> str:
    return run(site, engine, "-m", "vnetmig", *arguments, code=code)


def test_without_the_package_the_device_is_bytes(stream: Path) -> None:
    document = vnetmig.load(stream)
    assert document.devices[-1] == RING
    with pytest.raises(vnetmig.FieldError, match="nothing describes"):
        document.device("acme-ring")
    assert document.encode() == stream.read_bytes()


def test_inspect_names_every_byte(site: Path, stream: Path, engine: str) -> None:
    made = json.loads(vnetmig_run(site, engine, "inspect", str(stream), "acme-ring", "--json"))
    assert (made["idstr"], made["described"], made["device"]) == (RING, "registered", "acme-ring")
    assert made["coverage"]["percent"] == 100
    values: dict[str, Any] = {field["path"]: field["value"] for field in made["fields"]}
    assert values["mac"] == "02:ac:3e:00:00:01"
    assert values["descriptors[19].time"] == 10**9 + 19
    assert values["watermark"] == 16
    assert values["irq.pending"] == 0x81
    assert not any("names" in field for field in made["fields"])  # its status is not virtio's
    text = vnetmig_run(site, engine, "inspect", str(stream), "acme-ring")
    assert "registered" in text
    assert "irq.pending" in text
    whole = json.loads(vnetmig_run(site, engine, "inspect", str(stream), "--json"))
    assert [s["described"] for s in whole["sections"] if s["idstr"] == RING] == ["registered"]


def test_recode(site: Path, stream: Path, engine: str, tmp_path: Path) -> None:
    out = tmp_path / "again.qemu"
    made = json.loads(vnetmig_run(site, engine, "recode", str(stream), "-o", str(out), "--json"))
    assert made["identical"] is True
    assert out.read_bytes() == stream.read_bytes()


def test_edit(site: Path, stream: Path, engine: str, tmp_path: Path) -> None:
    out = tmp_path / "edited.qemu"
    code = f"""
import vnetmig
stream = vnetmig.load({str(stream)!r})
ring = stream.device("acme-ring")
ring["descriptors[3].address"] = 0xabc000
ring.record.resize("descriptors", 5)
ring.record.drop("irq")
ring["mac"] = "02:ac:3e:00:00:02"
stream.save({str(out)!r})
"""
    run(site, engine, "-c", code)
    made = json.loads(vnetmig_run(site, engine, "inspect", str(out), "acme-ring", "--json"))
    values = {field["path"]: field["value"] for field in made["fields"]}
    assert values["number"] == 5
    assert values["descriptors[3].address"] == 0xABC000
    assert values["mac"] == "02:ac:3e:00:00:02"
    assert "descriptors[5].address" not in values
    assert "irq.pending" not in values
    original, edited = lzma.decompress(CAPTURE.read_bytes()), out.read_bytes()
    assert edited[:1000] == original[:1000]


def test_an_older_version_has_no_watermark_and_a_newer_one_is_refused(site: Path, engine: str, tmp_path: Path) -> None:
    old = made(site, tmp_path / "old.qemu", "1")
    found = json.loads(vnetmig_run(site, engine, "inspect", str(old), "acme-ring", "--json"))
    assert "watermark" not in {field["path"] for field in found["fields"]}
    assert json.loads(vnetmig_run(site, engine, "recode", str(old), "--json"))["identical"] is True
    new = made(site, tmp_path / "new.qemu", "3")
    said = vnetmig_run(site, engine, "inspect", str(new), code=3)
    assert f"savevm: unsupported version 3 for '{RING}' v2" in said


def test_between_two_processes_in_every_mode(site: Path, stream: Path, engine: str, tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 'there'}"
    modes = list(vnetmig.MODES)
    command = [sys.executable, str(HERE / "acme_destination.py"), address, str(len(modes))]
    with subprocess.Popen(command, env=environment(site, engine), stdout=subprocess.PIPE, text=True) as destination:
        try:
            assert destination.stdout is not None
            assert destination.stdout.readline() == "listening\n"
            here = run(site, engine, str(HERE / "acme_source.py"), str(stream), address).splitlines()
            there = destination.communicate(timeout=60)[0].splitlines()
        finally:
            destination.kill()
    assert [json.loads(line)["mode"] for line in here] == modes
    for sent, received in zip(map(json.loads, here), map(json.loads, there), strict=True):
        assert (received["owner"], received["error"]) == ("destination", None)
        assert sent["engine"] == engine
        assert received["described_by"] == "registered"
        assert received["ring"] == sent["ring"]
        assert received["table"] == sent["table"]
        assert len(sent["table"]) == 100
        assert sent["busy"] < 7  # the guest wrote while the table was on its way
        assert (sent["dirty"], received["incoming"]) == ([], None)  # both sides have cleaned up
        assert {"acme/table", RING} <= set(sent["devices"])


def test_the_command_migrates_it(site: Path, stream: Path, engine: str) -> None:
    """Every mode that the command offers; its exit code says that each destination holds what was sent."""
    made = json.loads(vnetmig_run(site, engine, "migrate", str(stream), "--runs", "1", "--json"))
    assert made["engine"].split()[0] == engine
    assert {"stock", "iterative"} <= set(made["modes"])
    assert RING in json.dumps(made)


def test_a_recorded_table_is_read_and_goes_on(site: Path, stream: Path, engine: str, tmp_path: Path) -> None:
    """A stream with the table's own sections: every entry has a name, and migrating it sends what was recorded."""
    first, second = tmp_path / "first.qemu", tmp_path / "second.qemu"
    code = f"""
import vnetmig
from acme_ring.table import TABLE
TABLE.entries = {{key: 2 * key for key in range(70)}}
vnetmig.migrate({str(stream)!r}, "file:{first}", "stock")
TABLE.entries = {{}}
vnetmig.migrate({str(first)!r}, "file:{second}", "stock")
"""
    run(site, engine, "-c", code)
    assert first.read_bytes() == second.read_bytes()
    made = json.loads(vnetmig_run(site, engine, "inspect", str(second), "--json"))
    chunks = [section for section in made["sections"] if section["idstr"] == "acme/table"]
    assert [chunk["type"] for chunk in chunks] == ["start", "part", "part", "part", "end"]
    assert all(chunk["described"] == "registered" and not chunk["assumed"] for chunk in chunks)
    values = {field["path"]: field["value"] for field in chunks[1]["fields"]}
    assert (values["number"], values["entries[31].value"]) == (32, 62)


@pytest.mark.parametrize(("change", "said"), [("kind = 9", "returned -22"), ("checksum", "not those that were sent")])
def test_what_its_handlers_refuse_fails_the_migration(
    site: Path, stream: Path, engine: str, change: str, said: str
) -> None:
    """Both ways to say no, a number and an error; the destination keeps the table that it had."""
    fault = "table.LAST = 9" if change == "kind = 9" else "table.checksum = lambda entries: next(counter)"
    code = f"""
import itertools, vnetmig
from acme_ring import table
from vnetmig.migration.registry import Registry
counter = itertools.count()
source, there = table.Table({{1: 2}}), table.Table({{7: 7}})
out, into = vnetmig.Registry(), vnetmig.Registry()
class Sender(table.TableHandlers):
    def save_complete(self, file, opaque):
        {fault}
        try:
            return super().save_complete(file, opaque)
        finally:
            table.LAST = 3
class Receiver(table.TableHandlers):
    def decoder(self, header):
        return None  # the footer says where a chunk ends
out.register_savevm_live("acme/other", 0, 1, Sender(), source)
into.register_savevm_live("acme/other", 0, 1, Receiver(), there)
destination = vnetmig.Destination(registry=into, registered=False)
try:
    vnetmig.migrate({str(stream)!r}, destination, registry=out)
except vnetmig.MigrationError as error:
    print(error.outcome.owner, destination.owner, there.entries, there.incoming, error)
"""
    told = run(site, engine, "-c", code)
    assert told.startswith("source source {7: 7} None ")
    assert said in told
