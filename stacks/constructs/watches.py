"""What an operator is woken for, each alarm with what it means and what to do then; the guard alarms have their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from stacks.constructs.watched import Watched
from stacks.instances import gpus, processors
from stacks.settings import MonitoringSettings

WAITING_MINUTES = 15
REVIEW_DAYS = 3
MISSED = 3
"""Turns of the analysis in a row: one may start late, and the next take its time."""
_QUOTA = "see in Service Quotas what uses it up, here or elsewhere; end what runs in a loop, or ask for more."
MACHINES = {
    "Training": {
        "Failed": "read the reason in `scones history` and the job's log; mend it, then `scones train`.",
        "TimedOut": "look in its history for the job that it waited for; the next run takes its lock over.",
        "Throttled": _QUOTA,
    },
    "Classification": {
        "Failed": "read its log if it goes on; what is undecided is tried again, a dead letter after four tries.",
        "TimedOut": "see whether Latency rings, and add instances if so; the images are tried again.",
    },
    "Analysis": {
        "Failed": "read its processing job's log and mend it; the next one goes on from the last that succeeded.",
        "TimedOut": "see whether its processing job got an instance, or the prediction log has grown a great deal.",
        "Throttled": _QUOTA,
    },
}
"""What to do when a run of a workflow ends otherwise than well.

An Express machine's transitions have no quota, and what its starter is refused is counted for no machine:
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""
_PICTURES = "look at the analysis's report and at some pictures"


@dataclass(frozen=True)
class Watch:
    """
    One alarm: what it looks at, from where on it rings, what that means, and what to do.

    Parameters
    ----------
    silence
        What a time without data is; MISSING tells of one that follows data, and not of one from the beginning on.
    """

    name: str
    metric: cloudwatch.Metric
    threshold: float
    meaning: str
    remedy: str
    below: bool = False
    periods: int = 1
    silence: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING


def watches(watched: Watched, settings: MonitoringSettings) -> Iterator[Watch]:
    """Yield every alarm of a classifier."""
    yield from _endpoint(watched, settings)
    yield from _machines(watched)
    yield from _schedule(watched, settings)
    yield from _queues(watched)
    yield from _answers(watched, settings)


def _endpoint(watched: Watched, settings: MonitoringSettings) -> Iterator[Watch]:
    yield Watch(
        "BadRequests",
        watched.invocations("Invocation4XXErrors", "Sum"),
        50,
        "The endpoint refuses many requests: images that are none, or more than it can take.",
        "read the reasons in the results table, under outcome `rejected`, and look at what sends such images; where "
        "there are none, it is full: add instances.",
        periods=3,
    )
    # SageMaker gives the sum over processors, and over GPUs: two that are all busy are at 200 %.
    cores, cards = processors(watched.instance_type), gpus(watched.instance_type)
    larger = "look for what grew, or name a larger instance type."
    busy = [
        ("Processor", "CPUUtilization", cores, f"its {cores} processors", "add instances."),
        ("Memory", "MemoryUtilization", 1, "its memory", larger),
    ]
    if cards:
        busy += [
            (
                "Gpu",
                "GPUUtilization",
                cards,
                f"its GPUs ({cards})",
                "add instances if Latency or ImagesWaiting rings too.",
            ),
            ("GpuMemory", "GPUMemoryUtilization", cards, "its GPUs' memory", larger),
        ]
    for name, metric, parts, of, remedy in busy:
        yield Watch(
            name,
            watched.instances(metric),
            90 * parts,
            f"An instance of the endpoint has used more than 90 % of {of} for 15 minutes.",
            remedy,
            periods=3,
        )
    if settings.quiet_hours:
        yield Watch(
            "NoInvocations",
            watched.invocations("Invocations", "Sum", minutes=60),
            1,
            f"Nobody has asked the endpoint for {settings.quiet_hours} h: nothing comes, it is lost, or it is paused.",
            "ask `scones status` which; where it serves, see whether images come and the dispatcher takes them.",
            below=True,
            periods=settings.quiet_hours,
            silence=cloudwatch.TreatMissingData.BREACHING,
        )


def _machines(watched: Watched) -> Iterator[Watch]:
    for name, machine in watched.machines.items():
        lower, period = name.lower(), cdk.Duration.minutes(5)
        for end, metric, meaning in (
            ("Failed", machine.metric_failed(period=period), f"A run of the {lower} workflow failed."),
            (
                "TimedOut",
                machine.metric_timed_out(period=period),
                f"A run of the {lower} workflow took longer than it may and was stopped.",
            ),
            (
                "Throttled",
                machine.metric_throttled(period=period),
                f"Step Functions held the {lower} workflow back: the account's quota of transitions is used up.",
            ),
        ):
            if end in MACHINES[name]:
                yield Watch(f"{name}{end}", metric, 0, meaning, MACHINES[name][end])


