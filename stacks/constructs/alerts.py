"""Where people hear of what went wrong."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from stacks.constructs.own_services import own_service


class Alerts(Construct):
    """A topic and its subscribers.

    Attributes
    ----------
    topic
        TLS only; this account's alarms may publish to it.
    """

    def __init__(self, scope: Construct, construct_id: str, *, emails: Sequence[str]) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", enforce_ssl=True)
        # The policy for TLS replaces SNS's own, which had let the account's alarms in.
        self.topic.grant_publish(own_service("cloudwatch"))
        for address in emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(address))
