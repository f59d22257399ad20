"""What a training run brings along: code, weights and, where they are this machine's, pictures."""

from __future__ import annotations

import hashlib
import json

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks import archives, assets, images
from stacks.settings import ClassifierSettings
from stacks.settings.data import FolderData


class TrainingAssets(Construct):
    """The archives of one classifier's workflow, and the fingerprints of what they decide.

    Attributes
    ----------
    code, serving_code, weights, source
        Assets; `source` is there only where a folder holds the pictures.
    training_fingerprint
        Changes with whatever would train another model.
    serving_fingerprint
        Changes with whatever would serve the same model otherwise.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: ClassifierSettings) -> None:
        super().__init__(scope, construct_id)
        training, serving = archives.training_members(), archives.serving_members()
        self.code = assets.archive_asset(self, "Training", training, ".tar.gz")
        self.serving_code = assets.archive_asset(self, "Serving", serving, ".tar.gz")
        self.weights = assets.weights_asset(self, "Weights")
        self.source: s3_assets.Asset | None = None
        data = settings.data.model_dump(mode="json")
        if isinstance(settings.data, FolderData):
            pictures = archives.folder_members(settings.data.path)
            data["path"] = archives.digest(pictures)  # what the folder holds, not where it is
            self.source = assets.archive_asset(self, "Pictures", pictures, ".zip")
        self.training_fingerprint = _fingerprint(
            archives.digest(training),
            self.weights.asset_hash,
            images.PYTORCH[settings.training.gpu],
            data,
            settings.classes,
            settings.target_error,
            settings.training.model_dump(mode="json", exclude={"at_deploy"}),
        )
        self.serving_fingerprint = _fingerprint(
            archives.digest(serving),
            images.RAY[settings.serving.gpu],
            settings.serving.model_dump(mode="json", exclude_none=True),
            settings.gate.minimum_accuracy,
        )

    def grant_read_to_jobs(self, role: iam.IGrantable) -> None:
        """Let the jobs read what comes to them as channels."""
        for asset in filter(None, (self.code, self.weights, self.source)):
            asset.grant_read(role)


def _fingerprint(*parts: object) -> str:
    """Hash what decides whether a step's result would be the same."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
