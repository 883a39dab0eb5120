"""Descriptions of device state, and the programs and records they compile to.

Knows vmstate as QEMU's migration code defines it; knows no device, no stream framing and no file.
"""

from vnetmig.vmstate.batch import LoadBatch, SaveBatch, save_batch
from vnetmig.vmstate.description import Check, Field, List, Optional, Struct, Vmsd
from vnetmig.vmstate.expression import Const, Count, Expr, Marker, Param, Ref, Version
from vnetmig.vmstate.overlay import Register
from vnetmig.vmstate.program import Loaded, Program
from vnetmig.vmstate.record import Record
from vnetmig.vmstate.types import (
    BITMAP,
    BOOL,
    BUFFER,
    BY_NAME,
    INT8,
    INT16,
    INT32,
    INT64,
    LE16,
    LE32,
    LE64,
    MAC,
    NULLPTR,
    TIMER,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    UNUSED,
    Type,
)

__all__ = [
    "BITMAP",
    "BOOL",
    "BUFFER",
    "BY_NAME",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "LE16",
    "LE32",
    "LE64",
    "MAC",
    "NULLPTR",
    "TIMER",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "UNUSED",
    "Check",
    "Const",
    "Count",
    "Expr",
    "Field",
    "List",
    "LoadBatch",
    "Loaded",
    "Marker",
    "Optional",
    "Param",
    "Program",
    "Record",
    "Ref",
    "Register",
    "SaveBatch",
    "Struct",
    "Type",
    "Version",
    "Vmsd",
    "save_batch",
]
