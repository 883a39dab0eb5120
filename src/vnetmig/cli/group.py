"""How verbs are found and how they end: lazy loading, one place for errors and exit codes.

Knows click and the errors of the lower layers; knows no verb. A verb's module has its command under ``command``, whose
return value (None: 0) is the exit code.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

import click

from vnetmig.errors import EngineError, FieldError, QemuError, StreamError, VnetmigError

DIFFERENCES, USAGE, UNREADABLE = 1, 2, 3
INTERRUPTED = 128 + 2
"""As a shell counts a process that SIGINT ended."""
PIPE_CLOSED = 128 + 13
"""As a shell counts a process that SIGPIPE ended."""

OBJECTS = 50_000
"""New objects between two looks for garbage. A verb's modules alone make many more than Python's own number, 700, and
they stay."""

PRINTED = "vnetmig.printed"
"""Key in ``Context.meta``: the verb has written its JSON already, an error included."""


class _PipeClosed(Exception):
    """A BrokenPipeError by another name: click has an exit code of its own for that one."""


@contextmanager
def to_stdout() -> Iterator[None]:
    """A system error inside says where: what is full, or broken, is not what was read."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


class Verb(click.Command):
    """A command that says its errors in JSON too when it was asked for JSON."""

    def __init__(self, *args: Any, example: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.example = example

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            with to_stdout():
                sys.stdout.flush()
            return result
        except BrokenPipeError as error:
            raise _PipeClosed from error
        except (VnetmigError, OSError, click.UsageError) as error:
            if ctx.params.get("as_json") and not ctx.meta.get(PRINTED):
                from vnetmig.cli.output import write_json

                write_json({"error": _error_object(error)})
            raise

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for line in self.example.strip().splitlines():
                formatter.write(f"  {line.strip()}\n")
        super().format_epilog(ctx, formatter)


class VerbGroup(click.Group):
    """A group whose verbs are modules of ``package``, loaded when used; ends the process with the exit code."""

    def __init__(self, *args: Any, verbs: Mapping[str, str], package: str, **options: Any) -> None:
        options.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **options)
        self.verbs = verbs
        self.package = package

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.verbs, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.verbs:
            return super().get_command(ctx, cmd_name)
        gc.set_threshold(OBJECTS)
        command = import_module(f"{self.package}.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(self.verbs.items()))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        def run() -> Any:
            extra["windows_expand_args"] = windows_expand_args
            return super(VerbGroup, self).main(args, prog_name, complete_var, standalone_mode=False, **extra)

        if not standalone_mode:
            return run()
        sys.exit(exit_code(run))


def exit_code(run: Callable[[], Any]) -> int:
    """Run, say what went wrong on stderr, and give the exit code. No error that is expected shows a traceback."""
    _never_fail_on_a_character()
    try:
        result = run()
        with to_stdout():
            sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return USAGE if isinstance(error, click.UsageError) else error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except (BrokenPipeError, _PipeClosed):
        return _pipe_closed()
    except StreamError as error:
        from vnetmig.report.failure import error_lines

        _say("\n".join(error_lines(error)))
        return UNREADABLE
    except (FieldError, EngineError) as error:
        _say(_escaped(error))
        return USAGE
    except QemuError as error:
        _say(_escaped(error))
        return UNREADABLE
    except VnetmigError as error:
        _say(_escaped(error))
        return DIFFERENCES
    except OSError as error:
        _say(_escaped(_os_words(error)))
        return UNREADABLE
    except MemoryError:
        _say("there is not enough memory for this")
        return UNREADABLE


def _say(text: str) -> None:
    """On stderr, behind what stdout already has."""
    with suppress(OSError):  # a full disk, which is what is to be said
        sys.stdout.flush()
    click.echo(f"vnetmig: {text}", err=True)


def _escaped(error: object) -> str:
    from vnetmig.report.escape import safe

    return "\n".join(map(safe, str(error).split("\n")))


def _os_words(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename is not None and error.strerror else str(error)


def _error_object(error: VnetmigError | OSError | click.UsageError) -> Any:
    from vnetmig.report.json import error_json

    if isinstance(error, StreamError):
        return error_json(error)
    if isinstance(error, click.UsageError):
        return {"message": error.format_message()}
    return {"message": _os_words(error) if isinstance(error, OSError) else str(error)}


def _pipe_closed() -> int:
    """Whoever read our output has left. What is still buffered must not fail once more when Python ends."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError):  # a stdout without a descriptor
        pass
    return PIPE_CLOSED


def _never_fail_on_a_character() -> None:
    """A terminal that is not UTF-8 gets escapes, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
