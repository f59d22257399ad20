"""cdk-nag finds a planted fault, which no reason explains."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs

from stacks.checks import nag
from stacks.checks.nag_reasons import OF_OPTIONS, REASONS
from stacks.checks.reasons import explained
from stacks.constructs.alerts import Alerts


def test_a_planted_fault_is_found(tmp_path: Path) -> None:
    app = cdk.App(context=nag.REPORT_ONLY, outdir=str(tmp_path))
    sqs.Queue(cdk.Stack(app, "Planted"), "Queue")
    found = list(nag.run(app, tmp_path))
    assert ("AwsSolutions-SQS4", "Planted/Queue/Resource") in found
    assert not explained(("AwsSolutions-SQS4", "Planted/Queue/Resource"), REASONS)


def test_a_reason_for_what_only_a_setting_brings_explains_what_it_brings(tmp_path: Path) -> None:
    app = cdk.App(context=nag.REPORT_ONLY, outdir=str(tmp_path))
    Alerts(cdk.Stack(app, "a-dev-b-training"), "Alerts", emails=["ops@example.com"])
    found = [each for each in nag.run(app, tmp_path) if not explained(each, REASONS)]
    assert len(found) == len(OF_OPTIONS) == 1
    assert explained(found[0], OF_OPTIONS)
