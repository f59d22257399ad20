"""`scones local`: a local cloud of one's own, without anything deployed in it."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from scones.commands import as_interrupt, make

# psutil and the cloud are imported in the commands: `scones --help` answers at once.
# ruff: noqa: PLC0415

app = make("Start, end and look at a local cloud. `make up` starts one with the classifier deployed in it.")
InstanceName = Annotated[
    str, typer.Option("--instance", metavar="NAME", help="Which local cloud, a folder of build/local.")
]


@app.command()
def up(
    instance: InstanceName = "default",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Loopback port; a free one if not given.")
    ] = None,
) -> None:
    """Start an empty local cloud, and leave it running."""
    from localcloud.errors import NotRunningError
    from localcloud.instance import Instance
    from scones.target import ROOT, instance_directory

    directory = instance_directory(instance)
    try:
        running = Instance.load(directory)
        typer.echo(f"The local cloud {instance} runs already at {running.endpoint_url}.")
    except NotRunningError:
        with as_interrupt(signal.SIGTERM, signal.SIGHUP):
            running = Instance.start(directory, port=port, project=ROOT)
        typer.echo(f"The local cloud {instance} runs at {running.endpoint_url}.")
    typer.echo("End it with `scones local down`.")


@app.command()
def down(instance: InstanceName = "default") -> None:
    """End a local cloud with everything in it; safe to repeat."""
    from localcloud.errors import NotRunningError
    from localcloud.instance import Instance
    from scones.target import instance_directory

    try:
        Instance.load(instance_directory(instance)).stop()
        typer.echo(f"The local cloud {instance} and everything in it was ended.")
    except NotRunningError:
        typer.echo(f"No local cloud {instance} is running.")


@app.command()
def status(instance: InstanceName = "default") -> None:
    """Say whether a local cloud runs, and what runs in it. Exits 1 if it does not run."""
    from localcloud.instance import Instance
    from scones.target import instance_directory

    for key, value in Instance.load(instance_directory(instance)).status().items():
        typer.echo(f"{key:13} {value}")


@app.command()
def logs(
    instance: InstanceName = "default",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing.")] = False,
) -> None:
    """Print the emulator's log."""
    from scones.errors import TargetError
    from scones.target import instance_directory

    path: Path = instance_directory(instance) / "emulator.log"
    if not path.is_file():
        raise TargetError(f"The local cloud {instance} has no log: start it with `scones local up`.")
    with path.open(errors="replace") as log:
        for line in log.readlines()[-lines:] if lines else log.readlines()[:0]:
            typer.echo(line, nl=False)
        while follow:
            line = log.readline()
            if line:
                typer.echo(line, nl=False)
            else:
                time.sleep(0.3)
