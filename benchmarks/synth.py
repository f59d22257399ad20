"""What `cdk synth` costs, and how it grows with the number of classifiers.

    python -m benchmarks.synth [--classifiers 1 4 16] [--rounds 3] [--out FILE]

Every side is the CDK CLI as a process, as in CI, into a folder of its own; each classifier is `vehicles` renamed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.options import at_least_one, takes_out, write_figures
from stacks.archives import ROOT

COMMAND = (
    "node",
    "node_modules/aws-cdk/bin/cdk",
    "synth",
    "--quiet",
    "--app",
    f"{shlex.quote(sys.executable)} app.py",
)


def overlay(count: int) -> str:
    """Return settings, TOML, that stand up so many classifiers."""
    base = (ROOT / "environments" / "dev.toml").read_text(encoding="utf-8")
    own = "\n".join(line for line in base.splitlines() if line.strip() and not line.startswith("#"))
    start = own.index("[classifier.vehicles]")
    end = own.index("[classifier.scone-defects]")
    names = [f"vehicles{number}" for number in range(count)]
    tables = [own[start:end].replace("classifier.vehicles", f"classifier.{name}") for name in names]
    return f"classifiers = {json.dumps(names)}\n" + "\n".join(tables)


def synth(count: int) -> dict[str, float]:
    """Synthesize once; return seconds, and what came out."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "settings.toml"
        settings.write_text(overlay(count), encoding="utf-8")
        out = Path(folder) / "cdk.out"
        started = time.perf_counter()
        done = subprocess.run(
            [*COMMAND, "--output", str(out), "-c", f"settings={settings}"],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"cdk synth failed: {done.stderr.strip()[-1000:]}")
        templates = [file.read_text(encoding="utf-8") for file in out.glob("*.template.json")]
        resources = sum(len(json.loads(template)["Resources"]) for template in templates)
        return {
            "seconds": seconds,
            "stacks": len(templates),
            "resources": resources,
            "largest_template_bytes": max(len(template.encode()) for template in templates),
            "template_bytes": sum(len(template.encode()) for template in templates),
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print seconds, resources and sizes by number of classifiers, and how the first grow with the second."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.synth", description="What cdk synth costs.")
    parser.add_argument("--classifiers", type=at_least_one, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rounds", type=at_least_one, default=3)
    takes_out(parser)
    options = parser.parse_args(arguments)
    synth(options.classifiers[0])  # what is compiled and unpacked once
    runs: dict[int, list[dict[str, float]]] = {count: [] for count in options.classifiers}
    for _ in range(options.rounds):
        for count in options.classifiers:
            runs[count].append(synth(count))
    when = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(f"{when}, {options.rounds} rounds")
    first = runs[options.classifiers[0]]
    figures: dict[str, Any] = {"date": when}
    for count, own in runs.items():
        facts = own[0]
        seconds = [each["seconds"] for each in own]
        ratios = [each["seconds"] / base["seconds"] for each, base in zip(own, first, strict=True)]
        grown = facts["resources"] / first[0]["resources"]
        print(
            f"{count:3} classifiers: {statistics.median(seconds):5.1f} s ({min(seconds):.1f} to {max(seconds):.1f}), "
            f"{facts['stacks']:.0f} stacks, {facts['resources']:.0f} resources, largest template "
            f"{facts['largest_template_bytes'] / 1024:.0f} KiB; time x {statistics.median(ratios):.2f}, "
            f"resources x {grown:.2f}"
        )
        figures[str(count)] = own
    write_figures(options.out, figures)


if __name__ == "__main__":
    main()
