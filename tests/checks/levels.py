"""A clone of the project in which only what one level of set-up installs can be imported."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.infra.conftest import ROOT

FOLDERS = (
    "classifier",
    "environments",
    "lambda_src",
    "localcloud",
    "scones",
    "serving",
    "stacks",
    "tools",
    "training",
)
FILES = (
    "Makefile",
    "app.py",
    "cdk.json",
    "constraints.txt",
    "package-lock.json",
    "package.json",
    "pyproject.toml",
)
JSII_CACHE = "JSII_RUNTIME_PACKAGE_CACHE_ROOT"
NOBODY = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_REGION": "us-east-1",
    "CDK_DISABLE_CLI_TELEMETRY": "true",
}
"""Steps that deploy and destroy run here: no credentials of whoever tests are found, and no call would reach AWS."""
PROJECT = "scones-vehicle-classifier"


def required(level: str) -> list[str]:
    """Return what pyproject.toml names for a level; the base alone for `synth`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names: list[str] = [*project["dependencies"]]
    if level != "synth":
        names += project["optional-dependencies"][level]
    own = [each for name in names if (each := Requirement(name)).name == PROJECT]
    rest = [name for name in names if Requirement(name).name != PROJECT]
    return rest + [name for each in own for extra in each.extras for name in required(extra)]


def distributions(level: str) -> dict[str, metadata.Distribution]:
    """Return every distribution that a level installs, by name: those named, and what they need in turn."""
    found: dict[str, metadata.Distribution] = {}
    todo = [Requirement(name) for name in required(level)]
    asked: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement = todo.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in asked:
            continue
        asked.add((name, extras))
        found[name] = metadata.distribution(name)
        for each in map(Requirement, found[name].requires or ()):
            contexts = [{"extra": extra} for extra in ("", *extras)]
            if each.marker is None or any(each.marker.evaluate(context) for context in contexts):
                todo.append(each)
    return found


def modules(distribution: metadata.Distribution) -> set[str]:
    """Return what a distribution lays into site-packages: its folders and files there, without those of others."""
    tops = {path.parts[0] for path in distribution.files or () if path.suffix != ".pyc"}
    return tops - {"..", "__pycache__"}


@dataclass(frozen=True)
class Clone:
    """A folder with the project's files, and a `.venv` whose Python finds one level's distributions alone."""

    folder: Path
    environment: dict[str, str]

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script there as a workflow's step does, without credentials."""
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def clone(folder: Path, level: str) -> Clone:
    """Lay the project's files into a folder as if `level` had been set up there."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    (folder / "node_modules").symlink_to((ROOT / "node_modules").resolve())
    visible = folder / ".venv" / "visible"
    _link(visible, distributions(level).values())
    # Without `site`, Python has the standard library and what it is told of: here one level and the clone.
    command = f"{shlex.quote(sys.executable)} -S"
    _script(folder / ".venv" / "bin" / "python", f'exec {command} "$@"')
    (folder / ".venv" / "bin" / "node").symlink_to(Path(sys.executable).with_name("node"))
    entry = shlex.quote("from scones.cli import main; main()")
    _script(folder / ".venv" / "bin" / "scones", f'exec {command} -c {entry} "$@"')
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        # Only unpacked packages are in it, and to unpack them takes longer than all the rest.
        JSII_CACHE: os.environ.get(
            JSII_CACHE, str(Path.home() / ".cache" / "aws" / "jsii" / "package-cache")
        ),
        "PYTHON": str(folder / ".venv" / "bin" / "python"),
        "PYTHONPATH": f"{visible}{os.pathsep}{folder}",
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        **NOBODY,
    }
    made = Clone(folder, environment)
    # The mark by which set-up knows that it has nothing to do.
    mark = f"(VENV / '.complete-{level}').write_text(fingerprint('{level}'))"
    script = f"from tools.setup import VENV, fingerprint; {mark}"
    done = made.run(f'"$PYTHON" -c {shlex.quote(script)}')
    if done.returncode:
        raise RuntimeError(done.stdout)
    return made


def _link(visible: Path, wanted: Iterable[metadata.Distribution]) -> None:
    visible.mkdir(parents=True)
    for each in wanted:
        for name in modules(each):
            if not (visible / name).exists():
                (visible / name).symlink_to(Path(str(each.locate_file(name))))


def _script(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
