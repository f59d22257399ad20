"""`scones`: what an operator does with a deployed classifier, on AWS or in a local cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scones import local_cloud, operations
from scones.commands import (
    Choose,
    Env,
    Files,
    InstanceName,
    Local,
    as_interrupt,
    chosen,
    make,
    on_target,
    run,
)

# Modules that load boto3 are imported in the commands: `scones --help` answers at once.
# ruff: noqa: PLC0415

app = make("Send images to the classifier, train it, and see how it does: on AWS or in a local cloud.")
app.add_typer(local_cloud.app, name="local")
for command in operations.COMMANDS:
    app.command()(command)
REJECTED = 3
NO_OUTCOME = 1


@app.command()
@on_target
def classify(
    choose: Choose,
    files: Files,
    patience: Annotated[
        float, typer.Option(min=1, help="Give up after this many seconds without a new outcome.")
    ] = 120,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Upload images and print what is decided about each.

    Exits 1 if any image got no outcome in time.
    """
    from scones.classification import as_json, classify
    from scones.files import expand, name_objects
    from scones.terminal import classifying, note, print_decisions

    paths = expand(files)
    target = choose()
    images = name_objects(paths, target.classifier)
    with classifying() as (on_sent, on_decided):
        decisions = classify(target, images, patience=patience, on_sent=on_sent, on_decided=on_decided)
    if json:
        typer.echo(as_json(decisions))
    else:
        print_decisions(decisions)
    missing = sum(each.outcome is None for each in decisions)
    if missing:
        note(
            f"error: {missing} of {len(decisions)} images got no outcome; `scones status` shows the queues, "
            "and the dead letters hold the cause if it failed for good."
        )
        raise typer.Exit(NO_OUTCOME)


@app.command()
@on_target
def video(
    choose: Choose,
    source: Annotated[
        str,
        typer.Argument(
            help="A video file, or a stream's address: rtsp://…, http://…, udp://….", show_default=False
        ),
    ],
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between the frames that are sent.")] = 1.0,
    limit: Annotated[
        int | None, typer.Option(min=1, help="End after so many frames.", show_default=False)
    ] = None,
    patience: Annotated[
        float, typer.Option(min=1, help="Give up after this many seconds without a new outcome.")
    ] = 120,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> None:
    """Send a video's or a camera's frames, and print what is decided about each as it comes.

    A camera does not wait: its frames are left out, and counted, while decisions do not keep up. Ctrl-C ends it, as
    does SIGTERM.
    Exits 1 if the source broke off or any frame got no outcome in time.
    """
    import signal
    from collections import Counter

    from scones.footage import Footage
    from scones.terminal import note, print_seen
    from scones.video import Reader, decide

    target = choose()
    reader = Reader(Footage(source, every), limit)
    counts: Counter[str] = Counter()
    try:
        with as_interrupt(signal.SIGTERM):
            for seen in decide(target, reader, patience=patience):
                counts[seen.decision.outcome or "without an outcome"] += 1
                print_seen(seen, json=json)
    finally:
        counts["left out"] += reader.left_out
        if total := counts.total():
            note(f"{total} frames: {', '.join(f'{n} {what}' for what, n in counts.items() if n)}.")
    if counts["without an outcome"]:
        note("error: some frames got no outcome; `scones status` shows the queues.")
        raise typer.Exit(NO_OUTCOME)


@app.command()
@on_target
def status(
    choose: Choose,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the stacks, the endpoint, the champion, the queues and the last trainings."""
    from json import dumps

    from scones.overview import overview
    from scones.terminal import print_overview

    state = overview(choose())
    if json:
        typer.echo(dumps(state, indent=2))
    else:
        print_overview(state)


@app.command()
@on_target
def train(
    choose: Choose,
    shadow: Annotated[
        bool | None,
        typer.Option(
            help="Let the model see copied requests first, and answer none.",
            show_default="serving.shadow of the settings",
        ),
    ] = None,
) -> None:
    """Start the training workflow and follow it to its end.

    Exits 0 when the model was promoted, or is in the champion's shadow, 3 when it was rejected, 1 when the workflow
    failed. Ctrl-C stops following; the workflow goes on.
    """
    from scones.errors import TrainingError
    from scones.terminal import note
    from scones.training import follow, start

    target = choose()
    request = {"reason": "hand"} if shadow is None else {"reason": "hand", "shadow": shadow}
    execution = start(target, request)
    note(f"Started {execution}")
    try:
        end = follow(target, execution, typer.echo)
    except KeyboardInterrupt:
        note("No longer following; the workflow goes on, and `scones status` shows it.")
        raise
    if end.status == "failed":
        raise TrainingError(f"The training workflow failed: {end.reason}")
    typer.echo(f"{end.status}: {end.reason}" if end.reason else end.status)
    if end.status == "rejected":
        raise typer.Exit(REJECTED)


@app.command()
@on_target
def review(
    choose: Choose,
    reviewer: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who answers.  [default: your login]")
    ] = None,
    count: Annotated[bool, typer.Option("--list", help="Say how many wait, and ask nothing.")] = False,
    answers: Annotated[
        Path | None,
        typer.Option(help="Take answers from this file of JSON lines: object or decision_id, and class."),
    ] = None,
) -> None:
    """Answer what the model is unsure of, and a sample of what it is sure of.

    Exits 1 when a message or an answer could not be used; it, and all that is skipped, waits on.
    """
    from scones.answers import read_answers
    from scones.review import ReviewQueue, who
    from scones.reviewer import apply, ask

    by = who(reviewer)
    given = read_answers(answers) if answers else None
    target = choose()
    with ReviewQueue(target) as queue:
        if count:
            waiting, taken = queue.depth()
            typer.echo(f"{waiting} waiting, {taken} in work")
            return
        tally = apply(queue, by, given) if given else ask(queue, by, input)
    typer.echo(tally.sentence)
    if given:
        given.require_all_met()
    if tally.failed:
        raise typer.Exit(1)


@app.command()
def doctor(
    env: Env = "dev",
    name: Annotated[
        str | None,
        typer.Option(help="Name of the deployment.  [default: the settings']", envvar="SCONES_NAME"),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="A settings file laid over the environment's, as `-c settings=FILE`.")
    ] = None,
    local: Local = None,
    instance: InstanceName = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Say what would stop a deployment, before anything is created: quotas, images, bootstrap, cost.

    Works without credentials, and then says what it could not check. Exits 1 if there is a problem.
    """
    from json import dumps

    from scones.doctor.examine import examine, healthy
    from scones.doctor.subject import settings_of
    from scones.terminal import print_examination

    chosen_settings = settings_of(env, name, settings)
    target = chosen(
        name=chosen_settings.name,
        env=env,
        classifier=chosen_settings.classifiers[0],
        local=local,
        instance=instance,
    )
    rows = examine(target, local=target.where != "AWS", overlay=settings)
    if json:
        typer.echo(dumps([each.as_dict() for each in rows], indent=2, ensure_ascii=False))
    else:
        print_examination(rows)
    if not healthy(rows):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line."""
    run(app)


if __name__ == "__main__":
    main()
