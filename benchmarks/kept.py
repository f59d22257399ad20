"""What a long comparison has answered already, for one that goes on where it was ended."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import Outcome
from stacks.archives import digest, package


@dataclass(frozen=True)
class Kept:
    """Answers of outer folds, which a run that was ended leaves for the next; `folder` is that of what decides them."""

    folder: Path

    @classmethod
    def of(cls, out: Path, *decides: object) -> Kept:
        """Name the folder by the code of the models and by what else decides what they answer."""
        code = digest(package("benchmarks", "classifier", "training"))
        told = hashlib.sha256(json.dumps([code, *decides]).encode()).hexdigest()
        folder = out / "folds" / told[:16]
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder)

    def outcome(self, name: str, answer: Callable[[], Outcome]) -> tuple[Outcome, str]:
        """Return what was answered before, or answer now; and how to say which."""
        file = self.folder / f"{name}.json"
        if file.exists():
            # One that is damaged is answered again.
            with contextlib.suppress(ValueError, KeyError, TypeError):
                return Outcome.from_json(file.read_text(encoding="utf-8")), ", by an earlier run"
        found = answer()
        whole = file.with_suffix(".part")
        whole.write_text(found.to_json(), encoding="utf-8")
        whole.replace(file)
        return found, ""
