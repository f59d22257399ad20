"""Hyperparameters as SageMaker gives them: text."""

from __future__ import annotations

import pytest

from training.errors import HyperparameterError
from training.hyperparameters import Hyperparameters
from training.job import parse


def test_text_becomes_typed_values() -> None:
    chosen = parse(["--epochs", "3", "--learning-rate", "0.01", "--classes", "a,b"])
    assert (chosen.epochs, chosen.learning_rate, chosen.classes) == (3, 0.01, "a,b")


def test_what_is_written_is_read_back() -> None:
    chosen = Hyperparameters(epochs=2, seed=5)
    assert Hyperparameters.from_strings(chosen.to_strings()) == chosen


def test_a_hash_is_the_same_in_capitals() -> None:
    given = {"weights-sha256": "0AbC" * 16}
    assert Hyperparameters.from_strings(given).weights_sha256 == "0abc" * 16


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"magic": "1"}, "There is no hyperparameter 'magic'"),
        ({"epochs": "many"}, "'epochs' is 'many', and it must be a whole number"),
        ({"image-size": "100"}, "'image-size' is 100, and it must be a multiple of 32"),
        ({"device": "tpu"}, "'device'"),
        ({"epochs": "1_0"}, "'epochs' is '1_0', and it must be a whole number"),
        ({"epochs": "\u0663"}, "'epochs' is '\u0663', and it must be a whole number"),
        ({"target-error": "1e-310"}, "'target-error' is 1e-310, and it must be at least 0.000001"),
        ({"learning-rate": "0.0_1"}, "'learning-rate' is '0.0_1', and it must be a number"),
        ({"weights-sha256": "G" * 64}, "it must be 64 hexadecimal digits"),
        ({"checkpoint-dir": "/tmp/a\0b"}, "'checkpoint-dir' is '/tmp/a.*b', and it must be a path"),
    ],
)
def test_a_bad_value_is_refused_by_name(given: dict[str, str], message: str) -> None:
    with pytest.raises(HyperparameterError, match=message):
        Hyperparameters.from_strings(given)
