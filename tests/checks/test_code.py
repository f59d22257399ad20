"""What jobs write, machines read, and code starts machines with is compared by its names, whoever misspells them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stacks.checks import code, payloads, starts
from stacks.checks.assemblies import ROOT, Assembly
from tests.infra.conftest import assembled

Change = Callable[[str, str, str], list[str]]
EVALUATE, TRIGGER = "training/evaluation/job.py", "training/analysis/trigger.py"
TRAINING, MONITORING = "vehicles-training", "vehicles-monitoring"


def _forget() -> None:
    for cached in (code.parsed, code.reads, code.returned, code.written, starts.by_code):
        cached.cache_clear()


@pytest.fixture
def said_of_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Change]:
    """Return what says what is found once a text of a file is another."""
    for folder in ("lambda_src", "scones", "training"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "*.bin")
        )
    for module in (code, starts):
        monkeypatch.setattr(module, "ROOT", tmp_path)

    def change(file: str, before: str, after: str) -> list[str]:
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert before in text
        (tmp_path / file).write_text(text.replace(before, after), encoding="utf-8")
        _forget()
        return [*payloads.check([assembled("prod")]).findings]

    yield change
    _forget()


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        (EVALUATE, '("gate", gate)', '("gaet", gate)', "evaluate.py writes no gate.json"),
        (EVALUATE, '"accepted", "reason")', '"acepted", "reason")', "writes no 'accepted' to gate.json"),
        (EVALUATE, '{name: figures[name] for name in small} | {"r', '{"r', "writes no 'accuracy' to gate.json"),
        ("training/analysis/job.py", '"rollback": s', '"rolback": s', "writes no 'rollback' to analysis.json"),
        (TRIGGER, '"wanted"', '"wnated"', "writes no 'wanted' to analysis.json, and retrain.wanted is taken of it"),
        ("training/staging/summary.py", '"version": d', '"verson": d', "stage.py writes no 'version' to summary.json"),
        ("training/staging/summary.py", "return {", "return dataset.all or {", "to summary.json is not written out"),
        ("lambda_src/train_on_deploy/logic.py", '{"start": start', '{"strat": start', "does not read 'strat'"),
        ("lambda_src/train_on_deploy/logic.py", '["AtDeploy"]', '["AtDeplyo"]', "reads 'AtDeplyo', which is not given"),
        ("lambda_src/train_on_deploy/handler.py", '["RequestType"]', '["Kind"]', "reads 'Kind', which no request has"),
        ("scones/pausing.py", '{"start": "resume"', '{"start": "resmue"', "its machine knows no start 'resmue'"),
        ("lambda_src/dispatcher/logic.py", '"size": int', '"bytes": int', "'size' is read, and lambda_src.dispatcher"),
        ("lambda_src/adapters/workflow.py", '{"images": i', '{"image": i', "'images' is read, and lambda_src.adapters"),
        ("lambda_src/classify_image/logic.py", '"failure": {"e', '"failed": {"e', "answers with no 'failure'"),
        ("lambda_src/classify_image/logic.py", '"route": self', '"way": self', "answers with no 'route' in 'answer'"),
        ("scones/cli.py", '"shadow": shadow}', '"shadwo": shadow}', "nobody starts it with 'shadow'"),
    ],
)  # fmt: skip
def test_what_code_of_ours_calls_otherwise_is_found(
    said_of_code: Change, file: str, before: str, after: str, said: str
) -> None:
    assert [each for each in said_of_code(file, before, after) if said in each]


def _said(stack: str, before: str, after: str) -> list[str]:
    """Return what is found once a text of a template is another."""
    assembly = assembled("prod")
    (name,) = [each for each in assembly.templates if each.endswith(stack)]
    text = json.dumps(assembly.templates[name])
    assert re.search(before, text)
    changed: Mapping[str, Any] = json.loads(re.sub(before, after, text))
    return [*payloads.check([Assembly("prod", Path(), {**assembly.templates, name: changed})]).findings]


@pytest.mark.parametrize(
    ("stack", "before", "after", "said"),
    [
        (TRAINING, r"/evaluation/gate\.json", "/evaluation/gates.json", "evaluate.py writes no gates.json"),
        (TRAINING, r"/evaluation/gate\.json", "/evaluations/gate.json", "gate.json where no job of its machine writes"),
        (TRAINING, r"\$gate\.accepted", "$gate.acepted", "writes no 'acepted' to gate.json"),
        (TRAINING, r"(Body\))\.version", r"\1.verson", "stage.py writes no 'verson' to summary.json"),
        (MONITORING, r"\$found\.retrain\.wanted", "$found.retrain.wnated", "'wnated' to analysis.json"),
        (TRAINING, r"\$states\.input\.shadow", "$states.input.shadwo", "nobody starts it with 'shadwo'"),
        (MONITORING, "{'start': 'stage'", "{'strat': 'stage'", "its machine does not read 'strat'"),
        (MONITORING, r'\\"start\\":\\"settle\\"', r'\\"start\\":\\"setlte\\"', "knows no start 'setlte'"),
        (MONITORING, r'\\"start\\":\\"settle\\"', r'\\"strat\\":\\"settle\\"', "does not read 'strat'"),
        (TRAINING, r'"AtDeploy"', '"AtDeplyo"', "its handler does not read 'AtDeplyo'"),
        (TRAINING, r', "AtDeploy": "\w+"', "", "its handler reads 'AtDeploy', which is not given"),
        (MONITORING, r"Item\.previous_run\.S", "Item.previous_rnu.S", "it reads 'previous_rnu', which"),
        (MONITORING, r"Item\.previous_run\.S", "Item.previous_run.N", "as N, and"),
        (TRAINING, r'\\"previous_run\\":\{', r'\\"previous_rnu\\":{', "nobody reads 'previous_rnu' of its item"),
        (MONITORING, "SET started_at =", "SET startedat =", "it reads 'started_at', which"),
        (TRAINING, r'\{\\"S\\":\\"trained\\"\}', r'{\\"S\\":\\"tranied\\"}', "it reads an item that nobody writes"),
    ],
)  # fmt: skip
def test_what_the_deployment_calls_otherwise_is_found(stack: str, before: str, after: str, said: str) -> None:
    assert [each for each in _said(stack, before, after) if said in each]


def test_every_place_that_starts_the_training_is_looked_at() -> None:
    files = {where.partition(",")[0] for where, _, _ in starts.by_code()}
    assert files == {
        *("lambda_src/train_on_deploy/logic.py", "scones/cli.py", "scones/pausing.py", "scones/versions.py")
    }
    named = {where.split()[-1] for where, _ in starts.of_assembly(assembled("prod"))}
    assert {"StartRetraining", "StartRollback"} <= named
    assert any(each.startswith("Settling") for each in named)
    assert any(each.startswith("TrainOnDeploy") for each in named)
