"""Cross-fitting: folds that no group of duplicates straddles, and the mean of what came out of them."""

from __future__ import annotations

import pytest
import torch

from classifier.network import EfficientNetLite0
from training.folds import average, deal, gather
from training.pictures import Pictures
from training.run import Epoch, Fit


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


def test_answers_are_each_network_s_best_and_the_curve_is_all_pictures_mean() -> None:
    held = [_pictures([0, 0, 0], ["a", "b", "c"]), _pictures([0], ["d"])]
    fits = [
        Fit([Epoch(1, 1.0, 2.0, 0.8, 0.5), Epoch(2, 0.5, 2.0, 0.4, 1.0)], torch.ones(3, 2)),
        Fit([Epoch(1, 3.0, 2.0, 0.4, 0.5), Epoch(2, 2.5, 2.0, 0.8, 0.0)], torch.zeros(1, 2)),
    ]
    answers = gather(fits, held)
    assert answers.epochs == (2, 1)
    assert answers.logits.tolist() == [[1.0, 1.0]] * 3 + [[0.0, 0.0]]
    assert [(epoch.epoch, epoch.train_loss, epoch.seconds) for epoch in answers.curve] == [
        (1, 2.0, 4.0),
        (2, 1.5, 4.0),
    ]
    assert [epoch.validation_loss for epoch in answers.curve] == pytest.approx([0.7, 0.5])
    assert [epoch.validation_accuracy for epoch in answers.curve] == pytest.approx([0.5, 0.75])


def test_the_average_has_the_mean_of_the_weights() -> None:
    networks = [EfficientNetLite0(2) for _ in range(3)]
    for number, network in enumerate(networks):
        torch.nn.init.constant_(network.head.weight, float(number))
    assert torch.equal(average(networks).head.weight, networks[1].head.weight)
    assert not networks[0].head.weight.any()


@pytest.mark.parametrize(
    ("losses", "stale"), [([1.0, 0.9, 0.8], False), ([1.0, 1.1, 1.2], True), ([1.0, 1.1], False), ([], False)]
)
def test_training_stops_when_validation_has_not_improved_for_so_long(
    losses: list[float], stale: bool
) -> None:
    fit = Fit([Epoch(number, 0.0, 0.0, loss, 0.5) for number, loss in enumerate(losses, start=1)])
    assert fit.stale(2) is stale
    assert fit.stale(0) is False
