"""The network of the peer, as the usual first application runs it: one image after the other, eagerly, in float32."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from classifier.card import read_card
from classifier.network import EfficientNetLite0


class PeerModel:
    """One network on the device that torch finds, in torch's own memory format."""

    def __init__(self, folder: Path) -> None:
        self._card = read_card(folder / "model.json")
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        network = EfficientNetLite0(len(self._card.classes))
        network.load_state_dict(load_file(folder / "model.safetensors"))
        self._network = network.eval().to(self._device)

    def classify(self, content: bytes) -> dict[str, float]:
        """Return the probabilities of one encoded image."""
        side = self._card.image_size
        image = Image.open(io.BytesIO(content)).convert("RGB").resize((side, side))
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        batch = ((pixels - 0.5) / 0.5).unsqueeze(0).to(self._device)
        with torch.no_grad():
            probabilities = torch.softmax(self._network(batch), dim=1)[0].tolist()
        return dict(zip(self._card.classes, probabilities, strict=True))
