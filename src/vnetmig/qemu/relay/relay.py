"""`relay`: one migration between two QEMUs, passed on while somebody looks, checks or changes.

Knows what can be asked for and in which order things are opened; moving bytes is `passage`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from vnetmig.analysis.profile.from_stream import OfStream
from vnetmig.analysis.profile.profile import Profile
from vnetmig.channel.address import Address
from vnetmig.migration.watcher import Watcher
from vnetmig.qemu.relay.checking import Checking
from vnetmig.qemu.relay.ends import DestinationEnd, SourceEnd
from vnetmig.qemu.relay.gate import Gate
from vnetmig.qemu.relay.outcome import Relayed
from vnetmig.qemu.relay.passage import Follow, Held, Passage
from vnetmig.qemu.relay.recording import Recordings
from vnetmig.qemu.relay.rehearsal import rehearse
from vnetmig.qemu.relay.rewriting import Inspect, Rewrite, Rewriting


async def relaying(
    listen_at: str | Address,
    connect_to: str | Address,
    *,
    check: Profile | OfStream | None = None,
    qemu: str | None = None,
    strict: bool = False,
    sets: Iterable[str] = (),
    inspect: Inspect | None = None,
    rewrite: Rewrite | None = None,
    record: str | None = None,
    record_out: str | None = None,
    overwrite: bool = False,
    late: bool = False,
    follow: Follow | None = None,
    held: Held | None = None,
    listening: Callable[[str], object] | None = None,
    page_size: int | None = None,
    engine: str | None = None,
) -> Relayed:
    """Stand between two QEMUs for one migration, and return when it is over.

    ``relay`` is to be called, ``relaying`` to be awaited: cancelling it ends the migration, as a Ctrl-C does.

    ``listen_at``: where the source will migrate to; ``connect_to``: where the destination waits. unix:PATH,
    tcp:HOST:PORT or fd:N.

    ``check``: the destination's profile; a migration that it would not take is refused while the source can still go
    on. ``qemu``: its release, which an OfStream cannot know; ``strict``: refuse warnings too. ``sets``:
    DEVICE:PATH=VALUE, changed as they go by. ``inspect(device)`` sees every described device, and refuses by raising a
    VnetmigError; ``rewrite(device)`` returns {path: value} of what is to change in it. All of these take a return path;
    with ``late`` they go without, and a refusal may leave the source stopped.

    ``record``: a file for the source's bytes as they came (other channels beside it: FILE.1, FILE.2), ``record_out``
    one for what the destination got; FieldError when it is there already, unless ``overwrite``. ``follow(account)`` is
    called ten times a second, ``listening(address)`` once. A Ctrl-C ends the migration, unless the guest could not go
    back any more: then ``held`` is told so, and only the next one ends it (from Python 3.11 on).

    What becomes of the migration is in the result, errors included. ChannelError, OSError or FieldError when it never
    begins.

    >>> import vnetmig
    >>> vnetmig.relay("file:/tmp/vm", "unix:/run/vm.sock")
    Traceback (most recent call last):
    ...
    vnetmig.errors.ChannelError: cannot relay through 'file:/tmp/vm'
      expected unix:PATH, tcp:HOST:PORT or fd:N
    """
    sets = tuple(sets)
    checking = None if check is None else Checking(check, qemu=qemu, strict=strict, engine=engine)
    rewriting = None
    if sets or inspect is not None or rewrite is not None:
        rewriting = Rewriting(sets, inspect, rewrite, engine)
    gate = None
    if checking is not None or rewriting is not None:
        gate = Gate(checking, rewriting, engine=engine, page_size=page_size, late=late)
    watcher = gate.watcher if gate is not None else Watcher(engine=engine, page_size=page_size)
    destination = DestinationEnd(connect_to)
    source = SourceEnd(listen_at)
    recordings = None
    try:
        recordings = Recordings(record, record_out, overwrite=overwrite)
        rehearse(gate is not None, engine)
        if listening is not None:
            listening(source.address)
        made = await Passage(source, destination, watcher, gate, recordings).run(follow, held)
    finally:
        source.close()
        if recordings is not None:
            recordings.close()
    if checking is not None:
        made.checked = checking.result
    if rewriting is not None:
        made.changed = rewriting.changed
    return made


_Options = ParamSpec("_Options")
_Result = TypeVar("_Result")


def _waited_for(run: Callable[_Options, Coroutine[Any, Any, _Result]], name: str) -> Callable[_Options, _Result]:
    @wraps(run)
    def call(*args: _Options.args, **options: _Options.kwargs) -> _Result:
        return asyncio.run(run(*args, **options))

    call.__name__ = call.__qualname__ = name
    return call


relay = _waited_for(relaying, "relay")
