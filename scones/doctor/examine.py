"""All examinations of one deployment, in the order a person reads them."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scones.doctor import account, offline, services
from scones.doctor.row import Examination, Row, ok, problem, unchecked
from scones.doctor.subject import Subject, settings_of, synthesized
from scones.target import Target

EXAMINATIONS: tuple[Examination, ...] = (
    offline.region,
    offline.names,
    offline.cost,
    account.bootstrap,
    account.quotas,
    services.instances,
    services.images,
    services.state_machines,
)


def examine(target: Target, *, local: bool, overlay: Path | None) -> list[Row]:
    """Examine a deployment.

    Parameters
    ----------
    target
        Its name, its environment, and the cloud.
    local
        Whether that is a local cloud.
    overlay
        A settings file laid over the environment's.

    Raises
    ------
    stacks.settings.SettingsError
        When there is nothing to examine.
    """
    settings = settings_of(target.env, target.name, overlay)
    with tempfile.TemporaryDirectory() as folder:
        assembly = synthesized(target.env, target.name, overlay, Path(folder))
        subject, credentials = _identified(Subject(settings, assembly, target, local))
        return [
            *offline.describe(subject),
            *credentials,
            *(row for each in EXAMINATIONS for row in each(subject)),
        ]


def _identified(subject: Subject) -> tuple[Subject, list[Row]]:
    """Find the region and the account that the credentials are for."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError  # noqa: PLC0415

    item = "credentials"
    try:
        # STS answers without a region too; a deployment does not.
        region = subject.target.clients("cloudformation").meta.region_name
    except NoRegionError:
        return subject, [unchecked(item, "without a region AWS was not asked", "set AWS_REGION")]
    subject = dataclasses.replace(subject, region=region)
    try:
        answer = subject.target.clients("sts").get_caller_identity()
    except NoCredentialsError:
        return subject, [unchecked(item, "there are none", account.GIVE_CREDENTIALS)]
    except ClientError as error:
        said = error.response["Error"]["Code"]
        return subject, [
            problem(item, f"AWS refuses them ({said})", "renew them, for example `aws sso login`")
        ]
    except BotoCoreError as error:
        return subject, [unchecked(item, f"the cloud does not answer: {error}", "check the network")]
    found = f"{answer['Arn']} in {subject.region} on {subject.target.where}"
    return dataclasses.replace(subject, account=answer["Account"]), [ok(item, found)]


def healthy(rows: Sequence[Row]) -> bool:
    """Say whether nothing was found that would stop the deployment."""
    return all(row.status != "problem" for row in rows)
