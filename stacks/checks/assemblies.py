"""The cloud assemblies that the checks look at: each environment's, synthesized as the CLI does it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk

from stacks.deployment import deployment
from stacks.settings import SettingsError, load

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / "environments"
"""The project's settings, one file for each environment."""


@dataclass(frozen=True)
class Assembly:
    """
    One environment's templates.

    Parameters
    ----------
    env
        The environment, and what else tells it from the others.
    folder
        The cloud assembly, with one ``<stack>.template.json`` per stack.
    templates
        Templates by stack name.
    overlay
        The settings file that was laid over the environment's.
    settings
        The folder that describes the environment.
    """

    env: str
    folder: Path
    templates: Mapping[str, Mapping[str, Any]]
    overlay: Path | None = None
    settings: Path = ENVIRONMENTS

    def resources(self, *kinds: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Yield stack name, logical ID and resource, of every resource of these types."""
        for stack, template in self.templates.items():
            for name, resource in template["Resources"].items():
                if resource["Type"] in kinds:
                    yield stack, name, resource


def environments(settings: Path = ENVIRONMENTS) -> list[str]:
    """Return the names of the environments that a folder describes."""
    return sorted(path.stem for path in settings.glob("*.toml"))


def whole(assemblies: Sequence[Assembly]) -> bool:
    """Say whether every environment is among them, as its folder describes it."""
    known = {env for each in assemblies for env in environments(each.settings)}
    return known <= {each.env for each in assemblies if each.overlay is None}


def cli_context() -> dict[str, Any]:
    """Return the context that the CLI gives: the project's, and its own defaults."""
    context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return {**context, "aws:cdk:enable-asset-metadata": True, "aws:cdk:enable-path-metadata": True}


def synthesize(
    env: str,
    folder: Path | None = None,
    overlay: Path | None = None,
    name: str | None = None,
    *,
    settings: Path = ENVIRONMENTS,
) -> Assembly:
    """
    Synthesize one environment.

    Parameters
    ----------
    env
        Its name.
    folder
        Where the assembly is written; a temporary folder by default.
    overlay
        A settings file laid over the environment's.
    name
        What the deployment is called instead of the settings' name.
    settings
        The folder that describes the environment.

    Raises
    ------
    stacks.settings.SettingsError
    """
    app = cdk.App(context=cli_context(), outdir=str(folder) if folder else None)
    chosen = load(settings, env, overlay=overlay, name=name)
    try:
        deployment(app, chosen)
        assembly = app.synth()
    except RuntimeError as error:  # what jsii makes of every error of CDK's
        said = str(error).strip().partition("\n")[0]
        raise SettingsError(f"CDK refuses what the settings of {env!r} become: {said}") from error
    templates = {stack.stack_name: stack.template for stack in assembly.stacks}
    return Assembly(env, Path(assembly.directory), templates, overlay, settings)
