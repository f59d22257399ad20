"""How a model runs on the device there is: decoded images in, predictions out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own customary name

from classifier.artifact import LoadedModel, Predictions
from classifier.image_statistics import MEASURES
from classifier.preprocessing import Limits, decode_pixels, normalise
from serving.cuda import CudaRunner, half_precision
from serving.fused import FusedNetwork
from serving.headers import photograph
from serving.images import UNMEASURED, Photograph, Pixels, Predicted, Shot, example
from serving.onednn import OneDnnNetwork
from serving.photographs import SUMS, Decoder

logger = logging.getLogger(__name__)

TOLERANCE = 0.01
"""What a probability may differ by from the float32 reference's, and a measure from Pillow's."""
LEVELS = 2.0
"""Of 255, what a pixel may differ by from Pillow's, in the mean."""


def settle_torch_threads() -> None:
    """Give the calling thread a single torch thread for good."""
    torch.set_num_threads(1)
    # Until a thread has asked, it would take over what another one sets later.
    torch.get_num_threads()


class Runner(Protocol):
    """Runs batches; each of `lanes` threads may call its methods at the same time."""

    lanes: int
    shapes: tuple[int, ...]
    takes_photographs: bool
    pinned: bool
    """Whether images that Pillow has decoded should lie in pinned memory."""
    linear: bool
    """Whether a batch takes about as long as its images do one by one."""

    def decode(self, photographs: Sequence[Photograph]) -> list[Shot | None]:
        """Decode photographs, if it takes them; None is one that cannot be decoded."""

    def predict(self, images: Sequence[Pixels | Shot]) -> Predicted:
        """Classify at most `shapes[-1]` images."""


class _PixelsRunner:
    """A runner of what Pillow has decoded."""

    takes_photographs = False
    pinned = False
    linear = False

    def decode(self, photographs: Sequence[Photograph]) -> list[Shot | None]:
        """Decode nothing."""
        return [None for _ in photographs]

    def predict(self, images: Sequence[Pixels | Shot]) -> Predicted:
        """Classify images."""
        given = [each for each in images if isinstance(each, Pixels)]
        found = self._predict(torch.stack([each.tensor for each in given]))
        return Predicted(found, [each.statistics for each in given])

    def _predict(self, pixels: Tensor) -> Predictions:
        raise NotImplementedError


class CpuRunner(_PixelsRunner):
    """One lane to a core, each with a single torch thread.

    The network is many small layers. Sharing each of them among the cores costs a meeting of the cores after every
    layer; whole images share nothing, and two at a time leave the caches enough room: `benchmarks/engine.py`
    measures both. Four gain up to a tenth more, and who comes next waits for twice as long, or four times where
    what passes requests on takes most of the cores.

    Parameters
    ----------
    model
        The reference.
    features
        Gives pooled features [n, 1280] of normalised images [n, 3, S, S].
    cores
        How many lanes.
    """

    linear = True
    shapes: tuple[int, ...] = (1, 2)

    def __init__(self, model: LoadedModel, features: Callable[[Tensor], Tensor], cores: int) -> None:
        self._model, self._features = model, features
        self.lanes = cores

    def _predict(self, pixels: Tensor) -> Predictions:
        with torch.inference_mode():
            x = normalise(pixels.contiguous(memory_format=torch.channels_last))
            probabilities, embeddings = self._model.decide(self._features(x))
        return Predictions(probabilities.numpy(), embeddings.numpy())


class EagerRunner(_PixelsRunner):
    """One lane, float32, as torch runs it: for a GPU on which captured graphs do not work."""

    lanes = 1
    shapes: tuple[int, ...] = CudaRunner.shapes

    def __init__(self, model: LoadedModel) -> None:
        self._model = model

    def _predict(self, pixels: Tensor) -> Predictions:
        return self._model.predict(normalise(pixels.to(self._model.device)))


def photograph_decoder(model: LoadedModel) -> Decoder | None:
    """Return what decodes photographs on the GPU, where the image has it and it gives what Pillow does."""
    size = model.card.image_size
    try:
        decoder = Decoder(size, model.device)
        content = example()
        photo = photograph(content, size, Limits())
        if photo is None:
            return None  # the input is so large that few photographs would go there
        (image,) = decoder.decode([photo])
        if image is None:
            raise RuntimeError("nvJPEG refuses a plain photograph.")
        pixels = torch.empty((1, 3, size, size), dtype=torch.uint8, device=model.device)
        developed = decoder.develop([photo], [image], pixels)
        sums = torch.empty((1, SUMS), dtype=torch.float64)
        developed.measure(sums)
        torch.cuda.synchronize()
        (found,) = developed.statistics(sums)
        wanted, measured = decode_pixels(content, size)
        difference = float((pixels[0].cpu().float() - wanted.float()).abs().mean())
        apart = max(abs(getattr(found, name) - getattr(measured, name)) for name in MEASURES)
        if difference > LEVELS or apart > TOLERANCE:
            raise RuntimeError(
                f"Its pixels differ from Pillow's by {difference:.2f}, its measures by {apart:.3f}."
            )
    except Exception as error:  # whatever is wrong there, Pillow can do it
        logger.warning("Photographs cannot be decoded on this GPU, and are by Pillow: %s", error)
        return None
    return decoder


def difference(model: LoadedModel, runner: Runner) -> float:
    """Return by how much a runner's probabilities differ at most from the float32 model's, on random pictures."""
    size = model.card.image_size
    chance = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (runner.shapes[-1], 3, 8, 8), generator=chance).float()
    pixels = F.interpolate(coarse, size, mode="bilinear").to(torch.uint8)
    wanted = model.predict(normalise(pixels)).probabilities
    given = [Pixels(each.pin_memory() if runner.pinned else each, UNMEASURED) for each in pixels]
    return float(np.abs(runner.predict(given).predictions.probabilities - wanted).max())


def _onednn(model: LoadedModel) -> OneDnnNetwork:
    with ThreadPoolExecutor(1, initializer=settle_torch_threads) as lane:  # like those that will call it
        return lane.submit(OneDnnNetwork, model.network, model.card.image_size).result()


def runner(model: LoadedModel, cores: int) -> Runner:
    """Return the fastest runner whose answers are those of the float32 model."""
    ways: tuple[tuple[str, Callable[[], Runner]], ...]
    eager: Runner
    if model.device.type == "cuda":
        decoder, eager = photograph_decoder(model), EagerRunner(model)
        ways = (
            ("Fused kernels", lambda: CudaRunner(model, FusedNetwork(model.network), decoder)),
            ("Half precision", lambda: CudaRunner(model, half_precision(model.network), decoder)),
        )
    else:
        eager = CpuRunner(model, model.network.features, cores)
        ways = (("oneDNN's fused convolutions", lambda: CpuRunner(model, _onednn(model), cores)),)
    for what, prepare in ways:
        try:
            prepared = prepare()
            # Like a lane's, so that it is compared as it will run; a GPU's lane ends with its thread.
            with ThreadPoolExecutor(1, initializer=settle_torch_threads) as once:
                apart = once.submit(difference, model, prepared).result()
        except (
            ImportError,
            RuntimeError,
            OSError,
            AttributeError,
            AssertionError,
            TypeError,
        ) as error:  # torch's and NVRTC's
            logger.warning("%s cannot run here: %s", what, error)
            continue
        if apart <= TOLERANCE:
            logger.info("%s: probabilities within %.4f of float32's.", what, apart)
            return prepared
        logger.warning("%s would change probabilities by %.3f.", what, apart)
    logger.warning("The model runs eagerly, in float32.")
    return eager
