"""What can be known of a deployment without an account: checks over synthesized templates, and one table."""

import os
import sys
from pathlib import Path

# CDK starts Node.js when it is imported: the one that set-up put beside the interpreter, not whatever the PATH has.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")
