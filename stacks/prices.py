"""What SageMaker instances cost per hour: the one table that the README's figures and `scones doctor` read.

On-demand list prices for hosting in us-east-1; training, processing and transform jobs cost the same on these
types, and spot training less. https://aws.amazon.com/sagemaker/ai/pricing/
"""

from __future__ import annotations

AS_OF = "2025-10"
REGION = "us-east-1"
SOURCE = "https://aws.amazon.com/sagemaker/ai/pricing/"
HOURLY = {
    **{"ml.m5.large": 0.115, "ml.m5.xlarge": 0.23, "ml.m5.2xlarge": 0.461},
    **{"ml.c5.xlarge": 0.204, "ml.c5.2xlarge": 0.408},
    **{"ml.g4dn.xlarge": 0.736, "ml.g4dn.2xlarge": 0.94, "ml.g5.xlarge": 1.408, "ml.g5.2xlarge": 1.515},
}
"""Dollars for one instance and hour."""
