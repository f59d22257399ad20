"""The endpoint's application against the usual one, over HTTP and an equivalent of AWS's adapter, in one run.

    python -m benchmarks.serving [--many 4] [--soak 20000] [--data FOLDER] [--out FILE]

Both serve the same network with the same weights, one at a time on the same machine; this process sends the load, on
the same cores. Each is asked at rising rates, whatever became of the requests before (open loop), until it answers no
more of them; then at 70 % of the most that it answered, and at twice as much.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks.load import Load, Target, closed_loop, open_loop
from benchmarks.models import photographs, split, write_archive
from benchmarks.options import at_least_one, pictures_in
from lambda_src.adapters.payload import archive
from localcloud.containers import ray_serve
from localcloud.containers.container import Container
from scones.commands import INTERRUPTED, as_interrupt
from stacks.archives import SERVING_VARIABLES

PHOTOGRAPH = (640, 480)
STEPS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5)
"""Shares of a closed loop's rate at which the open loop asks."""
PROMPT_SECONDS = 0.1
CONCURRENCY = (1, 4, 8, 16, 32, 64)
START_SECONDS = 90.0


class Lines:
    """Keeps a container's last lines."""

    def __init__(self) -> None:
        self.tail: deque[str] = deque(maxlen=50)

    def line(self, text: str) -> None:
        """Take one line."""
        self.tail.append(text)


@contextlib.contextmanager
def served(name: str, image_size: int, first: bytes) -> Iterator[Container]:
    """Serve one of the two while the context lasts; `first` is asked until it is answered."""
    here, lines = Path(__file__).parent, Lines()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        write_archive(model, image_size)
        if name == "peer":
            for file in ("config.yaml", "peer_app.py", "peer_model.py"):
                where = model if file == "config.yaml" else model / "code"
                (where / file).write_bytes((here / "peer" / file).read_bytes())
        variables = {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin")),
            "HOME": folder,
            "PYTHONDONTWRITEBYTECODE": "1",
            "SM_NUM_GPUS": str(torch.cuda.device_count()),
            **({} if name == "peer" else SERVING_VARIABLES),
            # Where a GPU's driver may lie.
            **{each: os.environ[each] for each in ("LD_LIBRARY_PATH",) if each in os.environ},
        }
        container, processes = ray_serve.launch(model, variables, Path(folder), lines)
        try:
            started = time.monotonic()
            while container.invoke(first, {"Content-Type": "image/jpeg"}).status != 200:
                if time.monotonic() > started + START_SECONDS or any(
                    each.poll() is not None for each in processes
                ):
                    raise RuntimeError(f"The {name} does not answer: {' '.join(lines.tail)[-2000:]}")
                time.sleep(0.2)
            yield container
        finally:
            container.stop()


def row(what: str, load: Load) -> dict[str, Any]:
    """Print one load, and return it."""
    others = {status: count for status, count in sorted(load.statuses.items()) if status != 200}
    told = (
        ", ".join(f"{count} x {status or 'no answer'}" for status, count in others.items()) or "all answered"
    )
    print(
        f"  {what:34} {load.rate:7.1f} images/s  p50 {1000 * load.percentile(0.5):6.0f} ms  "
        f"p99 {1000 * load.percentile(0.99):6.0f} ms  {told}",
        flush=True,
    )
    return {
        "images_per_second": load.rate,
        "p50": load.percentile(0.5),
        "p99": load.percentile(0.99),
        "refused_p99": load.percentile(0.99, 429),
        "statuses": {str(status): count for status, count in load.statuses.items()},
    }


def measure(target: Target, seconds: float, *, overload: float) -> dict[str, Any]:
    """Load one server with one kind of request."""
    first = closed_loop(target, 8, seconds)
    row("closed loop, 8 clients", first)
    base = first.rate / target.images
    found: dict[str, Any] = {"steps": {}}
    best, prompt = 0.0, 0.0
    for share in STEPS:
        load = open_loop(target, share * base, seconds)
        found["steps"][f"{share * base:.1f}"] = row(f"open loop, {share * base:.1f} requests/s", load)
        best = max(best, load.rate)
        answered = load.statuses[200] / max(1, sum(load.statuses.values()))  # chance may ask nothing
        if load.percentile(0.99) <= PROMPT_SECONDS and answered >= 0.99:
            prompt = max(prompt, load.rate)
        if share > 1 and load.rate < 0.8 * share * base * target.images:
            break
    rate = best / target.images
    found |= {"saturation": best, "prompt": prompt}
    found["at_70"] = row(f"70 %: {0.7 * rate:.1f} requests/s", open_loop(target, 0.7 * rate, 2 * seconds))
    found["at_200"] = row(f"200 %: {2 * rate:.1f} requests/s", open_loop(target, 2 * rate, overload))
    print(f"  saturation {best:.1f} images/s; with p99 up to 100 ms {prompt:.1f} images/s", flush=True)
    return found


