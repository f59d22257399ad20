"""One environment's stacks, composed."""

from __future__ import annotations

import aws_cdk as cdk

from stacks.classification_stack import ClassificationStack
from stacks.data_stack import DataStack
from stacks.monitoring_stack import MonitoringStack
from stacks.settings import Settings
from stacks.training_stack import TrainingStack


def deployment(app: cdk.App, settings: Settings) -> None:
    """Add the stacks of an environment to an app, in the order of their deployment."""
    data = DataStack(app, f"{settings.deployment}-data", settings=settings)
    for name in settings.chosen():
        prefix = settings.prefix(name)
        training = TrainingStack(app, f"{prefix}-training", settings=settings, classifier=name, data=data)
        training.add_stack_dependency(data)
        classification = ClassificationStack(
            app, f"{prefix}-classification", settings=settings, classifier=name, data=data
        )
        classification.add_stack_dependency(training)
        monitoring = MonitoringStack(
            app,
            f"{prefix}-monitoring",
            settings=settings,
            classifier=name,
            data=data,
            training=training,
            classification=classification,
        )
        monitoring.add_stack_dependency(classification)
    for key, value in settings.tags.items():
        cdk.Tags.of(app).add(key, value)
