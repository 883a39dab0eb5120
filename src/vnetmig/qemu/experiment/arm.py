"""What an arm of an experiment is set to, and how settings are written: `smp=4`, `capability.multifd=on`.

Knows the names of settings; whether a QEMU has a property, a capability or a parameter is for it to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from vnetmig.errors import FieldError

Value = int | bool | str

SMP_MAX: Final = 64
QUEUE_PAIRS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Arm:
    """``properties`` by "driver.name", set with -global; capabilities and parameters are those of the migration."""

    qemu: str = "qemu-system-x86_64"
    machine: str = "pc"
    smp: int = 1
    queue_pairs: int = 1
    properties: tuple[tuple[str, str], ...] = ()
    capabilities: tuple[tuple[str, bool], ...] = ()
    parameters: tuple[tuple[str, Value], ...] = ()

    @property
    def hardware(self) -> Arm:
        """What its processes are: arms that are equal in it can migrate the same guest in turns."""
        return replace(self, capabilities=(), parameters=())


def arm_with(arm: Arm, settings: Iterable[str]) -> Arm:
    """``arm`` with settings like `smp=4`; the last of a name holds. FieldError for one that is none.

    >>> arm_with(Arm(), ["smp=4", "property.virtio-net-pci.packed=on", "capability.multifd=on"]).properties
    (('virtio-net-pci.packed', 'on'),)
    """
    for setting in settings:
        key, equals, value = setting.partition("=")
        kind, dot, name = key.partition(".")
        if not equals or not value or (kind, bool(dot and name)) not in _KINDS:
            raise FieldError(f"'{setting}' is no setting of an arm\n  expected one of {', '.join(FORMS)}")
        field, read = _KINDS[kind, bool(dot)]
        if dot:
            kept = dict(getattr(arm, field))
            kept[name] = read(setting, value)
            changed: dict[str, Any] = {field: tuple(sorted(kept.items()))}
        else:
            changed = {field: read(setting, value)}
        arm = replace(arm, **changed)
    return arm


def _text(setting: str, value: str) -> str:
    return value


def _switch(setting: str, value: str) -> bool:
    if value not in ("on", "off"):
        raise FieldError(f"'{setting}': expected on or off")
    return value == "on"


def _number(most: int) -> Callable[[str, str], int]:
    def read(setting: str, value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,6}", value) or not 1 <= int(value) <= most:
            raise FieldError(f"'{setting}': expected a number from 1 to {most}")
        return int(value)

    return read


def _parameter(setting: str, value: str) -> Value:
    """QMP's types: parameters are numbers, switches or words."""
    if re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    return value == "on" if value in ("on", "off") else value


#        kind, with a name    field of the arm, its reader
_KINDS: Final[dict[tuple[str, bool], tuple[str, Callable[[str, str], Any]]]] = {
    ("qemu", False): ("qemu", _text),
    ("machine", False): ("machine", _text),
    ("smp", False): ("smp", _number(SMP_MAX)),
    ("queue-pairs", False): ("queue_pairs", _number(QUEUE_PAIRS_MAX)),
    ("property", True): ("properties", _text),
    ("capability", True): ("capabilities", _switch),
    ("parameter", True): ("parameters", _parameter),
}
FORMS: Final = tuple(f"{kind}{'.NAME' if named else ''}=VALUE" for kind, named in _KINDS)
