"""cdk-nag's AwsSolutions and Serverless packs over the app itself, for they look at constructs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import aws_cdk as cdk
import cdk_nag

from stacks.checks.assemblies import Assembly, cli_context, whole
from stacks.checks.nag_reasons import OF_DESTROYED, OF_OPTIONS, REASONS
from stacks.checks.reasons import Finding, destroys, explained, judged
from stacks.checks.result import Result
from stacks.deployment import deployment
from stacks.settings import load

REPORT_ONLY = {"@aws-cdk/core:failSynthOnValidationErrors": False}
"""Context under which synth writes the findings and neither prints nor fails: most of them are reasoned."""


def check(assemblies: Sequence[Assembly]) -> Result:
    """Run both packs on every environment; what no reason explains is a finding."""
    found: list[Finding] = []
    count = 0
    for assembly in assemblies:
        with tempfile.TemporaryDirectory() as folder:
            app = cdk.App(context={**cli_context(), **REPORT_ONLY}, outdir=folder)
            deployment(app, load(assembly.settings, assembly.env, overlay=assembly.overlay))
            own = list(run(app, Path(folder)))
        count += len(own)
        found += [each for each in own if not (destroys(assembly) and explained(each, [OF_DESTROYED]))]
    return Result(
        "cdk-nag",
        "findings of AwsSolutions and Serverless, each reasoned",
        count,
        judged([each for each in found if not explained(each, OF_OPTIONS)], REASONS, whole=whole(assemblies)),
    )


def run(app: cdk.App, folder: Path) -> Iterator[Finding]:
    """Synthesize an app, whose context has `REPORT_ONLY`, under both packs; yield each finding's rule and construct."""
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app), cdk_nag.ServerlessChecks(app))
    app.synth()
    report = json.loads((folder / "validation-report.json").read_text(encoding="utf-8"))
    for pack in report["pluginReports"]:
        for violation in pack["violations"]:
            for construct in violation["violatingConstructs"]:
                yield violation["ruleName"], construct["constructPath"]
