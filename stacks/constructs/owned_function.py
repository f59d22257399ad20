"""A Python function with everything it needs of its own: role, log group, code, Powertools."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks import archives
from stacks.constructs.log_group import log_group
from stacks.constructs.own_services import own_service

POWERTOOLS = (
    "arn:{partition}:lambda:{region}:017000801446:layer:AWSLambdaPowertoolsPythonV3-python313-x86_64:27"
)
"""AWS's public layer; version 27 is Powertools 3.23.0."""
SHARED = (
    "lambda_src/__init__.py",
    "lambda_src/adapters",
    "lambda_src/environment.py",
    "lambda_src/errors.py",
    "lambda_src/naming.py",
)


class OwnedFunction(Construct):
    """One function of `lambda_src/`.

    Attributes
    ----------
    function
        Grants go to its role, which may write its own logs and nothing else to begin with.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        environment: Mapping[str, str],
        log_retention_days: int,
        handler: str = "handler",
        timeout: cdk.Duration | None = None,
        memory_mib: int = 256,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(self, "Role", assumed_by=own_service("lambda"))
        group = log_group(self, "Logs", log_retention_days)
        group.grant_write(self.role)
        members = archives.package(*SHARED, "lambda_src/observability.py", f"lambda_src/{name}")
        layer = POWERTOOLS.format(partition=cdk.Aws.PARTITION, region=cdk.Aws.REGION)
        with archives.archive_file(members, ".zip") as path:
            self.function = lambda_.Function(
                self,
                "Function",
                runtime=lambda_.Runtime.PYTHON_3_13,
                architecture=lambda_.Architecture.X86_64,
                code=lambda_.Code.from_asset(path, asset_hash=archives.digest(members)),
                handler=f"lambda_src.{name}.handler.{handler}",
                role=self.role,
                log_group=group,
                environment={
                    "POWERTOOLS_SERVICE_NAME": name,
                    "POWERTOOLS_LOG_LEVEL": "INFO",
                    **environment,
                },
                timeout=timeout or cdk.Duration.seconds(30),
                memory_size=memory_mib,
                layers=[lambda_.LayerVersion.from_layer_version_arn(self, "Powertools", layer)],
            )
