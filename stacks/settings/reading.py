"""Reads settings from `environments/`, and says in one sentence what is wrong with them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stacks.settings.base import SettingsError
from stacks.settings.environment import NAME, Settings

REPLACED_WHOLE = ("routes", "data", "hyperparameters", "search")
KINDS = ("cifar100", "folder", "s3", "drawings")
"""pydantic names them within a place."""


def load(folder: Path, env: str, *, name: str | None = None, overlay: Path | None = None) -> Settings:
    """Read an environment's settings, with another file laid over them.

    Raises
    ------
    SettingsError
    """
    path = folder / f"{env}.toml"
    known = sorted(each.stem for each in folder.glob("*.toml"))
    if env not in known:
        raise SettingsError(f"There is no environment {env!r}; choose one with -c env=…: {', '.join(known)}.")
    content = _read(path)
    if overlay is not None:
        content = _merge(content, _read(overlay))
    if name is not None:
        if not re.fullmatch(NAME, name):
            raise SettingsError(
                f"The name {name!r} given with -c name=… may hold a-z, 0-9 and single '-' only."
            )
        content["name"] = name
    _tell_apart(env, str(content.get("name", "")), known)
    try:
        return Settings(**{**content, "env": env})
    except ValidationError as error:
        given = (
            f"{overlay or path}"
            if name is None
            else f"{overlay or path} under the name {name!r}, given by hand"
        )
        raise SettingsError(_sentence(given, error)) from error


def _tell_apart(env: str, name: str, known: Sequence[str]) -> None:
    """Refuse names that, joined, could be those of another deployment: `a-b` in `c` reads as `a` in `b-c`."""
    if "-" in env:
        raise SettingsError(f"The environment {env!r} must have no '-' in its name: rename its file.")
    if parts := sorted(set(name.split("-")) & set(known)):
        raise SettingsError(
            f"The name {name!r} holds the environment {parts[0]!r}, and could be taken for a deployment of it: choose "
            "another."
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        # Some editors begin a file with a mark of their own.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"The settings file {path} is no text in UTF-8: {error.reason}.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The settings file {path} is not valid TOML: {error}.") from error


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict) and key not in REPLACED_WHOLE:
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _sentence(path: str, error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in KINDS)
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"Unknown setting {where} in {path}: remove it, or correct its name."
    if first["type"] == "missing":
        return f"The setting {where} is missing in {path}: add it."
    if first["type"] != "value_error":
        said = f"{first['input']!r} will not do: {said[0].lower()}{said[1:]}"
    return f"Bad setting {where} in {path}: {said}." if where else f"Bad settings in {path}: {said}."
