"""`python -m stacks.checks.mutations`: faults put into the deployment, and which of them the checks find.

A fault is caught when a check says what it did not say before. What escapes is listed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

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
    names,
    openness,
    payloads,
    permissions,
    refusals,
    regions,
    roles,
    safeguards,
    schema,
    tasks,
    texts,
    words,
)
from stacks.checks.assemblies import Assembly, synthesize
from stacks.checks.faults import Fault, faults
from stacks.checks.result import Check
from stacks.settings import SettingsError

WANTED = 0.95
CRASH = "stumbled: "
SEED = 7
CHECKS: Mapping[str, tuple[Check, ...]] = {
    "machine": (
        expressions.check,
        tasks.check,
        arguments.check,
        payloads.check,
        words.check,
        between.check,
        durations.check,
        containers.check,
        permissions.check,
        language.check,
    ),
    "policy": (
        *(permissions.check, roles.check, openness.check, safeguards.check),
        *(containers.check, schema.in_one_region),
    ),
    "template": (
        *(functions.check, connections.check, durations.check, between.check),
        *(refusals.check, texts.check, roles.check, permissions.check),
        *(safeguards.check, openness.check, containers.check, regions.check, names.fixed, payloads.check),
        *(guard.check, schema.in_one_region),
    ),
}
"""What is asked about a fault, the quick ones first."""
_WORK: dict[str, Callable[[Any], str]] = {}


def caught(assembly: Assembly, fault: Fault, before: Callable[[Check, str], frozenset[str]]) -> str:
    """Return the name of the first check that finds a fault, nothing if none does, or how one stumbled."""
    with tempfile.TemporaryDirectory() as folder:
        for entry in assembly.folder.iterdir():
            if entry.name != f"{fault.stack}.template.json":
                (Path(folder) / entry.name).symlink_to(entry)
        (Path(folder) / f"{fault.stack}.template.json").write_text(
            json.dumps(fault.template), encoding="utf-8"
        )
        changed = replace(
            assembly, folder=Path(folder), templates={**assembly.templates, fault.stack: fault.template}
        )
        stumbled = ""
        for check in CHECKS[fault.group]:
            try:
                result = check([_seen(check, changed, fault.stack)])
            except Exception as error:  # a check that stumbles has caught nothing, and another may
                stumbled = stumbled or f"{CRASH}{type(error).__name__}"
                continue
            if set(result.findings) - before(check, fault.stack):
                return result.check
    return stumbled


def _seen(check: Check, assembly: Assembly, stack: str) -> Assembly:
    """Return what a check needs to see: the other stacks are as they were, and matter to imports alone."""
    if check in (functions.check, connections.check, between.check, payloads.check):
        return assembly
    return replace(assembly, templates={stack: assembly.templates[stack]})


@dataclass(frozen=True)
class Outcome:
    """A fault, and the check that caught it: nothing if it escaped."""

    fault: Fault
    check: str

    @property
    def found(self) -> bool:
        """Whether a check said something of it."""
        return bool(self.check) and not self.check.startswith(CRASH)


def run(assembly: Assembly, per_kind: int, seed: int = SEED, most: int | None = None) -> list[Outcome]:
    """Put some faults of each kind into an environment, `most` in all, and ask the checks about each."""
    by_kind: dict[str, list[Fault]] = defaultdict(list)
    for fault in faults(assembly):
        by_kind[fault.kind].append(fault)
    chance = random.Random(seed)  # noqa: S311  # which faults are tried, the same ones each time
    tried = [
        each
        for kind in sorted(by_kind)
        for each in chance.sample(by_kind[kind], min(per_kind, len(by_kind[kind])))
    ]

    if most is not None and most < len(tried):
        tried = chance.sample(tried, most)
    # A process of its own for each core: most of the time is cfn-lint's, which is Python.
    workers = min(os.cpu_count() or 1, len(tried))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _work_on, (assembly,)) as pool:
        found = pool.map(_caught, tried, chunksize=4)
        return [Outcome(fault, check) for fault, check in zip(tried, found, strict=True)]


def _work_on(assembly: Assembly) -> None:
    """Keep in a worker what all faults have in common: the deployment, and what is said of it without them."""

    @cache
    def before(check: Check, stack: str) -> frozenset[str]:
        return frozenset(check([_seen(check, assembly, stack)]).findings)

    _WORK["caught"] = partial(caught, assembly, before=before)


def _caught(fault: Fault) -> str:
    return _WORK["caught"](fault)


def table(outcomes: Sequence[Outcome]) -> str:
    """Lay the outcomes out by kind, and list what escaped."""
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.fault.kind].append(outcome)
    width = max(len(kind) for kind in by_kind)
    lines = [f"{'kind':{width}}  faults  caught  by"]
    for kind, own in sorted(by_kind.items()):
        by = [each.check for each in own if each.found]
        lines.append(f"{kind:{width}}  {len(own):6}  {len(by):6}  {', '.join(sorted(set(by)))}")
    found = sum(1 for each in outcomes if each.found)
    lines.append(f"{'all':{width}}  {len(outcomes):6}  {found:6}  {share(outcomes):.1%}")
    lines += [
        f"escaped: {each.fault.kind}: {each.fault.where} {each.check}" for each in outcomes if not each.found
    ]
    return "\n".join(lines)


def share(outcomes: Sequence[Outcome]) -> float:
    """Return how many of the faults were caught, from 0 to 1."""
    return sum(1 for each in outcomes if each.found) / len(outcomes)


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of faults: give 1 or more")
    return int(text)


def main(given: Sequence[str]) -> int:
    """Run the faults, print the table, and return 1 when too many escape."""
    parser = argparse.ArgumentParser(prog="python -m stacks.checks.mutations", description=__doc__)
    parser.add_argument("--env", default="prod", help="the environment that gets the faults")
    parser.add_argument("--per-kind", type=_positive, default=12, help="faults of each kind")
    parser.add_argument("--seed", type=int, default=SEED, help="which of them")
    options = parser.parse_args(list(given))
    try:
        language.node()
        assembly = synthesize(options.env)
    except (SettingsError, FileNotFoundError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    outcomes = run(assembly, options.per_kind, options.seed)
    sys.stdout.write(table(outcomes) + "\n")
    return int(share(outcomes) < WANTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
