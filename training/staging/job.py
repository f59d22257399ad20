"""The staging job: source → checked, split, versioned dataset, unless that version is already there."""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from training.drawings import draw_candidates
from training.errors import SourceError
from training.reporting import log, processing_message, run_job
from training.staging.candidates import SPLITS, Candidate
from training.staging.cifar100 import open_cifar100
from training.staging.dataset import build_dataset, write_dataset
from training.staging.folder import open_folder
from training.staging.report import page
from training.staging.reviewed import reviewed_candidates
from training.staging.summary import summarize

_BASE = "/opt/ml/processing"
_SPLITS = "splits-"
_Source = tuple[tuple[str, ...], Iterator[Candidate]]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the job's command line."""
    parser = argparse.ArgumentParser(prog="stage.py", description="Stage a source of pictures as a dataset.")
    add = parser.add_argument
    add("--source", choices=("folder", "cifar100", "drawings"), required=True)
    add("--input", type=Path, default=Path(_BASE, "input/source"), help="class folders, or one zip of them")
    add("--url", default="", help="address of the CIFAR-100 archive")
    add("--md5", default="", help="its checksum, hexadecimal")
    add("--classes", default="", help="class names in order, comma-separated; empty takes all")
    add("--per-class", type=int, default=200, help="drawings of each class")
    add("--seed", type=int, default=0, help="seed of the drawings")
    add(
        "--index",
        type=Path,
        default=Path(_BASE, "input/index"),
        help="files named as complete versions; splits",
    )
    add(
        "--reviewed",
        type=Path,
        default=Path(_BASE, "input/reviewed"),
        help="class folders of pictures that people classified; may be missing",
    )
    add("--dataset", type=Path, default=Path(_BASE, "output/dataset"))
    add(
        "--splits", type=Path, default=Path(_BASE, "output/splits"), help="splits that are new, for the index"
    )
    add("--summary", type=Path, default=Path(_BASE, "output/summary"))
    add("--message", type=Path, default=None, help="file for the reason of a failure")
    return parser.parse_args(arguments)


def stage(options: argparse.Namespace) -> None:
    """Stage as the options say."""
    classes, candidates = _open(options)
    log(f"staging {', '.join(classes)} from {options.source}")
    known = _known(options.index)
    everything = chain(candidates, reviewed_candidates(options.reviewed, classes))
    dataset, files = build_dataset(
        options.source, classes, everything, drawings=options.source == "drawings", known=known, log=log
    )
    for reject in dataset.rejects[:20]:
        log(f"set aside {reject.file}: {reject.reason}")
    options.dataset.mkdir(parents=True, exist_ok=True)
    if (options.index / dataset.version).exists():
        log(f"version {dataset.version} is already staged")
    else:
        write_dataset(dataset, files, options.dataset)
    new = {p.pixels: p.split for p in dataset.pictures if known.get(p.pixels) != p.split}
    options.splits.mkdir(parents=True, exist_ok=True)
    name = f"{_SPLITS}{dataset.version}.json"
    # It takes the place of what the version's first staging has written, to which nothing is new the next time.
    (options.splits / name).write_text(
        json.dumps({**_splits(options.index / name), **new}, sort_keys=True), encoding="utf-8"
    )
    options.summary.mkdir(parents=True, exist_ok=True)
    summary = json.dumps(summarize(dataset), indent=1, sort_keys=True) + "\n"
    (options.summary / "summary.json").write_text(summary, encoding="utf-8")
    (options.summary / "report.html").write_text(page(dataset, files), encoding="utf-8")
    log(
        f"version={dataset.version} images={len(dataset.pictures)} reviewed={dataset.reviewed} "
        f"rejected={len(dataset.rejects)} "
        f"duplicates={dataset.duplicates};"
    )


def _known(index: Path) -> dict[str, str]:
    """Read the splits that earlier versions gave, by the hash of a picture's pixels."""
    known: dict[str, str] = {}
    for path in sorted(index.glob(f"{_SPLITS}*.json")):
        for pixels, split in _splits(path).items():
            # Where a source has moved a picture since: what was tested with is not learnt from.
            known[pixels] = max(split, known.get(pixels, split), key=SPLITS.index)
    return known


def _splits(path: Path) -> dict[str, str]:
    """Read a file of the index; one that is not there yet has none."""
    if not path.exists():
        return {}
    try:
        found = dict(json.loads(path.read_text(encoding="utf-8")))
        if wrong := set(found.values()) - set(SPLITS):
            raise ValueError(f"{wrong} are no splits")
    except (ValueError, TypeError) as error:
        raise SourceError(
            f"The index's {path.name} cannot be read: remove it, and its splits are made anew."
        ) from error
    return found


def _open(options: argparse.Namespace) -> _Source:
    wanted = [name.strip() for name in options.classes.split(",") if name.strip()]
    if options.source == "folder":
        return open_folder(options.input, wanted)
    if options.source == "drawings":
        return draw_candidates(wanted, options.per_class, options.seed)
    if not options.url or not options.md5:
        raise SourceError(
            "The CIFAR-100 source needs the archive's address and MD5: give both in the settings."
        )
    return open_cifar100(options.url, options.md5, wanted, Path(tempfile.gettempdir(), "cifar100"), log)


def main(arguments: Sequence[str]) -> int:
    """Run the job and return its exit status."""
    options = parse(arguments)
    message = options.message or processing_message(options.dataset)
    return run_job(lambda: stage(options), [message])
