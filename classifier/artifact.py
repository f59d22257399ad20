"""A trained model on disk (model.safetensors and model.json), and in memory, ready to decide."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from classifier.card import ModelCard, read_card
from classifier.errors import ArtifactError
from classifier.network import FEATURES, NETWORK, EfficientNetLite0

WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "model.json"
EMBEDDING = 8
_PROJECTION_SEED = 20_260_101


def is_confident(confidence: float, threshold: float) -> bool:
    """Say whether an answer is routed; a threshold of 1 routes nothing, not even what is certain."""
    return threshold < 1.0 and confidence >= threshold


class Decision(NamedTuple):
    """One image's answer; ``confident`` says whether its confidence reaches the model's threshold."""

    label: str
    confidence: float
    probabilities: dict[str, float]
    confident: bool
    embedding: list[float]


@dataclass(frozen=True)
class Predictions:
    """A batch's calibrated probabilities [n, k] and embeddings [n, 8], float32."""

    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32]

    def decisions(self, card: ModelCard) -> list[Decision]:
        """Read each row as a decision of the model that ``card`` describes."""
        # Whole arrays at a time: on a GPU, Python's work on each image is what would limit the engine.
        rows = zip(
            self.probabilities.argmax(axis=1).tolist(),
            self.probabilities.astype(np.float64).round(6).tolist(),
            self.embeddings.astype(np.float64).round(5).tolist(),
            strict=True,
        )
        return [
            Decision(
                card.classes[best],
                values[best],
                dict(zip(card.classes, values, strict=True)),
                is_confident(values[best], card.threshold),
                embedding,
            )
            for best, values, embedding in rows
        ]


class LoadedModel:
    """A network with its card, in evaluation mode on one device; its methods may be called from any thread."""

    def __init__(self, network: EfficientNetLite0, card: ModelCard, device: str = "cpu") -> None:
        self.card = card
        self.device = torch.device(device)
        self.network = network.eval().to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # NumPy's legacy generator is frozen for good, so that embeddings of different releases compare.
        values = np.random.RandomState(_PROJECTION_SEED).standard_normal((FEATURES, EMBEDDING))
        self._projection = torch.tensor(values / FEATURES**0.5, dtype=torch.float32, device=self.device)

    def predict(self, batch: Tensor) -> Predictions:
        """Classify normalised float32 images, shape [n, 3, S, S]."""
        with torch.inference_mode():
            probabilities, embeddings = self.compute(batch.to(self.device))
        return Predictions(probabilities.cpu().numpy(), embeddings.cpu().numpy())

    def compute(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities [n, k] and embeddings [n, 8], float32, of images that are on the device already.

        The network computes in the type of its own weights.
        """
        x = batch.to(self.network.head.weight.dtype, memory_format=torch.channels_last)
        return self.decide(self.network.features(x))

    def decide(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities and embeddings, as `compute`, of pooled features [n, 1280] on the device."""
        logits = self.network.head(features.to(self.network.head.weight.dtype)).float()
        probabilities = torch.softmax(logits / self.card.temperature, dim=1)
        # Scaled to the usual length of 1280 features, so that the eight numbers are of order one.
        directions = torch.nn.functional.normalize(features.float(), dim=1) * FEATURES**0.5
        return probabilities, directions @ self._projection

    def warm_up(self, batch_size: int) -> None:
        """Run one batch of this size, so that the first real one pays no set-up."""
        size = self.card.image_size
        self.predict(torch.zeros(batch_size, 3, size, size))


def save_model(directory: Path, network: EfficientNetLite0, card: ModelCard) -> None:
    """Write model.safetensors and model.json into ``directory``, which is made if it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    save_file(state, directory / WEIGHTS_FILE, metadata={"network": card.network})
    replace(card, weights_sha256=_sha256(directory / WEIGHTS_FILE)).write(directory / CARD_FILE)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load_model(directory: Path, device: str = "cpu") -> LoadedModel:
    """
    Read a model artifact.

    Raises
    ------
    ArtifactError
        When a file is missing or damaged, or belongs to another network.
    """
    card = read_card(directory / CARD_FILE)
    if card.network != NETWORK:
        raise ArtifactError(
            f"The artifact holds a {card.network!r} model, and this code runs {NETWORK!r} only."
        )
    network = EfficientNetLite0(len(card.classes))
    try:
        if card.weights_sha256 and _sha256(directory / WEIGHTS_FILE) != card.weights_sha256:
            raise ArtifactError(
                f"{WEIGHTS_FILE} is not the file that {CARD_FILE} was written for: package the model again."
            )
        network.load_state_dict(load_file(directory / WEIGHTS_FILE))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ArtifactError(
            f"{WEIGHTS_FILE} is missing, damaged or of another network: train or package again."
        ) from error
    return LoadedModel(network, card, device)
