"""One page that an operator reads top to bottom: what rings, what comes in, how it is answered, what waits."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from stacks.constructs.guard_alarms import LATENCY_MILLISECONDS
from stacks.constructs.watched import Watched
from stacks.instances import has_gpu
from training.analysis.metrics import ALARMED

WIDTH = 24
FIVE_MINUTES = cdk.Duration.minutes(5)


class OperationsDashboard(Construct):
    """The dashboard of one classifier.

    Attributes
    ----------
    dashboard
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        watched: Watched,
        alarms: Sequence[cloudwatch.IAlarm],
    ) -> None:
        super().__init__(scope, construct_id)
        self.dashboard = cloudwatch.Dashboard(
            self,
            "Dashboard",
            default_interval=cdk.Duration.days(1),
            widgets=[
                [
                    cloudwatch.AlarmStatusWidget(
                        alarms=list(alarms), title=f"{watched.endpoint_name}: alarms", width=WIDTH, height=4
                    )
                ],
                _row(*_endpoint(watched)),
                _row(*_answers(watched)),
                _row(*_work(watched)),
            ],
        )


def _row(*graphs: cloudwatch.GraphWidget) -> list[cloudwatch.IWidget]:
    return list(graphs)


def _graph(
    title: str,
    left: Sequence[cloudwatch.IMetric],
    limit: float | None = None,
    right: Sequence[cloudwatch.IMetric] = (),
) -> cloudwatch.GraphWidget:
    lines = [] if limit is None else [cloudwatch.HorizontalAnnotation(value=limit, label="alarm")]
    return cloudwatch.GraphWidget(
        title=title, left=list(left), right=list(right), left_annotations=lines, width=WIDTH // 3
    )


def _endpoint(watched: Watched) -> list[cloudwatch.GraphWidget]:
    busy = ["CPUUtilization", "MemoryUtilization"]
    busy += ["GPUUtilization", "GPUMemoryUtilization"] if has_gpu(watched.instance_type) else []
    return [
        _graph(
            "Requests and errors, per 5 minutes",
            [
                watched.invocations(name, "Sum")
                for name in ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors")
            ],
        ),
        _graph(
            "Model latency, µs; of decisions, ms (right)",
            [watched.invocations("ModelLatency", each, label=each) for each in ("p50", "p99")],
            LATENCY_MILLISECONDS * 1000,
            # By the prediction log, with the picture's reading; of each window that is analysed.
            [watched.drift("DecisionP99")],
        ),
        _graph(
            "Instances: % of one processor, of one GPU, of memory",
            [watched.instances(name, "Average") for name in busy],
        ),
    ]


def _answers(watched: Watched) -> list[cloudwatch.GraphWidget]:
    return [
        _graph(
            "Drift: 1 is an alarm",
            [watched.drift(name) for name in ALARMED],
        ),
        _graph(
            "Left to people, and rejected, share of images",
            [watched.drift(name, "Average") for name in ("AbstainRate", "RejectedRate")],
        ),
        _graph("Right among routed, by reviewed answers", [watched.drift("RoutedAccuracy", "Average")]),
    ]


def _work(watched: Watched) -> list[cloudwatch.GraphWidget]:
    return [
        _graph(
            "Waiting in queues",
            [
                queue.metric_approximate_number_of_messages_visible(label=name, period=FIVE_MINUTES)
                for name, queue in watched.queues.items()
            ],
        ),
        _graph(
            "Oldest waiting image, seconds",
            [watched.queues["Inbound"].metric_approximate_age_of_oldest_message(period=FIVE_MINUTES)],
            15 * 60,
        ),
        _graph(
            "Workflows that failed",
            [
                machine.metric_failed(label=name, period=cdk.Duration.hours(1))
                for name, machine in watched.machines.items()
            ],
        ),
    ]
