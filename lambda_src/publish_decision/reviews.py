"""What people answered: kept for the figures, and their pictures for the next dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambda_src.adapters.faults import keeping
from lambda_src.adapters.objects import Objects, split
from lambda_src.errors import InvalidEventError, ObjectMissingError
from lambda_src.observability import logger

_TEXTS = ("decision_id", "object", "version_id", "class", "reviewed_class", "reviewed_by", "reviewed_at")


@dataclass(frozen=True)
class Reviews:
    """Keeps reviews; every write has a key of its own, so that a second one changes nothing.

    Parameters
    ----------
    objects
        Reads and writes S3.
    classifier
        Whose reviews they are.
    routes
        Class to route; a picture of any other class, `none` for one, goes into no dataset.
    results_bucket, datasets_bucket
        Where the reviews and where the pictures go.
    """

    objects: Objects
    classifier: str
    routes: Mapping[str, str]
    results_bucket: str
    datasets_bucket: str

    def keep(self, decision: Mapping[str, Any]) -> dict[str, Any]:
        """Keep one review and return what its event says: the decision, and where its order goes now.

        Raises
        ------
        ReviewNotKeptError
        InvalidEventError
            When the decision's object is no S3 URI, or what is kept of it is no text.
        """
        if wrong := [name for name in _TEXTS if not isinstance(decision.get(name), str)]:
            raise InvalidEventError(f"The reviewed item's {', '.join(wrong)} must be text.")
        said = decision["reviewed_class"]
        with keeping(decision["decision_id"]):
            self._write(decision)
            if said in self.routes:
                self._copy(decision)
        return {**decision, "reviewed_route": self.routes.get(said, "")}

    def _write(self, decision: Mapping[str, Any]) -> None:
        same = ("decision_id", "object", "version_id", "outcome", "confidence", "model_version")
        review = {
            **{name: decision[name] for name in same},
            "sampled": decision["sampled"],
            "classifier": self.classifier,
            "class": decision["reviewed_class"],
            "predicted": decision["class"],
            "by": decision["reviewed_by"],
            "at": decision["reviewed_at"],
        }
        key = f"reviews/{self.classifier}/{decision['decision_id']}.json"
        self.objects.write(self.results_bucket, key, json.dumps(review, ensure_ascii=False).encode())

    def _copy(self, decision: Mapping[str, Any]) -> None:
        bucket, key = split(decision["object"])
        # The day is for the evaluation, which asks how a model does on what was reviewed of late.
        place = f"{decision['reviewed_class']}/{decision['reviewed_at'][:10]}/{decision['decision_id']}"
        target = f"{self.classifier}/reviewed/{place}"
        try:
            self.objects.copy(bucket, key, decision["version_id"], (self.datasets_bucket, target))
        except ObjectMissingError as error:
            # Deleted since: the answer still counts, and no later try would find the picture.
            logger().warning("reviewed picture is gone", extra={"reason": str(error)})