def _schedule(watched: Watched, settings: MonitoringSettings) -> Iterator[Watch]:
    yield Watch(
        "NoAnalysis",
        # Each publishes it once, whatever the traffic.
        watched.drift("NewReviews", "SampleCount", hours=settings.every_hours),
        1,
        f"No analysis has given figures for {MISSED} turns of {settings.every_hours} h or more: nobody sees drift.",
        "see whether AnalysisFailed, AnalysisTimedOut or Undelivered rings and says why; where none does, enable the "
        "rule that starts it, or deploy it again.",
        below=True,
        periods=MISSED,
        # Of a deployment that is new there has been none yet.
        silence=cloudwatch.TreatMissingData.MISSING,
    )


def _queues(watched: Watched) -> Iterator[Watch]:
    names = ("Inbound", "Review", "DeadLetters", "Undelivered")
    inbound, review, dead, undelivered = (watched.queues[name] for name in names)
    yield Watch(
        "ImagesWaiting",
        inbound.metric_approximate_age_of_oldest_message(period=cdk.Duration.minutes(5)),
        WAITING_MINUTES * 60,
        f"The oldest image has waited more than {WAITING_MINUTES} minutes: the endpoint is slow, failing or paused, or "
        "nothing takes images to it.",
        "ask `scones status`, which tells of a pause and of an interrupted one: end it with `scones resume`; else "
        "follow the endpoint's alarm if one rings, or read the dispatcher's log.",
    )
    yield Watch(
        "ImagesPilingUp",
        inbound.metric_approximate_number_of_messages_visible(period=cdk.Duration.minutes(5)),
        1000,
        "More than 1,000 images wait: more come in than are classified.",
        "add instances and raise `limits.concurrency`, unless the load is falling already.",
        periods=3,
    )
    yield Watch(
        "DeadLetters",
        dead.metric_approximate_number_of_messages_visible(period=cdk.Duration.minutes(5)),
        0,
        "Something was given up after several tries; the message says why.",
        "read its cause and mend that, then send the `message` in an image's to the inbound queue again.",
    )
    yield Watch(
        "Unpublished",
        # How old the last record of a batch is, at each try of it.
        watched.publisher.metric("IteratorAge", statistic="Maximum", period=cdk.Duration.minutes(5)),
        WAITING_MINUTES * 60_000,
        f"A decision or a person's answer has waited more than {WAITING_MINUTES} minutes for its event.",
        "read the log of the function that publishes and mend what it names; after 24 h the stream forgets it.",
    )
    yield Watch(
        "Undelivered",
        undelivered.metric_approximate_number_of_messages_visible(period=cdk.Duration.minutes(5)),
        0,
        "A schedule could not start the analysis or a training; the message says which, and its attributes why.",
        "mend what they name: the machine, its role, or the quota of executions; the next start does this one's work.",
    )
    yield Watch(
        "ReviewsWaiting",
        review.metric_approximate_age_of_oldest_message(period=cdk.Duration.hours(1)),
        REVIEW_DAYS * 86_400,
        f"An image has waited more than {REVIEW_DAYS} days for a person; after 14 the queue forgets it.",
        "answer what waits with `scones review`; if more comes than people can answer, lower `review.sample_rate`.",
    )


def _answers(watched: Watched, settings: MonitoringSettings) -> Iterator[Watch]:
    kinds = {
        "InputDrift": (
            "Pictures look otherwise than those the model learnt from: light, colour, sharpness or size.",
            f"{_PICTURES}; mend a camera that changed, or review some of the new look for a training to learn from.",
        ),
        "EmbeddingDrift": (
            "Pictures show something else than those that the model learnt from.",
            f"{_PICTURES}; stop what sends things of no class, or review some for a training to learn from.",
        ),
        "ClassMixDrift": (
            "The classes come in other shares than in the test split.",
            f"{_PICTURES}; review some to tell a change of what comes in from a model that mistakes one class.",
        ),
        "ConfidenceDrift": (
            "The model is less sure, or surer, than it was on the test split.",
            f"{_PICTURES}; follow the other drift if one rings too, or review some to see whether answers are right.",
        ),
        "PoorQuality": (
            "People disagree with the routed answers more often than the target allows.",
            "go back with `scones rollback` if it began with a rollout; otherwise review more pictures and train.",
        ),
    }
    # Until the next analysis says otherwise.
    hours = settings.every_hours
    for name, (meaning, remedy) in kinds.items():
        yield Watch(name, watched.drift(name, hours=hours), 0, meaning, remedy)
    yield Watch(
        "ManyRejected",
        watched.drift("RejectedRate", hours=hours),
        0.5,
        "More than half of what comes in is no picture that can be read.",
        "read the reasons in the results table, under outcome `rejected`, and look at what sends them.",
    )
