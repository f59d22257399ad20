"""What SageMaker instances cost per hour: the one table that the README's figures and `scones doctor` read.

On-demand list prices for hosting in us-east-1; training, processing and transform jobs cost the same on these
types, and spot training less. https://aws.amazon.com/sagemaker/ai/pricing/
"""

from __future__ import annotations

AS_OF = "2025-10"
REGION = "us-east-1"
SOURCE = "https://aws.amazon.com/sagemaker/ai/pricing/"
HOURLY = {"ml.m5.large": 0.115, "ml.m5.xlarge": 0.23, "ml.g5.xlarge": 1.408}
"""Dollars for one instance and hour."""
