"""summary.json: what the workflow reads of a staging job."""

from training.staging.dataset import Dataset

_REJECTS_SHOWN = 20
_SMOKE_IMAGES = 6


def summarize(dataset: Dataset) -> dict[str, object]:
    """Return the contents of summary.json; keys are relative to the folder that holds the versions."""
    return {
        "version": dataset.version,
        "source": dataset.source,
        "drawings": dataset.drawings,
        "classes": dataset.counts(),
        "images": len(dataset.pictures),
        "reviewed": dataset.reviewed,
        "rejected": len(dataset.rejects),
        "rejects": [vars(reject) for reject in dataset.rejects[:_REJECTS_SHOWN]],
        "duplicates": dataset.duplicates,
        "smoke": _smoke(dataset),
    }


def _smoke(dataset: Dataset) -> list[dict[str, str]]:
    """Choose test pictures, taking the classes in turn."""
    queues = [[p for p in dataset.pictures if p.split == "test" and p.label == c] for c in dataset.classes]
    turns = [queue[i] for i in range(_SMOKE_IMAGES) for queue in queues if i < len(queue)]
    return [{"key": f"{dataset.version}/{p.file}", "class": p.label} for p in turns[:_SMOKE_IMAGES]]
