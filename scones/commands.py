"""The command line's options and how its commands end."""

from __future__ import annotations

import functools
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from scones import target

INTERRUPTED = 130
Choose = Callable[[], target.Target]

Env = Annotated[str, typer.Option(help="Environment of the deployment.", envvar="SCONES_ENV")]
Name = Annotated[str, typer.Option(help="Name of the deployment.", envvar="SCONES_NAME")]
Classifier = Annotated[str, typer.Option(help="The classifier.", envvar="SCONES_CLASSIFIER")]
Local = Annotated[
    bool | None,
    typer.Option(
        "--local/--aws",
        help="Talk to a local cloud, or to AWS. Without either: AWS when AWS_PROFILE or AWS_ACCESS_KEY_ID "
        "is set, else the local cloud `default` if it runs (and says so), else AWS.",
        show_default=False,
    ),
]
InstanceName = Annotated[
    str | None,
    typer.Option(
        "--instance",
        metavar="NAME",
        help="Which local cloud, a folder of build/local; implies --local.  [default: default]",
        show_default=False,
    ),
]
Files = Annotated[
    list[Path], typer.Argument(help="Images, or folders of images.", metavar="FILES…", show_default=False)
]


@contextmanager
def handled(
    handler: Callable[[int, FrameType | None], None] | signal.Handlers, *signals: signal.Signals
) -> Iterator[None]:
    """Let a handler take signals while the context lasts."""
    before = {each: signal.signal(each, handler) for each in signals}
    try:
        yield
    finally:
        for each, earlier in before.items():
            signal.signal(each, earlier)


@contextmanager
def as_interrupt(*signals: signal.Signals) -> Iterator[None]:
    """Let the first of these signals end what runs as Ctrl-C does, so that it can clean up."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in signals:  # `timeout` sends its own twice: the second would end the cleaning up
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    with handled(interrupt, *signals):
        yield


class Commands(TyperGroup):
    """Commands that end in one sentence and a status, never in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; Ctrl-C ends it with 130, an error with its sentence and 1."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("Interrupted.", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            from scones.errors import sentence  # noqa: PLC0415  # only an error pays for botocore

            said = sentence(error)
            if said is None:
                raise
            typer.echo(f"error: {said}", err=True)
            raise typer.Exit(1) from None


def make(help_text: str, *, no_args_is_help: bool = True) -> typer.Typer:
    """Return an empty set of commands."""
    return typer.Typer(
        cls=Commands,
        help=help_text,
        no_args_is_help=no_args_is_help,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def run(app: typer.Typer) -> None:
    """Run commands, and end with them: a thread with a request under way would hold the end until that is through."""
    try:
        app()
    except SystemExit as end:
        held = any(not each.daemon for each in threading.enumerate() if each is not threading.main_thread())
        if not held or not isinstance(end.code, int):
            raise
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(end.code)


def on_target(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose a classifier of a deployment, and a cloud.

    Its first parameter is what chooses: called, it returns the target, and says which cloud when nobody chose one.
    """
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    options = list(inspect.signature(chosen, eval_str=True).parameters.values())

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        where = {each.name: given.pop(each.name) for each in options}
        command(functools.partial(chosen, **where), **given)

    # Typer reads both.
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *options)]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_options


def chosen(
    *,
    env: Env = "dev",
    name: Name = "scones",
    classifier: Classifier = "vehicles",
    local: Local = None,
    instance: InstanceName = None,
) -> target.Target:
    """Choose the cloud, and say which when nobody did."""
    from scones.terminal import note  # noqa: PLC0415

    found = target.choose(name=name, env=env, classifier=classifier, local=local, instance=instance)
    if local is None and instance is None:
        note(f"Using {found.where}; choose with --aws, --local or --instance.")
    return found
