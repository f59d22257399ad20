"""The whole assembly is the same bytes twice: by the CLI and without it, from another folder, on another machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from stacks import archives
from tests.checks import levels
from tests.infra.conftest import ROOT, shipped

ELSEWHERE = {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu", "LC_ALL": "C"}
"""What another machine may have otherwise."""
AS_CLONED_ELSEWHERE = """
umask 077
chmod -R go= app.py classifier environments lambda_src serving stacks training
find classifier lambda_src serving stacks training -exec touch -t 199901010000 {} +
"""


def _contents(assembly: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(assembly)): path.read_bytes() for path in assembly.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("env", ["dev", pytest.param("prod", marks=pytest.mark.slow)])
def test_the_assembly_is_identical_when_the_cli_synthesizes_it_in_another_folder(
    tmp_path: Path, env: str
) -> None:
    made = levels.clone(tmp_path / "another folder", "synth")
    done = made.run(AS_CLONED_ELSEWHERE + f"make synth ENV={env}", **ELSEWHERE)
    assert done.returncode == 0, done.stdout
    here, there = _contents(shipped(env).folder), _contents(made.folder / "cdk.out" / env)
    assert len([name for name in here if name.endswith(".template.json")]) > 2
    assert here.keys() == there.keys()
    assert [name for name, content in here.items() if content != there[name]] == []
    for folder in (ROOT, tmp_path):
        assert [name for name, content in here.items() if str(folder).encode() in content] == []


def test_another_day_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    members = {"b/two.py": b"2", "a.py": b"1"}
    before = [archives._tar(members), archives._zip(members)]
    monkeypatch.setattr("time.time", lambda: 4_000_000_000.0)
    assert [archives._tar(dict(reversed(members.items()))), archives._zip(members)] == before
