"""The commands with which an operator changes what serves: back to a version, off, on; and what it costs."""

from __future__ import annotations

from typing import Annotated

import typer

from scones.commands import Choose, on_target

# Modules that load boto3 are imported in the commands: `scones --help` answers at once.
# ruff: noqa: PLC0415

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@on_target
def rollback(
    choose: Choose,
    version: Annotated[
        int | None,
        typer.Argument(
            help="A registered version; the one before the champion if not given.", show_default=False
        ),
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Show the registered versions, and change nothing.")
    ] = False,
    stop: Annotated[
        bool,
        typer.Option(
            "--stop", help="End a training that is under way first; a `cdk deploy` that waits for it fails."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Put an earlier version of the model behind the endpoint: one command, one update of the endpoint.

    The endpoint answers as it did with that version; a paused one is created with it, and takes the images that waited.
    Exits 1 when it failed; the champion stays then, and a pause goes on.
    """
    from scones.terminal import print_rows
    from scones.versions import rollback, versions

    target = choose()
    if listing:
        print_rows(
            [each.as_dict() for each in versions(target)], json=json, none="No version is registered yet."
        )
        return
    end = rollback(target, version, typer.echo, stop=stop)
    typer.echo(f"{end.status}: {end.reason}")


@on_target
def promote(
    choose: Choose,
    version: Annotated[
        int | None,
        typer.Argument(
            help="A registered version; the newest in the shadow if not given.", show_default=False
        ),
    ] = None,
) -> None:
    """Let the version that sees copied requests in the champion's shadow answer, as the new champion.

    `scones rollback --list` shows the versions. Exits 1 when it failed; the champion stays then.
    """
    from scones.versions import promote

    target = choose()
    end = promote(target, version, typer.echo)
    typer.echo(f"{end.status}: {end.reason}")


@on_target
def pause(choose: Choose) -> None:
    """Delete the endpoint, which costs by the hour; images that arrive wait in the queue, for 14 days at most.

    While it is paused nothing trains. Run it again if it was interrupted.
    """
    from scones.pausing import pause

    target = choose()
    typer.echo(pause(target, typer.echo))


@on_target
def resume(choose: Choose) -> None:
    """Create the endpoint again with the same model; images that waited are then classified.

    Run it again if it was interrupted.
    """
    from scones.pausing import resume

    target = choose()
    typer.echo(resume(target, typer.echo))


@on_target
def history(
    choose: Choose,
    json: Json = False,
) -> None:
    """Show how each run of the training workflow ended, and why it was started."""
    from scones.state import history
    from scones.terminal import print_rows

    target = choose()
    fields = ("started_at", "run", "reason", "status", "accuracy", "dataset_version", "gate_reason")
    rows = [{key: each.get(key, "") for key in fields} for each in history(target)]
    print_rows(rows, json=json, none="No training has ended yet.")


@on_target
def cost(
    choose: Choose,
    json: Json = False,
) -> None:
    """Show what runs now and its list price per hour, and what 1,000 images cost over the last day."""
    from json import dumps

    from scones.costs import cost
    from scones.terminal import print_cost

    found = cost(choose())
    if json:
        typer.echo(dumps(found, indent=2))
    else:
        print_cost(found)


COMMANDS = (rollback, promote, pause, resume, history, cost)
