"""How fast time passes here for what takes minutes on AWS."""

from __future__ import annotations

import os

TIME_SCALE = float(os.environ.get("LOCALCLOUD_TIME_SCALE", "1"))
"""What bake times, canary intervals and the time that captured data waits are multiplied by."""
