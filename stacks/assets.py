"""S3 assets of the archives, and of the pretrained weights."""

from __future__ import annotations

from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.archives import Members, archive_file, digest, sha256, weights_file


def archive_asset(scope: Construct, construct_id: str, members: Members, suffix: str) -> s3_assets.Asset:
    """Make an S3 asset of an archive (`.zip` or `.tar.gz`)."""
    with archive_file(members, suffix) as path:
        return s3_assets.Asset(scope, construct_id, path=path, asset_hash=digest(members))


def weights_asset(scope: Construct, construct_id: str) -> s3_assets.Asset:
    """Make an S3 asset of the pretrained weights."""
    file = weights_file()
    return s3_assets.Asset(scope, construct_id, path=str(file), asset_hash=sha256(file))
