"""What the doctor looks at: the settings, the templates they become, and the cloud they would go to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scones.target import ROOT, Target

if TYPE_CHECKING:
    from stacks.checks.assemblies import Assembly
    from stacks.settings import Settings


@dataclass(frozen=True)
class Subject:
    """
    A deployment that is yet to be.

    Parameters
    ----------
    settings, assembly
        What is wanted, and the templates that say so.
    target
        The cloud, with its clients.
    local
        Whether that cloud is a local one.
    region
        Where it would be deployed; None when nothing says so.
    account
        Whose credentials there are; None without any that work.
    """

    settings: Settings
    assembly: Assembly
    target: Target
    local: bool
    region: str | None = None
    account: str | None = None

    @property
    def why_not_asked(self) -> str | None:
        """Why AWS itself cannot be asked; None when it can."""
        if self.local:
            return "a local cloud has no answer to this"
        if self.region is None:
            return "there is no AWS region to ask about"
        if self.account is None:
            return "there are no AWS credentials that work"
        return None

    def manifest(self) -> dict[str, Any]:
        """Return the cloud assembly's own description."""
        described: dict[str, Any] = json.loads((self.assembly.folder / "manifest.json").read_text())
        return described


def settings_of(env: str, name: str | None, overlay: Path | None) -> Settings:
    """Read the settings of a deployment, as `cdk deploy -c env=… -c name=… -c settings=…` would.

    Raises
    ------
    stacks.settings.SettingsError
    """
    from stacks.settings import load  # noqa: PLC0415  # `--help` need not pay for pydantic

    return load(ROOT / "environments", env, name=name, overlay=overlay)


def synthesized(env: str, name: str | None, overlay: Path | None, folder: Path) -> Assembly:
    """Synthesize a deployment into a folder; no credentials are needed for it."""
    from stacks.checks.assemblies import synthesize  # noqa: PLC0415  # starts Node.js, a second

    return synthesize(env, folder, overlay, name)
