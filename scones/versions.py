"""The registered versions of the model, and the way back to one of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import ClientError

from lambda_src.naming import SHADOW_CONFIG
from scones.errors import LockedError, VersionError
from scones.pausing import take_images
from scones.runs import SETTLE, TRAININGS, Say, end_training, run, under_way
from scones.state import item
from scones.target import Target, output
from scones.workflow import End

GOOD, WAITING = "Approved", "PendingManualApproval"
IN_SHADOW = "In the shadow of "
"""How the workflow begins what it says of a version there."""


@dataclass(frozen=True)
class Version:
    """
    A version in the registry.

    Parameters
    ----------
    status
        `Approved` once it was the champion; `PendingManualApproval` before, in the champion's shadow, or where the run
        was ended; or `Rejected` for the reason in `why`.
    live
        Whether it is the champion.
    """

    version: int
    arn: str
    run: str
    accuracy: str
    dataset_version: str
    status: str
    why: str
    registered: str
    live: bool

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON says of it."""
        return asdict(self)


def versions(target: Target) -> list[Version]:
    """Return every registered version, the latest first."""
    sagemaker = target.clients("sagemaker")
    champion = item(target, "champion").get("model_package_arn")
    group = output(target.outputs(target.stacks[1]), "ModelPackageGroupName")
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    found = []
    for arn in [each["ModelPackageArn"] for page in pages for each in page["ModelPackageSummaryList"]]:
        shown = sagemaker.describe_model_package(ModelPackageName=arn)
        said = shown.get("CustomerMetadataProperties", {})
        found.append(
            Version(
                shown["ModelPackageVersion"],
                arn,
                said.get("run", ""),
                said.get("accuracy", ""),
                said.get("dataset_version", ""),
                shown["ModelApprovalStatus"],
                shown.get("ApprovalDescription", ""),
                str(shown["CreationTime"])[:19],
                arn == champion,
            )
        )
    return sorted(found, key=lambda each: each.version, reverse=True)


def champion(target: Target) -> int:
    """Return the champion's version, which may have been deleted from the registry; 0 where there is none."""
    _, _, version = item(target, "champion").get("model_package_arn", "").rpartition("/")
    return int(version or 0)


def choose(found: list[Version], wanted: int | None, champion: int) -> Version:
    """Return the version that is asked for, or the last good one before the champion's.

    Raises
    ------
    VersionError
        When there is no such version, or it is the champion already.
    """
    if not champion:
        raise VersionError("There is no champion to go back from: train a model first, with `scones train`.")
    if wanted is None:
        earlier = [each for each in found if each.version < champion and each.status == GOOD]
        if not earlier:
            raise VersionError(
                f"There is no good version before the champion, version {champion}: "
                "`scones rollback --list` shows them all."
            )
        return earlier[0]
    if wanted == champion:
        raise VersionError(f"Version {wanted} is the champion already: there is nothing to do.")
    chosen = next((each for each in found if each.version == wanted), None)
    if chosen is None:
        raise VersionError(
            f"There is no version {wanted}: `scones rollback --list` shows those that are registered."
        )
    return chosen


def in_shadow(found: list[Version], champion: int, running: str = "") -> Version:
    """Return the newest version that waits in the champion's shadow: an older one has waited in vain.

    Parameters
    ----------
    running
        The run whose model the endpoint has in its shadow now: the run may have been ended before it could say so.

    Raises
    ------
    VersionError
        When none does.
    """
    waiting = next(
        (
            each
            for each in found
            if each.status == WAITING
            and each.version > champion
            and (each.why.startswith(IN_SHADOW) or each.run == running)
        ),
        None,
    )
    if waiting is None:
        raise VersionError(
            "No version waits in the shadow: `scones train --shadow` brings one there, and `scones rollback "
            "--list` shows those that are registered."
        )
    return waiting


def promote(target: Target, wanted: int | None, say: Say) -> End:
    """Make a version the champion that only saw copied requests, by one update of the endpoint.

    Raises
    ------
    VersionError, TrainingError
    """
    found = versions(target)
    serving = champion(target)
    version = in_shadow(found, serving, _shadow(target)) if wanted is None else choose(found, wanted, serving)
    say(f"Promoting version {version.version}, of run {version.run}.")
    return run(target, {"start": "rollback", "package": version.arn, "reason": "promote"}, say)


def _shadow(target: Target) -> str:
    """Return the run whose model the endpoint has in its shadow, by the name of its configuration."""
    sagemaker = target.clients("sagemaker")
    try:
        config = str(sagemaker.describe_endpoint(EndpointName=target.prefix).get("EndpointConfigName", ""))
    except ClientError:
        return ""  # paused
    ended = config.removeprefix(f"{target.prefix}-")
    return ended.removesuffix(SHADOW_CONFIG) if ended.endswith(SHADOW_CONFIG) else ""


def rollback(target: Target, wanted: int | None, say: Say, *, stop: bool = False) -> End:
    """Put a registered version behind the endpoint, by one update of it; or resume a paused one with it.

    Parameters
    ----------
    stop
        Whether a training that is under way is ended first, and its rollout with it; the champion may be named then.

    Raises
    ------
    VersionError, TrainingError
        A `LockedError` when another run is under way.
    """
    if stop:
        if wanted != (serving := champion(target)):
            choose(versions(target), wanted, serving)  # what cannot be done ends no training
        end_training(target, say)
    found = versions(target)
    if stop and any(each.live and each.version == wanted for each in found):
        say(f"Version {wanted} is the champion: it serves on.")
        return run(target, {"start": SETTLE, "reason": SETTLE}, say)
    version = choose(found, wanted, champion(target))
    if not stop and (held := under_way(target)) and held.start in TRAININGS:
        raise LockedError(
            f"A training is under way, {held.execution_arn}: `scones rollback --stop` ends it first, or wait for it."
        )
    paused = item(target, "paused")
    say(f"Rolling back to version {version.version}, of run {version.run}.")
    if paused:
        say("The endpoint is paused: it is created with this version, and the pause ends.")
    end = run(target, {"start": "rollback", "package": version.arn, "reason": "rollback"}, say)
    if paused:
        take_images(target, say)
    return end
