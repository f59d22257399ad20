"""The commands with which an operator changes what serves: back to a version, off, on; and what it costs."""

from __future__ import annotations

from typing import Annotated

import typer

from scones.commands import Classifier, Env, InstanceName, Local, Name, chosen

# Modules that load boto3 are imported in the commands: `scones --help` answers at once.
# ruff: noqa: PLC0415

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def rollback(
    version: Annotated[
        int | None,
        typer.Argument(
            help="A registered version; the one before the champion if not given.", show_default=False
        ),
    ] = None,
    env: Env = "dev",
    name: Name = "scones",
    classifier: Classifier = "vehicles",
    local: Local = None,
    instance: InstanceName = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Show the registered versions, and change nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Put an earlier version of the model behind the endpoint: one command, one update of the endpoint.

    The endpoint answers as it did with that version. Exits 1 when it failed; the champion stays then.
    """
    from scones.terminal import print_rows
    from scones.versions import rollback, versions

    target = chosen(name=name, env=env, classifier=classifier, local=local, instance=instance)
    if listing:
        print_rows([each.as_dict() for each in versions(target)], json=json)
        return
    end = rollback(target, version, typer.echo)
    typer.echo(f"{end.status}: {end.reason}")


def promote(
    version: Annotated[
        int | None,
        typer.Argument(
            help="A registered version; the newest in the shadow if not given.", show_default=False
        ),
    ] = None,
    env: Env = "dev",
    name: Name = "scones",
    classifier: Classifier = "vehicles",
    local: Local = None,
    instance: InstanceName = None,
) -> None:
    """Let the version that sees copied requests in the champion's shadow answer, as the new champion.

    `scones rollback --list` shows the versions. Exits 1 when it failed; the champion stays then.
    """
    from scones.versions import promote

    target = chosen(name=name, env=env, classifier=classifier, local=local, instance=instance)
    end = promote(target, version, typer.echo)
    typer.echo(f"{end.status}: {end.reason}")


def pause(
    env: Env = "dev",
    name: Name = "scones",
    classifier: Classifier = "vehicles",
    local: Local = None,
    instance: InstanceName = None,
) -> None:
    """Delete the endpoint, which costs by the hour; images that arrive wait in the queue, for 14 days at most.

    While it is paused nothing trains. Run it again if it was interrupted.
    """
    from scones.pausing import pause

    target = chosen(name=name, env=env, classifier=classifier, local=local, instance=instance)
    typer.echo(pause(target, typer.echo))


def resume(
    env: Env = "dev",
    name: Name = "scones",
    classifier: Classifier = "vehicles",
    local: Local = None,
    instance: InstanceName = None,
) -> None:
    """Create the endpoint again with the same model; images that waited are then classified.

    Run it again if it was interrupted.
    """
    from scones.pausing import resume

    target = chosen(name=name, env=env, classifier=classifier, local=local, instance=instance)
    typer.echo(resume(target, typer.echo))


def history(
    env: Env = "dev",
    name: Name = "scones",
    classifier: Classifier = "vehicles",
    local: Local = None,
    instance: InstanceName = None,
    json: Json = False,
) -> None:
    """Show how each run of the training workflow ended, and why it was started."""
    from scones.state import history
    from scones.terminal import print_rows

    target = chosen(name=name, env=env, classifier=classifier, local=local, instance=instance)
    fields = ("started_at", "run", "reason", "status", "accuracy", "dataset_version", "gate_reason")
    rows = [{key: each.get(key, "") for key in fields} for each in history(target)]
    print_rows(rows, json=json)


def cost(
    env: Env = "dev",
    name: Name = "scones",
    classifier: Classifier = "vehicles",
    local: Local = None,
    instance: InstanceName = None,
    json: Json = False,
) -> None:
    """Show what runs now and its list price per hour, and what 1,000 images cost over the last day."""
    from json import dumps

    from scones.costs import cost
    from scones.terminal import print_cost

    found = cost(chosen(name=name, env=env, classifier=classifier, local=local, instance=instance))
    if json:
        typer.echo(dumps(found, indent=2))
    else:
        print_cost(found)


COMMANDS = (rollback, promote, pause, resume, history, cost)
