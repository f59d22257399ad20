"""The alarms over everything of one classifier, and the one that rings when any of them does."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.constructs.guard_alarms import description
from stacks.constructs.watched import Watched
from stacks.constructs.watches import Watch, watches
from stacks.settings import MonitoringSettings


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
        watched_for = tuple(watches(watched, settings))
        self.alarms = {each.name: self._alarm(each) for each in watched_for}
        self.any = cloudwatch.CompositeAlarm(
            self,
            "Any",
            alarm_rule=cloudwatch.AlarmRule.any_of(
                *(
                    cloudwatch.AlarmRule.from_alarm(each, cloudwatch.AlarmState.ALARM)
                    for each in (*guards, *self.alarms.values())
                )
            ),
            alarm_description=description(
                "Any",
                f"Something about {watched.endpoint_name} wants attention.",
                "look at the dashboard's first row for the alarms that ring, and do what they say.",
            ),
        )
        self.any.add_alarm_action(actions.SnsAction(topic))
        # Each tells by itself too, because a composite alarm that rings already is silent about the next.
        tell = actions.SnsAction(topic)
        for each in self.alarms.values():
            each.add_alarm_action(tell)
        for watch in watched_for:
            if watch.silence is cloudwatch.TreatMissingData.MISSING:
                self.alarms[watch.name].add_insufficient_data_action(tell)

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
            treat_missing_data=watch.silence,
            alarm_description=description(watch.name, watch.meaning, watch.remedy),
        )
