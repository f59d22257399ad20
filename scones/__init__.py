"""Scones Unlimited operator command line."""

import sys
from pathlib import Path

# The names that stacks, functions and this command share are in `lambda_src`, which nobody installs: what a function
# lacks in its package must be missing on this machine, too.
_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.append(_ROOT)
