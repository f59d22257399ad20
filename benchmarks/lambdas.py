"""What a cold start of each function costs, against a function of boto3 and nothing else.

    python -m benchmarks.lambdas [--rounds 11] [--out FILE]

Each round starts every function once, in a new process of the Python that local functions run on, with the packages
that Lambda's runtime and the Powertools layer bring. `classify_image` and the bare function then make the same two
calls, to S3 and to an endpoint, which a server of this process answers. What Lambda itself adds is the same for all.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.options import at_least_one, takes_out, write_figures
from localcloud.lambda_runtime import ensure_lambda_runtime
from stacks.archives import ROOT, archive_file, package
from stacks.constructs.owned_function import SHARED

ANSWER = {
    "class": "bicycle",
    "confidence": 0.99,
    "probabilities": {"bicycle": 0.99, "motorcycle": 0.01},
    "confident": True,
    "threshold": 0.9,
    "model_version": "run1",
    "image": {},
    "embedding": [0.0] * 8,
}
BARE = """
import boto3, json
s3, runtime = boto3.client("s3"), boto3.client("sagemaker-runtime")
def handler(event, context):
    pointer = event["images"][0]
    image = s3.get_object(Bucket=pointer["bucket"], Key=pointer["key"])["Body"].read()
    answer = runtime.invoke_endpoint(EndpointName="e", Body=image, ContentType="application/octet-stream")
    return json.loads(answer["Body"].read())
"""
MEASURE = """
import importlib, json, sys, time
started = time.perf_counter()
handler = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
imported = time.perf_counter()
if sys.argv[3]:
    handler(json.loads(sys.argv[3]), None)
called = time.perf_counter()
print(json.dumps({"import": imported - started, "first call": called - imported, "all": called - started}))
"""
EVENT = {"images": [{"bucket": "inbound", "key": "a.jpg", "version_id": "v", "size": 20_000}]}
OTHERS = {"train_on_deploy": "on_event"}
"""Handlers that are not called `handler`."""


class _Stub(BaseHTTPRequestHandler):
    """Answers S3 with twenty thousand bytes, and an endpoint with a decision."""

    protocol_version = "HTTP/1.1"

    def _send(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:  # the base class's name
        self._send(bytes(20_000))

    def do_POST(self) -> None:  # the base class's name
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send(json.dumps(ANSWER).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def stub() -> Iterator[str]:
    """Serve the stub on loopback while the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Stub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def functions(folder: Path) -> dict[str, dict[str, Any]]:
    """Write every function's package into a folder of its own; return where it is, its handler and its sizes."""
    found: dict[str, dict[str, Any]] = {}
    for handler in sorted((ROOT / "lambda_src").glob("*/handler.py")):
        name = handler.parent.name
        members = package(*SHARED, "lambda_src/observability.py", f"lambda_src/{name}")
        for path, content in members.items():
            (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / path).write_bytes(content)
        with archive_file(members, ".zip") as path:
            size = Path(path).stat().st_size
        found[name] = {
            "folder": folder / name,
            "module": f"lambda_src.{name}.handler",
            "zip_bytes": size,
            "called": name == "classify_image",
        }
    (folder / "bare").mkdir()
    (folder / "bare" / "bare.py").write_text(BARE)
    found["bare boto3"] = {
        "folder": folder / "bare",
        "module": "bare",
        "zip_bytes": len(BARE),
        "called": True,
    }
    return found


def start(python: Path, name: str, function: Mapping[str, Any], url: str) -> dict[str, float]:
    """Start one function anew, and return what it took."""
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(function["folder"]),
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "ENDPOINT_NAME": "e",
        "ROUTES": json.dumps({"bicycle": "near", "motorcycle": "far"}),
        "MAX_BYTES": "6000000",
        "SAMPLE_RATE": "0.02",
        "POWERTOOLS_SERVICE_NAME": name,
    }
    event = json.dumps(EVENT) if function["called"] else ""
    done = subprocess.run(
        [python, "-c", MEASURE, function["module"], OTHERS.get(name, "handler"), event],
        env=variables,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"The function {name} does not start: {done.stderr.strip()[-500:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print each function's cold start and size, and the ratio to the bare one."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lambdas", description="What a cold start of each function costs."
    )
    parser.add_argument("--rounds", type=at_least_one, default=11)
    takes_out(parser)
    options = parser.parse_args(arguments)
    python = ensure_lambda_runtime(ROOT / "build" / "lambda-runtime")
    with tempfile.TemporaryDirectory() as folder, stub() as url:
        every = functions(Path(folder))
        for name, function in every.items():
            start(python, name, function, url)  # compiles its files once, as Lambda's first start does
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in every}
        for _ in range(options.rounds):
            for name, function in every.items():
                runs[name].append(start(python, name, function, url))
    when = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(f"Python {sys.version.split()[0]}, {when}, {options.rounds} rounds, medians")
    for name, own in runs.items():
        medians = {key: statistics.median(each[key] for each in own) for key in own[0]}
        called = f"first call {1000 * medians['first call']:5.0f} ms" if every[name]["called"] else ""
        print(
            f"{name:18} import {1000 * medians['import']:5.0f} ms  {called:20}  "
            f"package {every[name]['zip_bytes'] / 1024:5.1f} KiB"
        )
    ratios = sorted(
        own["all"] / bare["all"] for own, bare in zip(runs["classify_image"], runs["bare boto3"], strict=True)
    )
    print(
        f"classify_image / bare boto3, import and first call: {statistics.median(ratios):.2f} "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )
    write_figures(options.out, {"date": when, "runs": runs})


if __name__ == "__main__":
    main()
