"""Switches an idle endpoint off and on; images that arrive meanwhile wait in the queue."""

from __future__ import annotations

import time

from scones.errors import SconesError
from scones.runs import Say, ended, run, under_way
from scones.state import item
from scones.target import Target, output
from scones.training import follow
from scones.workflow import End

POLL_SECONDS = 1.0
SETTLING_SECONDS = 180.0
"""A message that a dispatcher took is back in the queue by then, whatever happened to it."""


def pause(target: Target, say: Say) -> str:
    """Stop taking images from the queue, let those in work end, and delete the endpoint.

    Each step may be repeated, so an interrupted pause is finished by another.
    """
    if resuming := _holds(target, "resume"):
        say(f"A resumption is under way and is waited for: {resuming}")
        follow(target, resuming, say)
    # A resumption that was ended may have made an endpoint, which runs and costs while it is paused.
    if item(target, "paused") and not taken(target, _source(target)) and not _endpoint(target):
        return "The endpoint is paused already."
    _switch(target, enabled=False)
    say("Images wait in the queue now.")
    _drain(target)
    end = None
    while end is None:
        try:
            end = _taken_up(target, "pause", say) or run(target, {"start": "pause", "reason": "pause"}, say)
        except SconesError:
            if _holds(target, "pause"):
                continue  # somebody else's, which began in between
            # Nothing was paused: a training holds the endpoint, or there is none yet.
            if not item(target, "paused"):
                _switch(target, enabled=True)
            raise
    _switch(target, enabled=False)  # a `resume` that saw the endpoint still may have opened it
    return f"{end.status}: {end.reason}"


def resume(target: Target, say: Say) -> str:
    """Create the endpoint with the champion, try it, and take images from the queue again.

    Each step may be repeated, so an interrupted resumption is finished by another.
    """
    if pausing := _holds(target, "pause"):
        raise SconesError(f"A pause is under way, {pausing}: wait until it has ended, and resume then.")
    switched = taken(target, _source(target))
    if switched and not item(target, "paused"):
        return "The endpoint is not paused."
    said = "The endpoint serves already."
    if item(target, "paused") or not _endpoint(target):
        end = _taken_up(target, "resume", say) or run(target, {"start": "resume", "reason": "resume"}, say)
        said = f"{end.status}: {end.reason}"
    take_images(target, say)
    return said


def take_images(target: Target, say: Say) -> None:
    """Let the dispatcher take images from the queue again, those that waited first."""
    _switch(target, enabled=True)
    say("Images are taken from the queue again.")


def _holds(target: Target, start: str) -> str:
    """Return the execution that holds the lock, if it was started for this."""
    held = under_way(target)
    return held.execution_arn if held and held.start == start else ""


def _taken_up(target: Target, start: str, say: Say) -> End | None:
    """Follow what an interrupted command, or somebody else's, has started for this to its end."""
    execution = _holds(target, start)
    if not execution:
        return None
    say(f"It is under way already: {execution}")
    return ended(target, execution, say)


def _source(target: Target) -> str:
    return output(target.outputs(target.stacks[2]), "InboundSourceId")


def taken(target: Target, source: str) -> bool:
    """Say whether images are taken from the queue by an event source, or about to be."""
    found = target.clients("lambda").get_event_source_mapping(UUID=source)
    return str(found["State"]) in ("Enabled", "Enabling", "Creating", "Updating")


def _switch(target: Target, *, enabled: bool) -> None:
    """Open or close the way from the queue to the dispatcher, and wait until it is so."""
    functions, source = target.clients("lambda"), _source(target)
    wanted = "Enabled" if enabled else "Disabled"
    if functions.get_event_source_mapping(UUID=source)["State"] != wanted:
        functions.update_event_source_mapping(UUID=source, Enabled=enabled)
    deadline = time.monotonic() + SETTLING_SECONDS
    while (state := functions.get_event_source_mapping(UUID=source)["State"]) != wanted:
        if time.monotonic() > deadline:
            raise SconesError(
                f"The event source {source} is {state} and not {wanted} after {SETTLING_SECONDS:.0f} s: "
                "run the command again."
            )
        time.sleep(POLL_SECONDS)


def _drain(target: Target) -> None:
    """Wait until no message is in work."""
    url = output(target.outputs(target.stacks[2]), "InboundQueueUrl")
    name = "ApproximateNumberOfMessagesNotVisible"
    deadline = time.monotonic() + SETTLING_SECONDS
    while time.monotonic() < deadline:
        found = target.clients("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        if int(found["Attributes"][name]) == 0:
            return
        time.sleep(POLL_SECONDS)


def _endpoint(target: Target) -> bool:
    sagemaker = target.clients("sagemaker")
    pages = sagemaker.get_paginator("list_endpoints").paginate(NameContains=target.prefix)
    return any(each["EndpointName"] == target.prefix for page in pages for each in page["Endpoints"])
