"""What runs in the endpoint: a Ray Serve application around an engine that needs no Ray."""

import os

# OpenMP reads this once, when torch is first loaded. Its idle threads otherwise spin, and take the cores from
# the decoders and the proxy: on two cores the same forward then takes up to twice as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
