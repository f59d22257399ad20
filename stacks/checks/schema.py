"""Templates against CloudFormation's own resource schemas, by cfn-lint, in every region that is looked at."""

from __future__ import annotations

from collections.abc import Sequence

from cfnlint.api import lint_by_config
from cfnlint.config import ManualArgs

from stacks.checks.assemblies import Assembly
from stacks.checks.result import Result

REGIONS = (
    *("us-east-1", "us-east-2", "us-west-2", "ca-central-1", "eu-west-1", "eu-central-1", "eu-north-1"),
    *("ap-northeast-1", "ap-southeast-2", "sa-east-1"),
)
"""One schema per region and resource type; these span those that are new, old, large and small."""
EXCEPTIONS = {
    "W3005": "CDK writes DependsOn for a role with its policies: the role alone is referred to, the policies are not",
}


def check(assemblies: Sequence[Assembly]) -> Result:
    """Lint every template in every region that is looked at, warnings included."""
    return _check(assemblies, REGIONS)


def in_one_region(assemblies: Sequence[Assembly]) -> Result:
    """Lint every template in the first region, for who changes much and looks often."""
    return _check(assemblies, REGIONS[:1])


def _check(assemblies: Sequence[Assembly], regions: Sequence[str]) -> Result:
    templates = [
        str(assembly.folder / f"{stack}.template.json")
        for assembly in assemblies
        for stack in assembly.templates
    ]
    arguments = ManualArgs(regions=list(regions), ignore_checks=list(EXCEPTIONS))
    findings = []
    for template in templates:
        arguments["templates"] = [template]
        findings += [
            f"{template.rpartition('/')[2]} line {match.linenumber}: {match.rule.id} {match.message}"
            for match in lint_by_config(arguments)
        ]
    return Result("cfn-lint", f"templates, {len(regions)} regions each", len(templates), tuple(findings))
