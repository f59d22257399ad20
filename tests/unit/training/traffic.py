"""A prediction log, reviews and baselines in a folder, as the endpoint and people would leave them."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from training.analysis.job import main

START = datetime(2026, 11, 20, 8, tzinfo=UTC)
MODEL = "0123456789ab"
MEANS = {
    "brightness": 0.5,
    "contrast": 0.2,
    "sharpness": 0.15,
    "saturation": 0.3,
    "redness": 0.03,
    "blueness": -0.02,
}
Line = dict[str, Any]


@dataclass
class Traffic:
    """Draws what a model sees and says; each shift is given where it is drawn."""

    seed: int
    random: np.random.Generator = field(init=False)
    number: int = 0

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def lines(
        self,
        count: int,
        at: datetime,
        *,
        model: str = MODEL,
        shifted: dict[str, float] | None = None,
        moved: float = 0.0,
        bicycles: float = 0.5,
        doubt: float = 0.0,
    ) -> list[Line]:
        """Draw so many decisions, a second apart."""
        found: list[Line] = []
        for _ in range(count):
            self.number += 1
            values = {
                name: round(mean + 0.1 * self.random.normal() + (shifted or {}).get(name, 0.0), 4)
                for name, mean in MEANS.items()
            }
            confidence = float(np.clip(self.random.beta(30, 1) - doubt, 0.5, 1.0))
            found.append(
                {
                    "decision_id": f"{self.seed}-{self.number}",
                    "recorded_at": (at + timedelta(seconds=len(found))).isoformat(),
                    "outcome": "routed" if confidence >= 0.9 else "review",
                    "class": "bicycle" if self.random.random() < bicycles else "motorcycle",
                    "confidence": round(confidence, 6),
                    "model_version": model,
                    "milliseconds": int(self.random.integers(20, 60)),
                    "image": {**values, "width": 32, "height": 32, "format": "PNG", "mode": "RGB"},
                    "embedding": [round(float(v) + moved, 5) for v in self.random.normal(size=8)],
                }
            )
        return found


@dataclass
class World:
    """The folders of one classifier."""

    folder: Path

    def baseline(self, seed: int = 1, model: str = MODEL) -> None:
        """Write a model's baseline, of traffic that nothing shifts."""
        lines = Traffic(seed).lines(600, START)
        tested = lines[:200]
        names = (*MEANS, "pixels")
        content = {
            "model_version": model,
            "dataset_version": "d5",
            "classes": ["bicycle", "motorcycle"],
            "threshold": 0.9,
            "inputs": {n: [each["image"].get(n, 1024.0) for each in lines[200:]] for n in names},
            "predictions": {
                "class": [each["class"] for each in tested],
                "confidence": [each["confidence"] for each in tested],
                "confident": [each["outcome"] == "routed" for each in tested],
            },
            "embedding": [each["embedding"] for each in tested],
        }
        self.write(f"runs/{model}/evaluation/baseline.json", json.dumps(content).encode())

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def log(self, name: str, lines: list[Line], hour: datetime = START) -> None:
        """Deliver lines as Firehose does."""
        text = "".join(json.dumps(each) + "\n" for each in lines)
        self.write(f"log/{hour:%Y/%m/%d/%H}/{name}.gz", gzip.compress(text.encode()))

    def review(
        self,
        number: int,
        at: datetime,
        *,
        right: bool = True,
        modified: datetime | None = None,
        changes: Line | None = None,
    ) -> None:
        """Leave one person's answer, in a file that was written then or later."""
        content = {
            "decision_id": f"reviewed-{number}",
            "class": "bicycle" if right else "motorcycle",
            "predicted": "bicycle",
            "outcome": "routed",
            "sampled": True,
            "confidence": 0.97,
            "model_version": MODEL,
            "by": "ann",
            "at": at.isoformat(),
            **(changes or {}),
        }
        name = f"reviews/{content['decision_id']}.json"
        self.write(name, json.dumps(content).encode())
        written = (modified or at).timestamp()
        os.utime(self.folder / name, (written, written))

    def analyze(self, now: datetime, previous: str = "", report: str = "report", *more: str) -> Line:
        """Run the job, and return its analysis."""
        given = [
            *("--log", f"{self.folder}/log", "--reviews", f"{self.folder}/reviews"),
            *("--runs", f"{self.folder}/runs", "--target-error", "0.01", "--classifier", "vehicles"),
            *("--endpoint", "scones-dev-vehicles", "--now", now.isoformat()),
            *("--previous", str(self.folder / previous / "state.json") if previous else ""),
            *("--report", str(self.folder / report), *more),
        ]
        assert main(given) == 0
        found: Line = json.loads((self.folder / report / "analysis.json").read_text())
        return found

    def state(self, report: str = "report") -> Line:
        """Return the state that an analysis wrote."""
        found: Line = json.loads((self.folder / report / "state.json").read_text())
        return found
