"""Option syntax as QEMU reads it."""

from __future__ import annotations

import pytest

from vnetmig.analysis.profile.options import Option, keys_of, options, size_of
from vnetmig.errors import FieldError


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("virtio-net-pci,netdev=n0,mq=on", {"driver": "virtio-net-pci", "netdev": "n0", "mq": "on"}),
        ("driver=VGA,addr=2", {"driver": "VGA", "addr": "2"}),
        ("VGA,romfile=", {"driver": "VGA", "romfile": ""}),
        ("x,a=b,,c,d=e,,", {"driver": "x", "a": "b,c", "d": "e,"}),
        ("x,server,nowait", {"driver": "x", "server": "on", "wait": "off"}),
        ("x,a=1,a=2", {"driver": "x", "a": "2"}),
        ("x,a=b=c", {"driver": "x", "a": "b=c"}),
        ('{"driver":"x","mq":true,"n":4,"l":["a"]}', {"driver": "x", "mq": "on", "n": "4", "l": '["a"]'}),
    ],
)
def test_keys(text: str, keys: dict[str, str]) -> None:
    assert keys_of(Option("device", text), "driver") == keys


def test_which_options_take_a_value() -> None:
    words = ["-S", "-m", "1G", "--nodefaults", "disk.img", "-usb", "-device", "-odd"]
    found = [(option.name, option.value) for option in options(words)]
    assert found == [("S", ""), ("m", "1G"), ("nodefaults", ""), ("hda", "disk.img"), ("usb", ""), ("device", "-odd")]


def test_json_that_is_none() -> None:
    deep = '{"a":' + "[" * 100_000
    for text in ("{", '{"a"}', "{}]", deep):
        with pytest.raises(FieldError, match="expected JSON"):
            keys_of(Option("device", text))


@pytest.mark.parametrize(
    ("text", "size"),
    [("96M", 96 << 20), ("1.5G", 3 << 29), ("4k", 4096), ("12", 12 << 20), ("12b", 12), ("x", None), ("9" * 30, None)],
)
def test_sizes(text: str, size: int | None) -> None:
    assert size_of(text, "m") == size
