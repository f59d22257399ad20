"""`python -m scones.demo`: what `make demo`, `make up` and `make down` run."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from localcloud.errors import LocalCloudError
from scones.classification import Decision
from scones.commands import INTERRUPTED, make
from scones.demo import report
from scones.demo.lifecycle import end, started, terminating
from scones.demo.results import Model
from scones.demo.session import NAME, RESULTS, Session
from scones.demo.voice import Voice
from scones.errors import DeniedError, LeftoversError, SconesError, sentence
from scones.target import DEFAULT_INSTANCE, instance_directory
from scones.terminal import decisions_table

app = make("Deploy, train, classify and destroy, on this machine.", no_args_is_help=False)
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder with one folder of pictures per class; drawings if not given.",
        show_default=False,
    ),
]
Keep = Annotated[bool, typer.Option("--keep", help="Leave it running at the end.")]
Classifier = Annotated[str, typer.Option(help="Which of the environment's classifiers.")]
Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Loopback port of the local cloud; a free one if not given."),
]
Fast = Annotated[bool, typer.Option("--fast", help="Few pictures, few epochs: for tests.")]
InstanceName = Annotated[str, typer.Option("--instance", metavar="NAME", help="Which local cloud.")]
SHOWN = 20
"""Rows of the decisions table; the report has all."""


@app.callback(invoke_without_command=True)
def default(
    context: typer.Context,
    folder: Data = None,
    keep: Keep = False,
    classifier: Classifier = "vehicles",
    port: Port = None,
    fast: Fast = False,
) -> None:
    """Deploy, train, classify and destroy, on this machine; `run` when no command is named."""
    if context.invoked_subcommand is None:
        run(folder=folder, keep=keep, classifier=classifier, port=port, fast=fast)


@app.command()
def run(
    folder: Data = None,
    keep: Keep = False,
    classifier: Classifier = "vehicles",
    port: Port = None,
    fast: Fast = False,
) -> None:
    """Deploy, train, classify the held-back pictures, report, destroy, and check that nothing is left."""
    voice, began = Voice(), time.monotonic()
    identity = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    wanted = (DEFAULT_INSTANCE, identity) if keep else (identity,)
    with started(voice, identity, wanted, folder, classifier, port, fast=fast, kept=keep) as session:
        session.deploy()
        model, decisions = session.classify()
        left: list[str] = []
        _show(voice, model, decisions)
        if not keep:
            left = session.destroy()
        seconds = {
            **session.seconds,
            "setup": float(os.environ.get("SCONES_SETUP_SECONDS") or 0),
            "total": time.monotonic() - began,
        }
        denied = session.instance.denials()
        _report(session, model, decisions, seconds, left, denied)
        if keep:
            _how_to_use(voice, session)
        elif left:
            raise LeftoversError(f"Destroying left {len(left)} things behind: {', '.join(left)}.")
        if denied:
            raise DeniedError(f"IAM denied {len(denied)} things that were tried: {', '.join(denied)}.")
    if not keep:
        voice.say("Everything was destroyed; nothing is left.", style="bold green")


@app.command()
def up(
    folder: Data = None,
    classifier: Classifier = "vehicles",
    port: Port = None,
    fast: Fast = False,
) -> None:
    """Deploy and train, and leave it running."""
    voice = Voice()
    identity = f"up-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    with started(
        voice, identity, (DEFAULT_INSTANCE,), folder, classifier, port, fast=fast, kept=True
    ) as session:
        session.deploy()
        _how_to_use(voice, session)


@app.command()
def down(instance: InstanceName = DEFAULT_INSTANCE) -> None:
    """Destroy what `up` deployed, check that nothing is left, and end the local cloud."""
    voice = Voice()
    session = Session.load(instance_directory(instance), voice)
    with terminating():
        try:
            left = session.destroy()
        except KeyboardInterrupt:
            voice.say("Interrupted: the local cloud still runs; `make down` again goes on.")
            raise typer.Exit(INTERRUPTED) from None
        except (SconesError, LocalCloudError) as error:
            voice.say(f"error: {sentence(error)}", style="bold red")
            voice.say(
                "The local cloud still runs, with what is left in it: `make down` tries again, and "
                f"`.venv/bin/scones local down --instance {instance}` ends it with everything."
            )
            raise typer.Exit(1) from None
        end(session, keep_log=bool(left))
    if left:
        raise LeftoversError(f"Destroying left {len(left)} things behind: {', '.join(left)}.")
    voice.say("Everything was destroyed; nothing is left.", style="bold green")


def _show(voice: Voice, model: Model, decisions: Sequence[Decision]) -> None:
    """Print a table of decisions with its totals."""
    rows = [*decisions[:SHOWN]]
    voice.console.print(decisions_table(rows))
    if len(decisions) > SHOWN:
        voice.say(f"… and {len(decisions) - SHOWN} more in the report.")
    outcomes = [each.outcome for each in decisions]
    right = sum(a.predicted == b.expected for a, b in zip(decisions, model.held, strict=True))
    counts = ", ".join(f"{outcomes.count(each)} {each}" for each in ("routed", "review", "rejected"))
    voice.say(f"{len(decisions)} pictures: {right} right; {counts}.", style="bold")
    if model.summary.get("drawings"):
        voice.say("These are drawings: the numbers say nothing about photographs.", style="yellow")


def _report(
    session: Session,
    model: Model,
    decisions: Sequence[Decision],
    seconds: dict[str, float],
    left: Sequence[str],
    denied: Sequence[str],
) -> None:
    content = report.build(
        classifier=session.classifier,
        model=model,
        decisions=decisions,
        seconds=seconds,
        leftovers=left,
        denied=denied,
    )
    report.write(content, session.folder / "pictures", session.folder, RESULTS)
    routed = content["accuracy_when_routed"]
    session.voice.say(
        f"Accuracy {content['accuracy']:.1%}, routed {content['coverage']:.1%}"
        f"{'' if routed is None else f' (right: {routed:.1%})'}. Report: {RESULTS / 'report.html'}"
    )
    session.voice.say(f"The data's report, the model's evaluation and its card: {session.folder}")


def _how_to_use(voice: Voice, session: Session) -> None:
    name = session.instance.directory.name
    choice = "" if name == DEFAULT_INSTANCE else f" --instance {name}"
    which = "" if session.classifier == "vehicles" else f" --classifier {session.classifier}"
    end = "make down" if name == DEFAULT_INSTANCE else f".venv/bin/python -m scones.demo down{choice}"
    voice.say(f"It runs on at {session.instance.endpoint_url} as {NAME}-dev.", style="bold")
    voice.say(f"  classify   .venv/bin/scones classify{choice}{which} FILES…")
    voice.say(f"  look       .venv/bin/scones status{choice}{which}")
    voice.say(f"  retrain    .venv/bin/scones train{choice}{which}")
    voice.say(f"  end it     {end}")


if __name__ == "__main__":
    app()
