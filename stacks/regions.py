"""Where a deployment can stand: regions that have AWS's images, the instances, and CloudFormation's types.

Three tables, each with its source. A template takes the regions that all allow, so CloudFormation refuses any
other before it creates anything. To open a region that AWS has opened since, add it here.
"""

from __future__ import annotations

from collections.abc import Iterable

AS_OF = "2026-11"
REGISTRY_SOURCE = (
    "https://github.com/aws/sagemaker-python-sdk (image_uri_config/ray-serve.json, sagemaker-core 2.27.0)"
)
OFFERS_SOURCE = (
    "https://github.com/getmoto/moto/tree/5.2.5/moto/ec2/resources/instance_type_offerings/region "
    "(recorded answers of EC2's DescribeInstanceTypeOfferings)"
)

_COMMON = "763104351884"
REGISTRIES = {
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-east-2": "975050140332",
    "ap-northeast-1": _COMMON,
    "ap-northeast-2": _COMMON,
    "ap-northeast-3": "364406365360",
    "ap-south-1": _COMMON,
    "ap-south-2": "772153158452",
    "ap-southeast-1": _COMMON,
    "ap-southeast-2": _COMMON,
    "ap-southeast-3": "907027046896",
    "ap-southeast-4": "457447274322",
    "ap-southeast-5": "550225433462",
    "ap-southeast-6": "633930458069",
    "ap-southeast-7": "590183813437",
    "ca-central-1": _COMMON,
    "ca-west-1": "204538143572",
    "eu-central-1": _COMMON,
    "eu-central-2": "380420809688",
    "eu-north-1": _COMMON,
    "eu-south-1": "692866216735",
    "eu-south-2": "503227376785",
    "eu-west-1": _COMMON,
    "eu-west-2": _COMMON,
    "eu-west-3": _COMMON,
    "il-central-1": "780543022126",
    "me-central-1": "914824155844",
    "me-south-1": "217643126080",
    "mx-central-1": "637423239942",
    "sa-east-1": _COMMON,
    "us-east-1": _COMMON,
    "us-east-2": _COMMON,
    "us-gov-east-1": "446045086412",
    "us-gov-west-1": "442386744353",
    "us-west-1": _COMMON,
    "us-west-2": _COMMON,
}
"""The account that holds AWS's `pytorch` and `ray` images, for each region with SageMaker.

CDK's own table (`RegionInfo.dlc_repository_account`) lacks nine of these.
"""

_M5 = frozenset(REGISTRIES) - {
    *("ap-east-2", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "mx-central-1"),
    # No recorded answer covers GovCloud, and nobody tried.
    *("us-gov-east-1", "us-gov-west-1"),
}
_G5 = frozenset(
    {
        *("ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-2", "ap-southeast-3"),
        *("ca-central-1", "eu-central-1", "eu-north-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"),
        *("il-central-1", "me-central-1", "sa-east-1", "us-east-1", "us-east-2", "us-west-2"),
    }
)
OFFERED = {"ml.m5.large": _M5, "ml.m5.xlarge": _M5, "ml.g5.xlarge": _G5}
"""Where EC2 has the machines that SageMaker's instance types run on: nowhere else can SageMaker have them."""


LACKING = dict.fromkeys(
    ("ap-east-2", "ap-south-2", "ap-southeast-4", "ap-southeast-6", "us-gov-east-1"),
    "AWS::SageMaker::ModelPackageGroup",
)
"""Regions where CloudFormation does not have a type that the templates use, by the registry that cfn-lint 1.58.0
carries; a test holds the table to the installed release."""

WITHOUT_BUDGETS = (
    *(
        "af-south-1",
        "ap-east-1",
        "ap-east-2",
        "ap-northeast-3",
        "ap-south-2",
        "ap-southeast-3",
        "ap-southeast-4",
    ),
    *("ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-north-1"),
    *("eu-south-1", "eu-south-2", "il-central-1", "me-central-1", "mx-central-1"),
    *("us-gov-east-1", "us-gov-west-1"),
)
"""Regions where CloudFormation has no AWS::Budgets::Budget, by the same registry: there a deployment goes without."""


def supporting(instance_types: Iterable[str]) -> list[str]:
    """Return the regions that can run all of these; a type that the table lacks restricts nothing."""
    known = [OFFERED[each] for each in set(instance_types) if each in OFFERED]
    return sorted(frozenset(REGISTRIES).difference(LACKING).intersection(*known))
