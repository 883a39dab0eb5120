"""Error numbers as QEMU's loader uses them, which is not always what their names say.

Knows numbers, names and meanings; knows no message.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorNumber:
    number: int  #: positive
    name: str
    text: str  #: what strerror(3) says on Linux
    means: str  #: on loading


#   number, name, strerror, and what it stands for when a load fails with it
NUMBERS = (
    ErrorNumber(
        1,
        "EPERM",
        "Operation not permitted",
        "a loader returned -1, which is no error number: nothing to do with permissions",
    ),
    ErrorNumber(
        2,
        "ENOENT",
        "No such file or directory",
        "no such subsection: the destination does not know a part of the state",
    ),
    ErrorNumber(4, "EINTR", "Interrupted system call", "reading was interrupted"),
    ErrorNumber(
        5, "EIO", "Input/output error", "the stream ended too early: the other side died or closed, or the file was cut"
    ),
    ErrorNumber(9, "EBADF", "Bad file descriptor", "the connection was closed on this side already"),
    ErrorNumber(11, "EAGAIN", "Resource temporarily unavailable", "a channel had nothing to read"),
    ErrorNumber(12, "ENOMEM", "Cannot allocate memory", "out of memory, or a length in the stream is absurd"),
    ErrorNumber(13, "EACCES", "Permission denied", "a file or device may not be opened by QEMU's user"),
    ErrorNumber(14, "EFAULT", "Bad address", "an address is not in guest memory"),
    ErrorNumber(16, "EBUSY", "Device or resource busy", "somebody else has it"),
    ErrorNumber(17, "EEXIST", "File exists", "it is there already"),
    ErrorNumber(19, "ENODEV", "No such device", "a backend is missing"),
    ErrorNumber(
        22, "EINVAL", "Invalid argument", "the loader understood the value and refused it: the two sides differ"
    ),
    ErrorNumber(24, "EMFILE", "Too many open files", "QEMU's limit of open files"),
    ErrorNumber(28, "ENOSPC", "No space left on device", "disk or memory file system full"),
    ErrorNumber(32, "EPIPE", "Broken pipe", "the other side has closed: look there"),
    ErrorNumber(61, "ENODATA", "No data available", "nothing came"),
    ErrorNumber(71, "EPROTO", "Protocol error", "the other side said something impossible"),
    ErrorNumber(75, "EOVERFLOW", "Value too large for defined data type", "a number is too large"),
    ErrorNumber(90, "EMSGSIZE", "Message too long", "a length in the stream is absurd"),
    ErrorNumber(95, "ENOTSUP", "Operation not supported", "the other side's format or feature is not known here"),
    ErrorNumber(103, "ECONNABORTED", "Software caused connection abort", "the connection was cut on this side"),
    ErrorNumber(104, "ECONNRESET", "Connection reset by peer", "the other side died or closed: look there"),
    ErrorNumber(107, "ENOTCONN", "Transport endpoint is not connected", "the other side was gone already"),
    ErrorNumber(110, "ETIMEDOUT", "Connection timed out", "the network between the hosts"),
    ErrorNumber(
        111, "ECONNREFUSED", "Connection refused", "nobody listens there: the destination's QEMU is not up or gone"
    ),
    ErrorNumber(113, "EHOSTUNREACH", "No route to host", "the network between the hosts"),
)

_BY_NUMBER = {entry.number: entry for entry in NUMBERS}
_BY_TEXT = {entry.text: entry for entry in NUMBERS}


def numbered(code: int) -> str:
    """A code from a log, in words.

    >>> numbered(-5).split(":")[0]
    '-5 is EIO (Input/output error)'
    """
    entry = _BY_NUMBER.get(abs(code))
    if entry is not None:
        return f"{code} is {entry.name} ({entry.text}): {entry.means}"
    import errno
    import os

    name = errno.errorcode.get(abs(code))
    return f"{code} is {name} ({os.strerror(abs(code))})" if name else f"{code} is no error number"


def worded(text: str) -> str | None:
    """What strerror's ``text`` stands for, with its number; None when it is not strerror's."""
    entry = _BY_TEXT.get(text)
    if entry is not None:
        return f"'{text}' is -{entry.number} {entry.name}: {entry.means}"
    import errno
    import os

    for number, name in errno.errorcode.items():
        if os.strerror(number) == text:
            return f"'{text}' is -{number} {name}"
    return None
