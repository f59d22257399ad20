"""Bad settings stop synth with one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from stacks.settings import SettingsError, load

ENVIRONMENTS = Path(__file__).parents[3] / "environments"


def _load(tmp_path: Path, overlay: str, env: str = "dev", name: str | None = None) -> None:
    path = tmp_path / "overlay.toml"
    path.write_text(overlay)
    load(ENVIRONMENTS, env, name=name, overlay=path)


@pytest.mark.parametrize("env", ["dev", "prod"])
def test_environments_are_valid(env: str) -> None:
    settings = load(ENVIRONMENTS, env)
    assert settings.prefix("vehicles") == f"scones-{env}-vehicles"
    assert settings.classifier["vehicles"].classes == ("bicycle", "motorcycle")


def test_the_known_environments_are_listed_when_one_is_unknown() -> None:
    with pytest.raises(SettingsError, match=r"no environment 'staging'.*dev, prod"):
        load(ENVIRONMENTS, "staging")


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ("colour = 1", "Unknown setting colour"),
        ("[classifier.vehicles.serving]\nspeed = 1", "Unknown setting classifier.vehicles.serving.speed"),
        (
            "[classifier.vehicles.serving]\ngpu = true",
            "gpu = true needs a GPU instance, and ml.m5.large has none",
        ),
        (
            '[classifier.vehicles.training]\ninstance_type = "ml.g5.xlarge"',
            "is a GPU instance: set gpu = true",
        ),
        ('[classifier.vehicles.serving]\ninstance_type = "g5.xlarge"', "instance_type"),
        ('[classifier.vehicles.routes]\nbicycle = "near"', "at least two classes"),
        (
            '[classifier.vehicles.data]\nkind = "folder"\npath = "/no/such"',
            "the folder /no/such does not exist",
        ),
        ('classifiers = ["trucks"]', "no classifier 'trucks'"),
        ("[classifier.vehicles.training]\nmax_runtime_minutes = 90", "cannot fit CloudFormation's hour"),
        ("[classifier.vehicles.training.hyperparameters]\nmagic = 1", "magic"),
        ("colour = ", "not valid TOML"),
    ],
)
def test_one_sentence_says_what_is_wrong_when_a_setting_is_bad(
    tmp_path: Path, overlay: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, overlay)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_is_refused_when_sagemaker_names_would_be_too_long(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="too long"):
        _load(tmp_path, "", name="a-very-long-name-for-a-deployment")


def test_data_is_replaced_whole_when_an_overlay_names_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "overlay.toml"
    path.write_text('[classifier.vehicles.data]\nkind = "drawings"\nper_class = 30\n')
    assert load(ENVIRONMENTS, "dev", overlay=path).classifier["vehicles"].data.kind == "drawings"
