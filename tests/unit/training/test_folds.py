"""Cross-fitting: folds that no group of duplicates straddles, and the epoch that was best for all."""

from __future__ import annotations

import pytest
import torch

from training.fitting import Epoch, Fit
from training.folds import deal, gather
from training.pictures import Pictures


def _pictures(labels: list[int], groups: list[str]) -> Pictures:
    return Pictures(torch.zeros(len(labels), 3, 1, 1, dtype=torch.uint8), torch.tensor(labels), tuple(groups))


def test_folds_hold_every_picture_once_and_equally_many_of_each_class() -> None:
    labels = [0] * 31 + [1] * 9
    folds = deal(_pictures(labels, [f"g{i}" for i in range(40)]), 4)
    assert sorted(torch.cat(folds).tolist()) == list(range(40))
    assert {int((torch.tensor(labels)[rows] == 1).sum()) for rows in folds} <= {2, 3}
    assert {len(rows) for rows in folds} == {10}


def test_no_group_straddles_folds_whatever_the_order_of_the_files() -> None:
    groups = [f"g{i // 3}" for i in range(30)]
    labels = [i % 2 for i in range(30)]
    folds = deal(_pictures(labels, groups), 3)
    where = {
        group: {n for n, rows in enumerate(folds) for row in rows if groups[row] == group} for group in groups
    }
    assert all(len(found) == 1 for found in where.values())
    turned = deal(_pictures(labels[::-1], groups[::-1]), 3)
    assert [{groups[row] for row in rows} for rows in folds] == [
        {groups[::-1][row] for row in rows} for rows in turned
    ]


def _fit(rows: int, losses: list[float]) -> Fit:
    # A logit that is as far from the truth (class 0) as the loss says.
    logits = [torch.tensor([[-loss, 0.0]] * rows) for loss in losses]
    return Fit([Epoch(i + 1, 1.0, 2.0) for i in range(len(losses))], logits)


def test_the_epoch_is_the_one_that_served_all_held_out_pictures_best() -> None:
    labels = [0, 0]
    held = [_pictures(labels, ["a", "b"]), _pictures(labels, ["c", "d"])]
    answers = gather([_fit(2, [3.0, 1.0, 0.0, 0.5]), _fit(2, [3.0, 0.0, 2.0])], held)
    assert answers.epochs == 2
    assert answers.logits[:, 0].tolist() == [-1.0, -1.0, 0.0, 0.0]
    assert [epoch.epoch for epoch in answers.curve] == [1, 2, 3]
    assert answers.curve[0].validation_accuracy == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("losses", "stale"), [([1.0, 0.9, 0.8], False), ([1.0, 1.1, 1.2], True), ([1.0, 1.1], False)]
)
def test_training_stops_when_validation_has_not_improved_for_so_long(
    losses: list[float], stale: bool
) -> None:
    fit = Fit([Epoch(i, 0.0, 0.0, loss, 0.5) for i, loss in enumerate(losses)])
    assert fit.stale(2) is stale
    assert fit.stale(0) is False
