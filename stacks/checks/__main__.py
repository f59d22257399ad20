"""`python -m stacks.checks`: every check, over every environment, in one table."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from stacks.checks import (
    arguments,
    between,
    connections,
    containers,
    durations,
    expressions,
    functions,
    guard,
    language,
    nag,
    names,
    openness,
    payloads,
    permissions,
    refusals,
    regions,
    roles,
    safeguards,
    schema,
    sizes,
    tasks,
    texts,
    words,
)
from stacks.checks.assemblies import Assembly, environments, synthesize
from stacks.checks.result import Check, Result
from stacks.settings import SettingsError

CHECKS: tuple[Check, ...] = (
    schema.check,
    nag.check,
    guard.check,
    safeguards.check,
    openness.check,
    names.check,
    sizes.check,
    language.check,
    expressions.check,
    tasks.check,
    arguments.check,
    payloads.check,
    words.check,
    between.check,
    durations.check,
    permissions.check,
    roles.check,
    functions.check,
    connections.check,
    refusals.check,
    texts.check,
    containers.check,
    regions.check,
)


def table(results: Sequence[Result]) -> str:
    """Lay the results out."""
    rows = [("check", "looked at", "count", "findings")]
    rows += [(each.check, each.looked_at, str(each.count), str(len(each.findings))) for each in results]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def main(arguments: Sequence[str]) -> int:
    """Run the checks, print the table and the findings, and return 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m stacks.checks", description=__doc__)
    parser.add_argument("--env", action="append", help="only this environment; may be given again")
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help="as `cdk -c settings=FILE`: lay it over each"
    )
    options = parser.parse_args(list(arguments))
    try:
        language.node()
        assemblies = [synthesize(env, overlay=options.settings) for env in options.env or environments()]
    except (SettingsError, FileNotFoundError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    try:
        results = [_asked(check, assemblies) for check in CHECKS]
    except (FileNotFoundError, guard.GuardError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(table(results) + "\n")
    for result in results:
        sys.stdout.write("".join(f"{result.check}: {finding}\n" for finding in result.findings))
    return int(any(result.findings for result in results))


def _asked(check: Check, assemblies: Sequence[Assembly]) -> Result:
    """Ask one check; what it stumbles over is a finding, and the others are asked all the same."""
    try:
        return check(assemblies)
    except (FileNotFoundError, guard.GuardError):
        raise  # of the tools that it takes, not of the templates
    except Exception as error:
        name = check.__module__.rpartition(".")[2]
        where = traceback.extract_tb(error.__traceback__)[-1]
        said = f"it stumbled ({type(error).__name__}: {error}, in {Path(where.filename).name}, line {where.lineno})"
        return Result(name, "what it stumbled over is of no shape that it knows", 0, (said,))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
