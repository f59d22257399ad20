"""Built-in drawings: something to train on where there are no pictures. Never quoted as a model's quality."""

from training.drawings.gallery import CLASSES, draw, draw_candidates

__all__ = ["CLASSES", "draw", "draw_candidates"]