def by_concurrency(target: Target, seconds: float) -> dict[str, Any]:
    """Ask with more and more clients, who come back when they are told to."""
    return {
        str(clients): row(f"closed loop, {clients} clients", closed_loop(target, clients, seconds))
        for clients in CONCURRENCY
    }


def replica_bytes(container: Container) -> int:
    """Return the resident memory of the container's largest worker, which holds the model."""
    found = 0
    for process in psutil.process_iter(["name", "memory_info"]):
        # Ray's workers set their own title, which overwrites the environment that would name the container.
        if process.info["name"].startswith("ray::ServeRepl") and process.info["memory_info"]:
            found = max(found, process.info["memory_info"].rss)
    return found


def soak(target: Target, container: Container, requests: int) -> dict[str, Any]:
    """Ask many times, and return the replica's memory after the first thousand and at the end."""
    closed_loop(target, 16, 3600, 1000)
    early = replica_bytes(container)
    load = closed_loop(target, 16, 3600, requests - 1000)
    late = replica_bytes(container)
    row(f"{requests} requests, 16 clients", load)
    print(
        f"  memory after 1,000 requests {early / 2**20:.0f} MiB, after {requests:,} {late / 2**20:.0f} MiB "
        f"({late / early - 1:+.1%})"
    )
    return {"after_1000": early, "at_the_end": late, "requests": requests}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what each server made of each load, and the ratios."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving", description="Two serving applications under the same load."
    )
    parser.add_argument(
        "--image-size", type=at_least_one, default=160, help="side of the network's input, pixels"
    )
    parser.add_argument("--many", type=at_least_one, default=4, help="images of a many-image request")
    parser.add_argument("--seconds", type=float, default=8.0, help="of one load")
    parser.add_argument("--overload", type=float, default=60.0, help="seconds at twice the saturation")
    parser.add_argument("--soak", type=int, default=0, help="requests between two looks at the memory")
    parser.add_argument("--data", type=pictures_in, help="folder of pictures; drawings without it")
    parser.add_argument("--out", type=Path, help="file for the figures, JSON")
    options = parser.parse_args(arguments)
    contents = photographs(32, PHOTOGRAPH, options.data)
    named = [(f"{number}.jpg", content) for number, content in enumerate(contents)]
    many = [archive(each) for each in split(named, options.many)]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"
    when = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(
        f"{device}, torch {torch.__version__}, {when}; JPEGs of 640x480, network at {options.image_size} px"
    )
    figures: dict[str, Any] = {"device": device, "date": when, "many": options.many}
    for name in ("ours", "peer"):
        with served(name, options.image_size, contents[0]) as container:
            url = f"http://127.0.0.1:{container.port}/invocations"
            single = Target(url, contents, "image/jpeg")
            several = Target(url, many, "application/x-tar", options.many)
            for kind, target in (("single", single), ("many", several)):
                print(f"{name}, {target.images} image{'s' * (target.images > 1)} a request")
                closed_loop(target, 4, 2.0)  # warm
                figures[f"{name} {kind}"] = measure(target, options.seconds, overload=options.overload)
            print(f"{name}, one image a request, more and more clients")
            figures[f"{name} by concurrency"] = by_concurrency(single, options.seconds)
            if name == "ours":
                direct = replace(single, url=f"http://127.0.0.1:{container.ray_port}/classifier/")
                print("ours, without the adapter")
                figures["without the adapter"] = row(
                    "closed loop, 8 clients", closed_loop(direct, 8, options.seconds)
                )
                if options.soak:
                    figures["memory"] = soak(single, container, options.soak)
    report(figures)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def report(figures: dict[str, Any]) -> None:
    """Print the ratios."""
    for kind in ("single", "many"):
        ours, peer = figures[f"ours {kind}"], figures[f"peer {kind}"]
        print(
            f"{kind}: saturation {ours['saturation'] / peer['saturation']:.2f} x the peer's; with p99 up to 100 ms ",
            end="",
        )
        print(f"{ours['prompt'] / peer['prompt']:.2f} x" if peer["prompt"] else "the peer answers none")
        at_70, at_200 = ours["at_70"], ours["at_200"]
        bad = {k: v for k, v in at_200["statuses"].items() if k not in ("200", "429")}
        print(
            f"{kind}: p99 at 200 % / at 70 %: {at_200['p99'] / at_70['p99']:.2f}; refused within "
            f"{1000 * at_200['refused_p99']:.0f} ms (p99); other statuses: {bad or 'none'}"
        )
    for name in ("ours", "peer"):
        rates = {k: v["images_per_second"] for k, v in figures[f"{name} by concurrency"].items()}
        print(f"{name}: 64 clients / the best of {', '.join(rates)}: {rates['64'] / max(rates.values()):.2f}")


if __name__ == "__main__":
    try:
        # Or its servers would outlive it.
        with as_interrupt(signal.SIGTERM, signal.SIGHUP):
            main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
