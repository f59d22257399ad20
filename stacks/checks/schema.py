"""Templates against CloudFormation's own resource schemas, by cfn-lint, in every region that an environment takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cfnlint.api import lint_by_config
from cfnlint.config import ManualArgs

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE, demands
from stacks.checks.result import Result
from stacks.regions import supporting

EXCEPTIONS = {
    "W3005": "CDK writes DependsOn for a role with its policies: the role alone is referred to, the policies are not",
}


def check(assemblies: Sequence[Assembly]) -> Result:
    """Lint every template in every region that its environment takes, warnings included."""
    findings: list[str] = []
    count = 0
    for assembly in assemblies:
        regions = supporting(each.instance_type for each in demands(assembly))
        count += len(regions) * len(assembly.templates)
        findings += _findings(assembly, regions)
    return Result("cfn-lint", "template x region that it takes", count, tuple(findings))


def in_one_region(assemblies: Sequence[Assembly]) -> Result:
    """Lint every template in one region, for who changes much and looks often."""
    findings = [each for assembly in assemblies for each in _findings(assembly, (REFERENCE.region,))]
    return Result("cfn-lint", "templates in one region", len(assemblies), tuple(findings))


def _findings(assembly: Assembly, regions: Sequence[str]) -> Iterator[str]:
    arguments = ManualArgs(regions=list(regions), ignore_checks=list(EXCEPTIONS))
    for stack in assembly.templates:
        template = f"{stack}.template.json"
        arguments["templates"] = [str(assembly.folder / template)]
        for match in lint_by_config(arguments):
            yield f"{template} line {match.linenumber}: {match.rule.id} {match.message}"
