"""What CI runs at a level of set-up finds there all that it imports.

The tests' own environment has every level's packages, and so hides that one is missing.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.checks import levels
from tests.checks.test_workflows import loaded
from tests.infra.conftest import ROOT

OURS = {"classifier", "lambda_src", "localcloud", "scones", "serving", "stacks", "training"}


def _file(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((each for each in candidates if each.is_file()), None)


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # What is imported from a package may be a module of it.
            yield from (f"{node.module}.{each.name}" for each in node.names)


def _third_party(starts: Iterable[Path]) -> dict[str, str]:
    """Return every module of others that files import, themselves or by way of ours, with a file that does so."""
    todo, seen, found = [*starts], set(), dict[str, str]()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for module in _imported(path):
            top = module.partition(".")[0]
            if top in OURS:
                parts = module.split(".")
                names = (".".join(parts[: count + 1]) for count in range(len(parts)))
                todo += [each for name in names if (each := _file(name))]
            elif top not in sys.stdlib_module_names:
                found.setdefault(top, str(path.relative_to(ROOT)))
    return found


@pytest.mark.parametrize(
    ("level", "starts", "some"),
    [
        ("synth", ("app.py",), {"aws_cdk", "botocore", "pydantic"}),
        ("local", ("scones/**/*.py", "localcloud/**/*.py"), {"boto3", "PIL", "psutil", "rich", "typer"}),
    ],
)
def test_what_is_imported_is_among_a_level_s_distributions(
    level: str, starts: tuple[str, ...], some: set[str]
) -> None:
    wanted = _third_party(path for pattern in starts for path in ROOT.glob(pattern))
    provided = {module for each in levels.distributions(level).values() for module in levels.modules(each)}
    assert some <= set(wanted)
    assert {module: path for module, path in wanted.items() if module not in provided} == {}


def _step(workflow: str, job: str, words: str) -> str:
    steps: list[dict[str, Any]] = loaded(workflow)["jobs"][job]["steps"]
    (script,) = [each["run"] for each in steps if words in each.get("run", "")]
    return str(script)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> levels.Clone:
    """A clone where the base alone is set up, and in it one of the target branch."""
    made = levels.clone(tmp_path_factory.mktemp("a clone") / "synth", "synth")
    levels.clone(made.folder / "build" / "base", "synth")
    return made


def test_what_would_change_is_told_at_the_level_that_ci_sets_up(base: levels.Clone) -> None:
    for words in ("make synth", "make diff"):
        # One environment: the loop over both is the shell's.
        script = _step("check.yml", "diff", words).replace("in dev prod", "in dev")
        done = base.run(script)
        assert done.returncode == 0, done.stdout
    told = (base.folder / "summary.md").read_text()
    assert told.count("There were no differences") == told.count("### ") > 2


def test_destruction_gets_as_far_as_the_account_at_the_level_that_ci_sets_up(base: levels.Clone) -> None:
    done = base.run(_step("destroy.yml", "destroy", "make setup-synth"))
    assert (done.returncode, done.stdout) == (0, "")
    done = base.run(_step("destroy.yml", "destroy", "make destroy"), ENV="dev")
    assert "Traceback" not in done.stdout
    assert "Unable to resolve AWS account" in done.stdout, done.stdout


def test_deployment_gets_as_far_as_the_account_at_the_level_that_ci_sets_up(tmp_path: Path) -> None:
    made = levels.clone(tmp_path / "cli", "cli")
    done = made.run(_step("deploy.yml", "deploy", "make setup-cli"))
    assert (done.returncode, done.stdout) == (0, "")
    done = made.run(_step("deploy.yml", "deploy", "scones doctor"), ENV="dev")
    assert done.returncode == 0, done.stdout
    assert "not checked" in done.stdout
    done = made.run(_step("deploy.yml", "deploy", "make deploy"), ENV="dev")
    assert "Unable to resolve AWS account" in done.stdout, done.stdout
    done = made.run(_step("deploy.yml", "deploy", "scones classify"), ENV="dev")
    assert (made.folder / "build" / "smoke.png").is_file()
    assert "credentials" in done.stdout, done.stdout
    assert "Traceback" not in done.stdout


def test_no_step_finds_the_credentials_of_whoever_tests(tmp_path: Path) -> None:
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text("[default]\naws_access_key_id = A\naws_secret_access_key = B\n")
    made = levels.clone(tmp_path / "cli", "cli")
    asked = "import boto3; print(boto3.Session().get_credentials())"
    done = made.run(f'"$PYTHON" -c "{asked}"')
    assert done.stdout == "None\n"
    done = made.run(f'HOME={tmp_path} "$PYTHON" -c "{asked}"')
    assert done.stdout == "None\n"
