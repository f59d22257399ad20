"""Names in GitHub's workflows mean something: a misspelt one passes every schema, and does nothing or fails there."""

from __future__ import annotations

import pytest

from tests.checks.workflows import TEXTS, complaints, linted

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
