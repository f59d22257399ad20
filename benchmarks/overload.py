"""The application at twice its saturation where Python is the limit and not the model, as it is beside a GPU.

    python -m benchmarks.overload [--work 4] [--data FOLDER] [--out FILE]

A GPU answers more images than one Python process can receive one by one. In the place of the engine stands a device
that is never the limit, and the event loop is busy for some milliseconds with each image: so many that the cores are
left enough for what sends the load. It comes over as many connections as AWS's adapter has, and past the adapter: on a
few cores that would be the limit itself. Compared are the application and one that lets 80 requests in at a time and
runs in a thread of its own, as Ray has it by default.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.load import Senders, Target
from benchmarks.models import photographs
from benchmarks.options import above_nothing, pictures_in, takes_out, write_figures
from benchmarks.servers import OURS, Application, ended, served
from benchmarks.serving import PHOTOGRAPH, around, ratios, row, straight

CLIENTS = 16
"""As many keep the event loop at work."""
FILES = {"code/serving/engine.py": "peer/busy_engine.py"}


def applications(work: float) -> list[Application]:
    """Return both, which work for so many seconds on each image."""
    ours = replace(OURS, files=FILES, variables={**OURS.variables, "BUSY_SECONDS": str(work)})
    other = {**ours.variables, "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "1", "BUSY_REQUESTS": "80"}
    return [ours, replace(ours, name="80 at a time, in two threads", variables=other)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what each made of each load, and the ratios."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overload", description="The application where Python is its limit."
    )
    parser.add_argument(
        "--work", type=above_nothing, default=4.0, help="milliseconds of Python for each image"
    )
    parser.add_argument("--seconds", type=above_nothing, default=8.0, help="of one load")
    parser.add_argument(
        "--overload",
        type=above_nothing,
        default=20.0,
        help="seconds at 70 %% of the saturation, and at twice as much",
    )
    parser.add_argument("--data", type=pictures_in, help="folder of pictures; drawings without it")
    takes_out(parser)
    options = parser.parse_args(arguments)
    contents = photographs(32, PHOTOGRAPH, options.data)
    figures: dict[str, Any] = {"cores": os.cpu_count(), "work": options.work}
    both = applications(options.work / 1000)
    with Senders() as senders:
        for application in both:
            with served(application, 32, contents[0]) as container:
                print(application.name)
                target = straight(Target("", contents, "image/jpeg"), container)
                senders.closed_loop(target, CLIENTS, 2.0)  # warm
                load = senders.closed_loop(target, CLIENTS, options.seconds)
                found = {"closed": row(f"closed loop, {CLIENTS} clients", load)}
                found |= around(senders, target, load.rate, options.overload)
                figures[application.name] = found
    for application in both:
        ratios(application.name, figures[application.name])
    write_figures(options.out, figures)


if __name__ == "__main__":
    ended(main)
