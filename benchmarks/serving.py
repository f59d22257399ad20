"""The endpoint's application against the usual one, over HTTP and an equivalent of AWS's adapter, in one run.

    python -m benchmarks.serving [--many 4] [--soak 20000] [--data FOLDER] [--out FILE]

Both serve the same network with the same weights on the same machine, and are loaded by turns; the load is sent from
it too. Each is asked by eight clients, one request after the other (closed loop), and at rising rates, whatever became
of the requests before (open loop), until it answers no more of them; then at 70 % of the most that it answered, its
saturation, and at twice as much. "Inside" is what the application says of its own time, without what comes before it:
the adapter, which is one process that can refuse nothing, is measured by itself too.
"""

from __future__ import annotations

import argparse
import datetime
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from benchmarks import adapter
from benchmarks.load import SENDERS, Load, Senders, Target, percentile
from benchmarks.models import photographs, split
from benchmarks.options import above_nothing, at_least_one, pictures_in, takes_out, write_figures
from benchmarks.servers import OURS, PEER, ended, replica_bytes, served
from lambda_src.adapters.payload import archive
from localcloud.containers.adapter import CONNECTIONS
from localcloud.containers.container import Container

PHOTOGRAPH = (640, 480)
PICTURES = 32
EARLY = 1000
"""Requests of a long load after which the memory is looked at first."""
STEPS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, *(1.25**step for step in range(1, 12)))
"""Shares of a closed loop's rate at which the open loop asks, as far as answers follow."""
LATE_SECONDS = 0.01
PROMPT_SECONDS = 0.1
RECOVERY_SECONDS = 180.0
CONCURRENCY = (1, 4, 8, 16, 32, 64)
TURNS = 4


def row(what: str, load: Load) -> dict[str, Any]:
    """Print one load, and return it."""
    others = {status: count for status, count in sorted(load.statuses.items()) if status != 200}
    told = (
        ", ".join(f"{count} x {status or 'no answer'}" for status, count in others.items()) or "all answered"
    )
    inside, late = percentile(load.inside, 0.99), percentile(load.late, 0.99)
    print(
        f"  {what:34} {load.rate:7.1f} images/s  p50 {1000 * load.percentile(0.5):6.0f} ms  "
        f"p99 {1000 * load.percentile(0.99):6.0f} ms"
        + (f"  inside {1000 * inside:6.0f} ms" if load.inside else "")
        + f"  {told}"
        + (f", sent {1000 * late:.0f} ms late (p99)" if late > LATE_SECONDS else ""),
        flush=True,
    )
    return {
        "images_per_second": load.rate,
        "p50": load.percentile(0.5),
        "p99": load.percentile(0.99),
        "inside_p99": inside,
        "late_p99": late,
        "refused_p99": load.percentile(0.99, 429),
        "statuses": {str(status): count for status, count in load.statuses.items()},
    }


def measure(
    senders: Senders, targets: Mapping[str, Target], seconds: float, *, overload: float
) -> dict[str, dict[str, Any]]:
    """Load servers with one kind of request, by turns: what else the machine does meets all of them."""
    found: dict[str, dict[str, Any]] = {}
    base = {}
    for name, target in targets.items():
        first = senders.closed_loop(target, 8, seconds)
        row(f"{name}: closed loop, 8 clients", first)
        base[name] = first.rate / target.images
        found[name] = {"steps": {}, "saturation": first.rate, "prompt": 0.0}
    follow = dict(targets)
    for share in STEPS:
        for name, target in list(follow.items()):
            asked, of = share * base[name], found[name]
            load = senders.open_loop(target, asked, seconds)
            of["steps"][f"{asked:.1f}"] = row(f"{name}: open loop, {asked:.1f} requests/s", load)
            of["saturation"] = max(of["saturation"], load.rate)
            answered = load.statuses[200] / max(1, sum(load.statuses.values()))  # chance may ask nothing
            if load.percentile(0.99) <= PROMPT_SECONDS and answered >= 0.99:
                of["prompt"] = max(of["prompt"], load.rate)
            if share > 1 and load.rate < 0.8 * asked * target.images:
                del follow[name]
    for name, target in targets.items():
        of = found[name]
        print(
            f"  {name}: saturation {of['saturation']:.1f} images/s; with p99 up to 100 ms {of['prompt']:.1f} images/s"
        )
        of |= around(senders, target, of["saturation"] / target.images, overload)
    return found


