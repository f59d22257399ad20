"""Templates with what carries meaning and nothing else, in the fewest words.

Left out are hashes of assets, which change with code that has a diff of its own, and what CDK writes into every
template alike. Logical IDs stay whole, their hashes too: another one is another resource.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Template = Mapping[str, Any]
MACHINE = "AWS::StepFunctions::StateMachine"
_BOILERPLATE = {"Parameters": "BootstrapVersion", "Rules": "CheckBootstrapVersion"}
_TEXTS = {
    "Ref": ("", ""),
    "Fn::GetAtt": ("", "."),
    "Fn::ImportValue": ("ImportValue ", ""),
    "Fn::FindInMap": ("FindInMap ", " "),
    "Fn::Select": ("Select ", " "),
    "Fn::Split": ("Split ", " "),
    "Fn::Join": ("", ""),
}
"""Functions that read as a text: what stands before their arguments and between them."""
_OF_CDK = ("aws:cdk:", "aws:asset:")


def readable(value: Any) -> Any:
    """Return a value with its intrinsics written as `Fn::Sub` would have them.

    `${Name}` is a `Ref` and `${Name.Attribute}` a `Fn::GetAtt`; `${ImportValue …}`, `${FindInMap …}`
    and their like are what CloudFormation allows in no text. A dollar and a brace that were text before become
    `${!`, so that two templates that differ never read the same. What cannot be a text stays as it is.
    """
    if isinstance(value, str):
        return value.replace("${", "${!")
    if isinstance(value, list):
        return [readable(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        text = _text(key, inner)
        if text is not None:
            return text
    return {key: readable(each) for key, each in value.items()}


def _text(key: str, inner: Any) -> str | None:
    if key == "Fn::Sub" and isinstance(inner, str):
        return inner
    if key not in _TEXTS:
        return None
    parts = inner[1] if key == "Fn::Join" else inner
    given = [
        str(each) if isinstance(each, int) else readable(each)
        for each in (parts if isinstance(parts, list) else [parts])
    ]
    if not all(isinstance(each, str) for each in given):
        return None
    if key == "Fn::Join":
        return str(readable(inner[0])).join(given)
    word, between = _TEXTS[key]
    return f"${{{word}{between.join(given)}}}"


def named_assets(folder: Path, stack: str) -> dict[str, str]:
    """Return what stands for each asset of a stack, by its hash: the construct that it belongs to."""
    manifest = json.loads((folder / f"{stack}.assets.json").read_text(encoding="utf-8"))
    return {
        hashed: f"<asset {each['displayName'].removeprefix(f'{stack}/')}>"
        for hashed, each in manifest["files"].items()
    }


def without_hashes(template: Template, assets: Mapping[str, str]) -> Template:
    """Return a template in which assets and fingerprints are named instead of hashed.

    A fingerprint is a hash over archives and settings: the settings show where they are used.
    """
    text = json.dumps(template)
    names = {**assets, **dict(_fingerprints(template))}
    found: Template = json.loads(
        re.sub(r"\b(?:[0-9a-f]{64}|[0-9a-f]{32})\b", lambda each: names.get(each[0], each[0]), text)
    )
    return found


def _fingerprints(template: Template) -> Iterator[tuple[str, str]]:
    for resource in template["Resources"].values():
        for name, value in resource.get("Properties", {}).items():
            if name.endswith("Fingerprint"):
                yield value, f"<{name}>"


def separated(template: Template, stack: str) -> tuple[Template, dict[str, Any]]:
    """Return a readable template, and the definitions of its state machines by the name that stands for each."""
    machines: dict[str, Any] = {}
    resources: dict[str, Any] = {}
    for logical_id, resource in template["Resources"].items():
        shown = dict(readable(resource))
        path = resource.get("Metadata", {}).get("aws:cdk:path", f"{stack}/{logical_id}/Resource")
        shown["Metadata"] = {
            key: value for key, value in shown.get("Metadata", {}).items() if not key.startswith(_OF_CDK)
        }
        if resource["Type"] == MACHINE:
            name = f"{stack}.{'-'.join(path.split('/')[1:-1])}.asl.json"
            machines[name] = json.loads(shown["Properties"]["DefinitionString"])
            shown["Properties"] = {**shown["Properties"], "DefinitionString": f"<{name}>"}
        resources[logical_id] = {key: value for key, value in shown.items() if value != {}}
    sections = {key: readable(section) for key, section in template.items() if key != "Resources"}
    for section, name in _BOILERPLATE.items():
        sections[section] = {key: each for key, each in sections.get(section, {}).items() if key != name}
    return {**{key: each for key, each in sections.items() if each != {}}, "Resources": resources}, machines
