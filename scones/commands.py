"""The command line's options and how its commands end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from scones.target import Target

INTERRUPTED = 130

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
def as_interrupt(*signals: signal.Signals) -> Iterator[None]:
    """Let these signals end what runs as Ctrl-C does, so that it can clean up."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


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


def chosen(*, name: str, env: str, classifier: str, local: bool | None, instance: str | None) -> Target:
    """Choose the cloud, and say which when nobody did."""
    from scones.target import choose  # noqa: PLC0415  # `--help` need not pay for psutil
    from scones.terminal import note  # noqa: PLC0415

    target = choose(name=name, env=env, classifier=classifier, local=local, instance=instance)
    if local is None and instance is None:
        note(f"Using {target.where}; choose with --aws, --local or --instance.")
    return target