def recovered(senders: Senders, target: Target, before: float) -> None:
    """Wait until one request after the other is answered in `before` seconds again: an overload may leave a queue.

    Raises
    ------
    RuntimeError
        When that takes too long.
    """
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        load = senders.closed_loop(target, 1, 1.0)
        if load.statuses[200] and set(load.statuses) == {200} and load.percentile(0.99) <= max(1.0, before):
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"The application still has a queue after {RECOVERY_SECONDS:.0f} s.")


def around(senders: Senders, target: Target, rate: float, seconds: float) -> dict[str, Any]:
    """Load one server with 70 % of a rate, requests per second, and with twice as much, for some seconds each."""
    found = {
        "at_70": row(f"70 %: {0.7 * rate:.1f} requests/s", senders.open_loop(target, 0.7 * rate, seconds)),
        "at_200": row(f"200 %: {2 * rate:.1f} requests/s", senders.open_loop(target, 2 * rate, seconds)),
    }
    recovered(senders, target, found["at_70"]["p99"])
    return found


def by_concurrency(
    senders: Senders, targets: Mapping[str, Target], seconds: float
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Ask with more and more clients, who come back when they are told to, with fewer and fewer, and once more.

    Twice as long as otherwise: of some seconds, those in which a crowd is refused for the first time are many.
    """
    found: dict[str, dict[str, list[dict[str, Any]]]] = {
        name: {str(clients): [] for clients in CONCURRENCY} for name in targets
    }
    for turn in range(TURNS):
        for clients in CONCURRENCY[:: -1 if turn % 2 else 1]:
            for name, target in targets.items():
                load = senders.closed_loop(target, clients, 2 * seconds)
                found[name][str(clients)].append(row(f"{name}: closed loop, {clients} clients", load))
    return found


def soak(senders: Senders, target: Target, container: Container, requests: int) -> dict[str, Any]:
    """Ask many times, and return the replica's memory after the first of them and at the end."""
    senders.closed_loop(target, 16, 3600, EARLY)
    early = replica_bytes(container)
    load = senders.closed_loop(target, 16, 3600, requests - EARLY)
    late = replica_bytes(container)
    row(f"{requests} requests, 16 clients", load)
    print(
        f"  memory after {EARLY:,} requests {early / 2**20:.0f} MiB, after {requests:,} {late / 2**20:.0f} MiB "
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
    parser.add_argument("--seconds", type=above_nothing, default=8.0, help="of one load")
    parser.add_argument(
        "--overload",
        type=above_nothing,
        default=60.0,
        help="seconds at 70 %% of the saturation, and at twice as much",
    )
    parser.add_argument(
        "--soak",
        type=at_least_one,
        default=0,
        help=f"requests of a long load; the memory is looked at after {EARLY:,} and at the end",
    )
    parser.add_argument("--senders", type=at_least_one, default=SENDERS, help="processes that send the load")
    parser.add_argument("--data", type=pictures_in, help="folder of pictures; drawings without it")
    takes_out(parser)
    options = parser.parse_args(arguments)
    if 0 < options.soak <= EARLY:
        parser.error(f"--soak {options.soak}: the memory is looked at after {EARLY:,} first, give more.")
    if PICTURES % options.many:
        parser.error(
            f"--many {options.many} leaves some of the {PICTURES} pictures over: give 2, 4, 8, 16 or 32."
        )
    contents = photographs(PICTURES, PHOTOGRAPH, options.data)
    named = [(f"{number}.jpg", content) for number, content in enumerate(contents)]
    many = [archive(each) for each in split(named, options.many)]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"
    when = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(
        f"{device}, torch {torch.__version__}, {when}; JPEGs of 640x480, network at {options.image_size} px, "
        f"load from {options.senders} process{'es' * (options.senders > 1)}"
    )
    figures: dict[str, Any] = {"device": device, "date": when, "many": options.many}
    targets = {
        "single": Target("", contents, "image/jpeg"),
        "many": Target("", many, "application/x-tar", options.many),
    }
    with Senders(options.senders) as senders:
        with served(OURS, options.image_size, contents[0]) as container:
            ports = {OURS.name: container.port}
            with served(PEER, options.image_size, contents[0]) as peer:
                ports[PEER.name] = peer.port
                compare(senders, targets, ports, options, figures)
            for kind, target in targets.items():
                figures[f"direct {kind}"] = without_adapter(
                    senders, target, container, figures[f"ours {kind}"], options
                )
            if options.soak:
                single = through(targets["single"], container.port)
                figures["memory"] = soak(senders, single, container, options.soak)
        with adapter.alone() as url:
            print("the adapter, before an application that answers at once")
            for kind, target in targets.items():
                load = senders.closed_loop(replace(target, url=url), 64, options.seconds)
                figures[f"adapter {kind}"] = row(f"closed loop, 64 clients, {kind}", load)
    report(figures)
    write_figures(options.out, figures)


def through(target: Target, port: int) -> Target:
    """Return the same by way of an adapter."""
    return replace(target, url=f"http://127.0.0.1:{port}/invocations")


def compare(
    senders: Senders,
    targets: Mapping[str, Target],
    ports: Mapping[str, int],
    options: argparse.Namespace,
    figures: dict[str, Any],
) -> None:
    """Load both servers through their adapters, by turns."""
    for kind, target in targets.items():
        print(target.each)
        both = {name: through(target, port) for name, port in ports.items()}
        for each in both.values():
            senders.closed_loop(each, 4, 2.0)  # warm
        for name, found in measure(senders, both, options.seconds, overload=options.overload).items():
            figures[f"{name} {kind}"] = found
    print("one image a request, more and more clients")
    both = {name: through(targets["single"], port) for name, port in ports.items()}
    for name, loads in by_concurrency(senders, both, options.seconds).items():
        figures[f"{name} by concurrency"] = loads


def straight(target: Target, container: Container) -> Target:
    """Return the same past the adapter, over as many connections as it has."""
    url = f"http://127.0.0.1:{container.ray_port}/classifier/"
    return replace(target, url=url, connections=CONNECTIONS)


def without_adapter(
    senders: Senders,
    target: Target,
    container: Container,
    through: dict[str, Any],
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Load the application itself, as it was through the adapter and over as many connections."""
    print(f"ours, without the adapter, {target.each}")
    direct = straight(target, container)
    found = {"closed": row("closed loop, 8 clients", senders.closed_loop(direct, 8, options.seconds))}
    rate = through["saturation"] / target.images
    return found | around(senders, direct, rate, options.overload)


def ratios(what: str, found: dict[str, Any]) -> None:
    """Print what became of latency at twice the saturation."""
    at_70, at_200 = found["at_70"], found["at_200"]
    bad = {status: count for status, count in at_200["statuses"].items() if status not in ("200", "429")}
    print(
        f"{what}: p99 at 200 % / at 70 %: {at_200['p99'] / at_70['p99']:.2f} (inside "
        f"{at_200['inside_p99'] / at_70['inside_p99']:.2f}); refused within "
        f"{1000 * at_200['refused_p99']:.0f} ms (p99); other statuses: {bad or 'none'}"
    )


def report(figures: dict[str, Any]) -> None:
    """Print the ratios."""
    for kind, images in (("single", 1), ("many", figures["many"])):
        ours, peer = figures[f"ours {kind}"], figures[f"peer {kind}"]
        print(
            f"{kind}: saturation {ours['saturation'] / peer['saturation']:.2f} x the peer's; with p99 up to 100 ms ",
            end="",
        )
        none = "the peer answers none" if ours["prompt"] else "neither answers any"
        print(f"{ours['prompt'] / peer['prompt']:.2f} x" if peer["prompt"] else none)
        ratios(kind, ours)
        ratios(f"{kind}, without the adapter", figures[f"direct {kind}"])
        alone = figures[f"adapter {kind}"]["images_per_second"] / images
        print(
            f"{kind}: 200 % is {2 * ours['saturation'] / images:.0f} requests/s, and the adapter alone passes on "
            f"{alone:.0f}"
        )
    for name in ("ours", "peer"):
        loads = figures[f"{name} by concurrency"]
        rates = {clients: [load["images_per_second"] for load in own] for clients, own in loads.items()}
        # The best turn of each, since what else the machine does only takes from them.
        best = {clients: max(own) for clients, own in rates.items()}
        turns = sorted(own[-1] / max(own) for own in zip(*rates.values(), strict=True))
        print(
            f"{name}: 64 clients / the best of {', '.join(rates)}: {best['64'] / max(best.values()):.2f} (turn by "
            f"turn {turns[0]:.2f} to {turns[-1]:.2f})"
        )


if __name__ == "__main__":
    ended(main)
