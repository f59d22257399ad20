#!/usr/bin/env python3
"""The CDK app: settings in, stacks out."""

from __future__ import annotations

import sys
from pathlib import Path

import aws_cdk as cdk

from stacks.deployment import deployment
from stacks.settings import SettingsError, load


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
    deployment(app, settings)
    app.synth()


if __name__ == "__main__":
    try:
        main()
    except SettingsError as error:
        sys.exit(f"error: {error}")
