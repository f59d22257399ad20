"""cdk-nag finds a planted fault, which no reason explains."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs

from stacks.checks import nag
from stacks.checks.nag_reasons import REASONS
from stacks.checks.reasons import explained


def test_a_planted_fault_is_found(tmp_path: Path) -> None:
    app = cdk.App(context=nag.REPORT_ONLY, outdir=str(tmp_path))
    sqs.Queue(cdk.Stack(app, "Planted"), "Queue")
    found = list(nag.run(app, tmp_path))
    assert ("AwsSolutions-SQS4", "Planted/Queue/Resource") in found
    assert not explained(("AwsSolutions-SQS4", "Planted/Queue/Resource"), REASONS)
