"""Writes the settings that the demo lays over the environment: what any user could choose."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scones.demo.data import Pictures
from scones.errors import DataError
from scones.target import ROOT
from stacks.guarding import LEAST_BAKE_MINUTES
from stacks.settings import SettingsError, load

DRAWINGS = {"kind": "drawings", "per_class": 240, "seed": 7}
FAST = {"epochs": 3, "patience": 0, "image_size": 64, "folds": 2}
"""Hyperparameters for tests: a model that is trained in seconds and is good at drawings only."""
FAST_DRAWINGS = {"kind": "drawings", "per_class": 60, "seed": 7}
FAST_ACCURACY = 0.6
FAST_TARGET_ERROR = 0.2
"""What so few drawings can support."""
SURELY_NOT_TEST = 0.7
"""Share of the pictures that will hardly go to the test split, which takes a fifth by their hashes."""
CPU = {"training": "ml.m5.xlarge", "serving": "ml.m5.large"}


def routes(pictures: Pictures, known: Mapping[str, str]) -> dict[str, str]:
    """Return where each class goes: as the environment says, else to a route of the class's own name."""
    if set(pictures.classes) == set(known):
        return dict(known)
    return {name: known.get(name, name) for name in pictures.classes}


def target_error(pictures: Pictures, wanted: float) -> float:
    """Return the share of wrong routes to aim at: the wanted one, or what so few pictures can support."""
    from classifier.calibration import supported_error  # noqa: PLC0415  # numpy; drawings need none here

    return max(wanted, supported_error(int(pictures.count * SURELY_NOT_TEST)))


def overlay(
    classifier: str, known: Mapping[str, Any], pictures: Pictures | None, *, fast: bool
) -> dict[str, Any]:
    """Return the settings: this classifier alone, on CPUs, with the person's pictures or with drawings."""
    chosen: dict[str, Any] = {
        "data": FAST_DRAWINGS if fast else DRAWINGS,
        "training": {"instance_type": CPU["training"], "gpu": False, "spot": False, "at_deploy": True},
        "serving": {
            "instance_type": CPU["serving"],
            "gpu": False,
            "instance_count": 1,
            # The demo creates its endpoint, which bakes no minute; who keeps it and updates it waits no longer.
            "bake_minutes": LEAST_BAKE_MINUTES,
        },
    }
    if pictures is not None:
        chosen["data"] = {"kind": "folder", "path": str(pictures.path)}
        chosen["routes"] = routes(pictures, known.get("routes", {}))
        chosen["target_error"] = target_error(pictures, float(known["target_error"]))
    if fast:
        chosen["training"]["hyperparameters"] = FAST
        chosen["gate"] = {"minimum_accuracy": FAST_ACCURACY}
        chosen["target_error"] = FAST_TARGET_ERROR
    return {
        "classifiers": [classifier],
        "retention": "destroy",
        "classifier": {classifier: chosen},
    }


def write(settings: Mapping[str, Any], path: Path) -> None:
    """Write settings as TOML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_table(settings, ())) + "\n", encoding="utf-8")


def check(settings: Mapping[str, Any], env: str) -> None:
    """Refuse what could not be deployed, before anything is started.

    Raises
    ------
    DataError
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "settings.toml")
        write(settings, path)
        try:
            load(ROOT / "environments", env, overlay=path)
        except SettingsError as error:
            raise DataError(f"The demo cannot be deployed so: {error}".replace(f" in {path}", "")) from error


def _table(values: Mapping[str, Any], where: tuple[str, ...]) -> list[str]:
    # A JSON string is a TOML basic string, and JSON's numbers, booleans and lists are TOML's.
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    lines = [f"[{'.'.join(map(json.dumps, where))}]"] if where and plain else []
    lines += [f"{json.dumps(key)} = {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items()]
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += _table(value, (*where, key))
    return lines
