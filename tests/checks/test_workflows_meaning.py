"""Names in GitHub's workflows mean something: a misspelt one passes every schema, and does nothing or fails there."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

import pytest
from packaging.specifiers import SpecifierSet

from tests.checks.workflows import TEXTS, complaints, linted, loaded
from tests.infra.conftest import ROOT

PLANTED = (
    ("deploy.yml", "needs: check", "needs: chek", "chek"),
    ("deploy.yml", "    needs: check\n", "", "without waiting for check.yml"),
    ("deploy.yml", "inputs.environment", "inputs.enviroment", "enviroment"),
    ("deploy.yml", "github.event_name", "github.evnt_name", "evnt_name"),
    ("deploy.yml", "'workflow_dispatch'", "'workflow_dispach'", "workflow_dispach"),
    ("deploy.yml", "vars.AWS_DEPLOY_ROLE_ARN", "vars.AWS_DEPLOY_ROLE", "variable AWS_DEPLOY_ROLE"),
    ("deploy.yml", "role-to-assume", "role-to-asume", "role-to-asume"),
    ("deploy.yml", "tools/picture.py", "tools/pictur.py", "tools/pictur.py"),
    ("deploy.yml", ".venv/bin/scones doctor", ".venv/bin/scone doctor", ".venv/bin/scone"),
    ("deploy.yml", "scones doctor", "scones docter", "docter"),
    ("deploy.yml", "--patience", "--patence", "--patence"),
    ("deploy.yml", 'make deploy ENV="$ENV"', 'make deploy ENVIRONMENT="$ENV"', "variable ENVIRONMENT"),
    ("deploy.yml", 'make deploy ENV="$ENV"', 'make deploy ENV="$ENVIRONMENT"', "nothing sets $ENVIRONMENT"),
    ("deploy.yml", "        shell: bash # with pipefail\n", "", "hides a failure"),
    ("deploy.yml", "ubuntu-24.04", "ubuntu-24.4", "ubuntu-24.4"),
    ("deploy.yml", "    if: github.event_name", "    if: always() && github.event_name", "has failed"),
    ("deploy.yml", "branches: [main]", "branches: [mian]", "mian"),
    ("deploy.yml", "branches: [main]", "paths: [stack/**]", "stack/**"),
    ("check.yml", "matrix.python", "matrix.pyhton", "pyhton"),
    ("check.yml", "'pull_request'", "'pull_requst'", "pull_requst"),
    ("check.yml", "base.sha", "bse.sha", "bse.sha"),
    ("check.yml", "make typecheck", "make typechek", "typechek"),
    ("destroy.yml", "vars.AWS_REGION", "vars.REGION", "variable REGION"),
)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return what the linter says of each planted fault, by its number, and of the workflows as they are."""
    folder = tmp_path_factory.mktemp("workflows")
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    for number, (name, before, after, _) in enumerate(PLANTED):
        (folder / f"{number}.yml").write_text(TEXTS[name].replace(before, after), encoding="utf-8")
    return linted(folder)


@pytest.mark.parametrize("name", TEXTS)
def test_names_mean_something(said: dict[str, list[str]], name: str) -> None:
    assert [*said.get(name, ()), *complaints(name, TEXTS[name])] == []


@pytest.mark.parametrize("number", range(len(PLANTED)), ids=[each[2] or "removed" for each in PLANTED])
def test_a_planted_fault_is_found(said: dict[str, list[str]], number: int) -> None:
    name, before, after, word = PLANTED[number]
    text = TEXTS[name].replace(before, after)
    assert text != TEXTS[name]
    found = [*said.get(f"{number}.yml", ()), *complaints(name, text)]
    assert any(word in each for each in found), found


SUMMARY = '| tee -a "$GITHUB_STEP_SUMMARY"'
OIDC = "aws-actions/configure-aws-credentials"
DOES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("check.yml", "static"): (
        *(
            "make lint",
            "make typecheck",
            "make synth ENV=dev",
            "make synth ENV=prod",
            "make checks >",
            SUMMARY,
        ),
    ),
    # The snapshots are compared among the tests.
    ("check.yml", "test"): ("make test",),
    ("check.yml", "diff"): (
        *("for env in dev prod; do", 'make synth ENV="$env"', 'make -C build/base synth ENV="$env"'),
        f'make diff ENV="$env" BASE="build/base/cdk.out/$env" {SUMMARY}',
    ),
    ("deploy.yml", "check"): ("./.github/workflows/check.yml",),
    ("deploy.yml", "deploy"): (
        *(
            OIDC,
            'scones doctor --aws --env "$ENV"',
            'make deploy ENV="$ENV"',
            "scones classify build/smoke.png --aws",
        ),
    ),
    ("destroy.yml", "destroy"): (OIDC, 'make destroy ENV="$ENV"'),
    ("full.yml", "full"): ("make test-full",),
}
"""What each job is there for, in this order."""
STARTED = {
    "check.yml": {"pull_request", "workflow_call"},
    "deploy.yml": {"push", "workflow_dispatch"},
    "destroy.yml": {"workflow_dispatch"},
    "full.yml": {"schedule", "workflow_dispatch"},
}


def undone(name: str, text: str) -> list[str]:
    """Return what a workflow's jobs are there for, and do not do in that order."""
    workflow = loaded(text)
    missing = []
    for (_, job), wanted in ((key, each) for key, each in DOES.items() if key[0] == name):
        content = workflow["jobs"].get(job, {})
        lines = [content.get("uses", "")]
        for step in content.get("steps", ()):
            lines += (
                [step.get("uses", "").partition("@")[0], *step.get("run", "").splitlines()]
                if "if" not in step
                else []
            )
        at = 0
        for each in wanted:
            found = [number for number, line in enumerate(lines[at:], at) if f"{each} " in f"{line} "]
            missing += [] if found else [f"{job}: {each}"]
            at = found[0] if found else at
    return missing


@pytest.mark.parametrize("name", TEXTS)
def test_every_job_does_what_it_is_there_for(name: str) -> None:
    assert undone(name, TEXTS[name]) == []
    assert set(loaded(TEXTS[name])["on"]) == STARTED[name]
    assert {job for workflow, job in DOES if workflow == name} == set(loaded(TEXTS[name])["jobs"])


@pytest.mark.parametrize(
    ("name", "job", "wanted"), [(*key, each) for key, wanted in DOES.items() for each in wanted]
)
def test_a_step_that_is_lost_is_missed(name: str, job: str, wanted: str) -> None:
    assert f"{job}: {wanted}" in undone(name, TEXTS[name].replace(wanted, "true"))


def test_python_is_one_that_the_project_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    supported = SpecifierSet(project["requires-python"])
    matrix = loaded(TEXTS["check.yml"])["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert matrix == [f"3.{minor}" for minor in range(20) if supported.contains(f"3.{minor}")]
    for text in TEXTS.values():
        for job in loaded(text)["jobs"].values():
            for step in job.get("steps", ()):
                version = step.get("with", {}).get("python-version")
                assert version in (None, "${{ matrix.python }}") or version in matrix
                assert version or "setup-python" not in step.get("uses", "")
