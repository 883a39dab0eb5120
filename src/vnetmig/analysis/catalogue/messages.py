"""All messages, in the order in which a line is searched for them: the more particular before the general.

Knows the tables; knows nothing of their contents.
"""

from __future__ import annotations

from dataclasses import replace

from vnetmig.analysis.catalogue import (
    commands,
    configuration,
    crash,
    foreseen,
    header,
    net,
    outgoing,
    pci,
    ram,
    rings,
    savevm,
    tap,
    virtio,
    vmstate,
)
from vnetmig.analysis.catalogue.wording import Message
from vnetmig.analysis.release import Release
from vnetmig.errors import FieldError

MESSAGES: tuple[Message, ...] = (
    *header.MESSAGES,
    *configuration.MESSAGES,
    *savevm.MESSAGES,
    *net.MESSAGES,
    *virtio.MESSAGES,
    *rings.MESSAGES,
    *pci.MESSAGES,
    *vmstate.MESSAGES,
    *ram.MESSAGES,
    *commands.MESSAGES,
    *outgoing.MESSAGES,
    *tap.MESSAGES,
    *crash.MESSAGES,
    *foreseen.MESSAGES,
)

_BY_ID = {message.id: message for message in MESSAGES}


def message(id: str) -> Message:
    """The message called ``id``.

    >>> message("vnet-hdr").source
    'hw/net/virtio-net.c:virtio_net_vnet_post_load'
    """
    try:
        return _BY_ID[id]
    except KeyError:
        raise FieldError(f"no message is called '{id}'; `vnetmig explain --list` has them all") from None


def messages_of(release: Release | None) -> tuple[Message, ...]:
    """All messages, with only the wordings of ``release``; None: with all."""
    if release is None:
        return MESSAGES
    return tuple(
        replace(message, wordings=tuple(w for w in message.wordings if w.used_by(release))) for message in MESSAGES
    )
