"""Container images: nothing is pulled here, but what a pull asks of a role is."""

from __future__ import annotations

from localcloud import access

PULL = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")


def pull(image: str) -> None:
    """Ask whether the role that is acted in may pull an image of ECR; any other registry is not IAM's.

    Raises
    ------
    localcloud.access.AccessDeniedError
    """
    registry, _, path = image.partition("/")
    if ".dkr.ecr." not in registry:
        return
    account, _, _, region, *_ = registry.split(".")
    repository = path.partition("@")[0].partition(":")[0]
    access.demand("ecr:GetAuthorizationToken")
    for action in PULL:
        access.demand(f"ecr:{action}", f"arn:aws:ecr:{region}:{account}:repository/{repository}")
