#!/usr/bin/env python3
"""The CDK app: settings in, stacks out."""

from __future__ import annotations

import sys
from pathlib import Path

import aws_cdk as cdk

from stacks.classification_stack import ClassificationStack
from stacks.data_stack import DataStack
from stacks.settings import SettingsError, load
from stacks.training_stack import TrainingStack


def main() -> None:
    """Build the stacks of the environment named with `-c env=…`."""
    app = cdk.App()
    overlay = app.node.try_get_context("settings")
    settings = load(
        Path(__file__).parent / "environments",
        app.node.try_get_context("env") or "dev",
        name=app.node.try_get_context("name"),
        overlay=Path(overlay) if overlay else None,
    )
    data = DataStack(app, f"{settings.deployment}-data", settings=settings)
    for name in settings.chosen():
        prefix = settings.prefix(name)
        training = TrainingStack(app, f"{prefix}-training", settings=settings, classifier=name, data=data)
        training.add_dependency(data)
        classification = ClassificationStack(
            app, f"{prefix}-classification", settings=settings, classifier=name, data=data
        )
        classification.add_dependency(training)
    for key, value in settings.tags.items():
        cdk.Tags.of(app).add(key, value)
    app.synth()


if __name__ == "__main__":
    try:
        main()
    except SettingsError as error:
        sys.exit(f"error: {error}")
