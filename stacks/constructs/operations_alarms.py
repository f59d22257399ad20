"""What an operator is woken for, each alarm with what it means and where the runbook goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.constructs.guard_alarms import RUNBOOK
from stacks.constructs.watched import Watched
from stacks.instances import gpus, processors
from stacks.settings import MonitoringSettings

WAITING_MINUTES = 15
REVIEW_DAYS = 3


@dataclass(frozen=True)
class Watch:
    """One alarm: what it looks at, from where on it rings, and what that means."""

    name: str
    metric: cloudwatch.Metric
    threshold: float
    meaning: str
    below: bool = False
    periods: int = 1
    silence_rings: bool = False


class OperationsAlarms(Construct):
    """Alarms over everything of one classifier, and one that rings when any of them does.

    Attributes
    ----------
    alarms
        By name, without the guard alarms, which the training stack owns.
    any
        The composite alarm, over the guard alarms too: one thing to page for, and the one to look at.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        watched: Watched,
        settings: MonitoringSettings,
        guards: Sequence[cloudwatch.IAlarm],
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id)
        self.alarms = {each.name: self._alarm(each) for each in watches(watched, settings)}
        self.any = cloudwatch.CompositeAlarm(
            self,
            "Any",
            alarm_rule=cloudwatch.AlarmRule.any_of(
                *(
                    cloudwatch.AlarmRule.from_alarm(each, cloudwatch.AlarmState.ALARM)
                    for each in (*guards, *self.alarms.values())
                )
            ),
            alarm_description=f"Something about {watched.endpoint_name} wants attention: the alarms below it say what.",
        )
        self.any.add_alarm_action(actions.SnsAction(topic))
        # Each tells by itself too, because a composite alarm that rings already is silent about the next.
        for each in self.alarms.values():
            each.add_alarm_action(actions.SnsAction(topic))

    def _alarm(self, watch: Watch) -> cloudwatch.Alarm:
        operator = cloudwatch.ComparisonOperator
        return cloudwatch.Alarm(
            self,
            watch.name,
            metric=watch.metric,
            threshold=watch.threshold,
            evaluation_periods=watch.periods,
            comparison_operator=operator.LESS_THAN_THRESHOLD
            if watch.below
            else operator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING
            if watch.silence_rings
            else cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"{watch.meaning} {RUNBOOK}#{watch.name.lower()}",
        )


def watches(watched: Watched, settings: MonitoringSettings) -> Iterator[Watch]:
    """Yield every alarm of a classifier."""
    yield from _endpoint(watched, settings)
    yield from _machines(watched)
    yield from _queues(watched)
    yield from _answers(watched, settings)


def _endpoint(watched: Watched, settings: MonitoringSettings) -> Iterator[Watch]:
    yield Watch(
        "BadRequests",
        watched.invocations("Invocation4XXErrors", "Sum"),
        50,
        "The endpoint refuses many requests: images that are none, or more than it can take.",
        periods=3,
    )
    # SageMaker gives the sum over processors, and over GPUs: two that are all busy are at 200 %.
    cores, cards = processors(watched.instance_type), gpus(watched.instance_type)
    busy = [
        ("Processor", "CPUUtilization", cores, f"its {cores} processors", "add instances"),
        (
            "Memory",
            "MemoryUtilization",
            1,
            "its memory",
            "look for what grew, or name a larger instance type",
        ),
    ]
    if cards:
        busy += [
            ("Gpu", "GPUUtilization", cards, f"its GPUs ({cards})", "add instances if Latency rings too"),
            ("GpuMemory", "GPUMemoryUtilization", cards, "its GPUs' memory", "look for what grew"),
        ]
    for name, metric, parts, of, remedy in busy:
        yield Watch(
            name,
            watched.instances(metric),
            90 * parts,
            f"An instance of the endpoint has used more than 90 % of {of} for 15 minutes: {remedy}.",
            periods=3,
        )
    if settings.quiet_hours:
        yield Watch(
            "NoInvocations",
            watched.invocations("Invocations", "Sum", minutes=60),
            1,
            f"Nobody has asked the endpoint for {settings.quiet_hours} h: nothing comes, it is lost, or it is paused.",
            below=True,
            periods=settings.quiet_hours,
            silence_rings=True,
        )


def _machines(watched: Watched) -> Iterator[Watch]:
    for name, machine in watched.machines.items():
        yield Watch(
            f"{name}Failed",
            machine.metric_failed(period=cdk.Duration.minutes(5)),
            0,
            f"A run of the {name.lower()} workflow failed; the failed state and its cause are in its history or log.",
        )
        yield Watch(
            f"{name}TimedOut",
            machine.metric_timed_out(period=cdk.Duration.minutes(5)),
            0,
            f"A run of the {name.lower()} workflow took longer than it may and was stopped: look at where it waited.",
        )
        yield Watch(
            f"{name}Throttled",
            machine.metric_throttled(period=cdk.Duration.minutes(5)),
            0,
            f"Step Functions held the {name.lower()} workflow back: the account's quota of transitions is used up.",
        )


def _queues(watched: Watched) -> Iterator[Watch]:
    names = ("Inbound", "Review", "DeadLetters", "Undelivered")
    inbound, review, dead, undelivered = (watched.queues[name] for name in names)
    yield Watch(
        "ImagesWaiting",
        inbound.metric_approximate_age_of_oldest_message(period=cdk.Duration.minutes(5)),
        WAITING_MINUTES * 60,
        f"The oldest image has waited more than {WAITING_MINUTES} minutes: the endpoint is slow, failing or paused.",
    )
    yield Watch(
        "ImagesPilingUp",
        inbound.metric_approximate_number_of_messages_visible(period=cdk.Duration.minutes(5)),
        1000,
        "More than 1,000 images wait: more come in than are classified.",
        periods=3,
    )
    yield Watch(
        "DeadLetters",
        dead.metric_approximate_number_of_messages_visible(period=cdk.Duration.minutes(5)),
        0,
        "Something was given up after several tries; the message says why.",
    )
    yield Watch(
        "Undelivered",
        undelivered.metric_approximate_number_of_messages_visible(period=cdk.Duration.minutes(5)),
        0,
        "A schedule could not start the analysis or a training; the message says which, and its attributes why.",
    )
    yield Watch(
        "ReviewsWaiting",
        review.metric_approximate_age_of_oldest_message(period=cdk.Duration.hours(1)),
        REVIEW_DAYS * 86_400,
        f"An image has waited more than {REVIEW_DAYS} days for a person; after 14 the queue forgets it.",
    )


def _answers(watched: Watched, settings: MonitoringSettings) -> Iterator[Watch]:
    kinds = {
        "InputDrift": "Pictures look otherwise than those the model learnt from: light, colour, sharpness or size.",
        "EmbeddingDrift": "Pictures show something else than those that the model learnt from.",
        "ClassMixDrift": "The classes come in other shares than in the test split.",
        "ConfidenceDrift": "The model is less sure, or surer, than it was on the test split.",
        "PoorQuality": "People disagree with the routed answers more often than the target allows.",
    }
    # Until the next analysis says otherwise.
    hours = settings.every_hours
    for name, meaning in kinds.items():
        metric = watched.drift(name, hours=hours)
        yield Watch(name, metric, 0, f"{meaning} Look at the analysis's report and at some pictures.")
    yield Watch(
        "ManyRejected",
        watched.drift("RejectedRate", hours=hours),
        0.5,
        "More than half of what comes in is no picture that can be read: look at what sends it.",
    )
