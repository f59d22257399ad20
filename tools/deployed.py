"""Prints what an environment's smoke test asks: name and classifier of each that a deployment trains, a line each."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ENVIRONMENTS = Path(__file__).resolve().parents[1] / "environments"


def main(env: str) -> int:
    """Print them; what a deployment does not train is said on standard error."""
    path = ENVIRONMENTS / f"{env}.toml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in ENVIRONMENTS.glob("*.toml")))
        sys.stderr.write(f"error: There is no environment {env!r}: give one of {known}.\n")
        return 1
    settings = tomllib.loads(path.read_text(encoding="utf-8"))
    for classifier in settings["classifiers"]:
        if settings["classifier"][classifier]["training"]["at_deploy"]:
            sys.stdout.write(f"{settings['name']} {classifier}\n")
        else:
            sys.stderr.write(
                f"{classifier} is not asked: at_deploy is false, so train it with `scones train`.\n"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or [""]))
