"""Starts a demo's local cloud, and ends it whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import psutil
import typer

from localcloud.errors import InUseError, LocalCloudError
from localcloud.instance import Instance
from localcloud.processes import MARKER
from scones.commands import INTERRUPTED, handled
from scones.demo import data, overlay
from scones.demo.session import ENV, RESULTS, Session, clear_dead, free_directory
from scones.demo.voice import Voice
from scones.errors import SconesError, sentence
from scones.target import LOCAL, ROOT

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def started(
    voice: Voice,
    identity: str,
    wanted: Sequence[str],
    folder: Path | None,
    classifier: str,
    port: int | None,
    *,
    fast: bool,
    kept: bool,
) -> Iterator[Session]:
    """Check the data, start a local cloud, and end it whatever happens, unless it is to be kept."""
    known = data.known_classifier(ENV, classifier)
    pictures = _look(voice, folder, float(known["target_error"])) if folder is not None else None
    if pictures is None:
        voice.say("No DATA was given: training on built-in drawings, which say nothing about photographs.")
    settings = overlay.overlay(classifier, known, pictures, fast=fast)
    overlay.check(settings, ENV)
    clear_dead(LOCAL)
    session: Session | None = None
    finished = False
    with terminating():
        try:
            with voice.phase("Starting the local cloud"):
                instance = _start(wanted, port, None if kept else os.getpid())
                session = Session(instance, classifier, RESULTS / identity, voice)
            overlay.write(settings, session.overlay)
            session.folder.mkdir(parents=True, exist_ok=True)
            yield session
            finished = True
        except KeyboardInterrupt:
            voice.say("Ending the local cloud and all that runs in it …")
            end(session)
            voice.say(
                "Interrupted: the local cloud and all that ran in it were ended; nothing is left to clean up."
            )
            raise typer.Exit(INTERRUPTED) from None
        except (SconesError, LocalCloudError) as error:
            end(session)
            logs = f" Logs: {session.folder}" if session is not None else ""
            voice.say(f"error: {sentence(error)}", style="bold red")
            # Without a session nothing was started here, and another's cloud may run on.
            if session is not None:
                voice.say(
                    f"The local cloud and all that ran in it were ended; nothing is left to clean up.{logs}"
                )
            raise typer.Exit(1) from None
        finally:
            if not finished or not kept:
                end(session, keep_log=not finished)


def _start(wanted: Sequence[str], port: int | None, owner: int | None) -> Instance:
    while True:
        directory = free_directory(LOCAL, wanted)
        try:
            return Instance.start(directory, port=port, owner_pid=owner, project=ROOT)
        except InUseError:
            # Another that was started at the same moment was quicker; the next folder may be free.
            if directory.name == wanted[-1]:
                raise


def end(session: Session | None, *, keep_log: bool = True) -> None:
    """End a local cloud without being interrupted a second time."""
    if session is None:
        return
    with handled(signal.SIG_IGN, *SIGNALS):
        session.stop(keep_log=keep_log)


@contextmanager
def terminating() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP as Ctrl-C, and let none of them leave the CDK CLI's processes behind."""
    tools: list[psutil.Process] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        # Now, because the `node` that Python's wheel installs is a wrapper: once it has ended, what it
        # started is no longer found below this process.
        tools.extend(_tools())
        for each in tools:
            with contextlib.suppress(psutil.Error):
                each.terminate()
        raise KeyboardInterrupt

    try:
        with handled(interrupt, *SIGNALS):
            yield
    finally:
        for process in psutil.wait_procs(tools, timeout=5)[1]:
            with contextlib.suppress(psutil.Error):
                process.kill()


def _tools() -> list[psutil.Process]:
    """List what this process has started, without the local cloud, which `Instance.stop` ends in order."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if MARKER not in process.environ():
                found.append(process)
    return found


def _look(voice: Voice, folder: Path, wanted: float) -> data.Pictures:
    pictures = data.inspect(folder)
    counts = ", ".join(f"{count} {name}" for name, count in pictures.classes.items())
    voice.say(f"{folder}: {counts}.")
    if pictures.unreadable:
        some = ", ".join(pictures.unreadable[:3]) + (" …" if len(pictures.unreadable) > 3 else "")
        voice.say(
            f"{len(pictures.unreadable)} files cannot be read and are left out: {some}.", style="yellow"
        )
    possible = overlay.target_error(pictures, wanted)
    if possible > wanted:
        voice.say(
            f"So few pictures cannot show that at most {100 * wanted:g}% of the routed are wrong: the demo "
            f"aims at {possible:.1%}.",
            style="yellow",
        )
    return pictures
