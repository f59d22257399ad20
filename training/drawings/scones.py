"""Scones from above: good ones, and defective ones that are burnt, pale, cracked or out of shape."""

import math
from random import Random

from training.drawings.canvas import Brush, Colour, Point, shade

DEFECTS = ("burnt", "undercooked", "cracked", "misshapen")
_GOLDEN = (214, 160, 86)
_BAKING = {"burnt": (0.28, 0.5), "undercooked": (1.22, 1.32)}


def good(random: Random, brush: Brush) -> None:
    """Draw an evenly baked, round scone."""
    _scone(random, brush, defect=None)


def defective(random: Random, brush: Brush) -> None:
    """Draw a scone with one of the defects."""
    _scone(random, brush, defect=random.choice(DEFECTS))


def _scone(random: Random, brush: Brush, defect: str | None) -> None:
    low, high = _BAKING.get(defect or "", (0.8, 1.1))
    crust = shade(_tint(random), random.uniform(low, high))
    if defect == "undercooked":
        crust = (crust[0], min(255, round(crust[1] * 1.12)), min(255, round(crust[2] * 1.6)))
    wobble = random.uniform(0.2, 0.34) if defect == "misshapen" else random.uniform(0.01, 0.05)
    outline = _outline(random, wobble)
    brush.polygon([(x * 1.04 + 0.05, y * 1.04 + 0.07) for x, y in outline], shade(crust, 0.45))
    brush.polygon(outline, shade(crust, 0.82))
    for ring in range(1, 6):
        reach = 1 - 0.13 * ring
        tone = shade(crust, 0.82 + 0.06 * ring)
        brush.polygon([(x * reach - 0.015 * ring, y * reach - 0.02 * ring) for x, y in outline], tone)
    _crumbs(random, brush, crust)
    if defect == "burnt":
        for _ in range(random.randint(3, 8)):
            brush.disk(
                _inside(random, 0.6), random.uniform(0.06, 0.2), shade(crust, random.uniform(0.3, 0.7))
            )
    if defect == "cracked":
        for _ in range(random.randint(1, 3)):
            _crack(random, brush, shade(crust, random.uniform(0.3, 0.5)))


def _tint(random: Random) -> Colour:
    red, green, blue = _GOLDEN
    return red + random.randint(-18, 18), green + random.randint(-18, 18), blue + random.randint(-22, 22)


def _outline(random: Random, wobble: float) -> list[Point]:
    waves = [
        (k, random.uniform(-1, 1) * wobble / k**0.5, random.uniform(0, 2 * math.pi)) for k in (2, 3, 4, 5)
    ]
    radius = random.uniform(0.62, 0.78)
    points = []
    for step in range(72):
        angle = 2 * math.pi * step / 72
        reach = radius * (1 + sum(size * math.sin(k * angle + phase) for k, size, phase in waves))
        points.append((reach * math.cos(angle), reach * math.sin(angle)))
    return points


def _crumbs(random: Random, brush: Brush, crust: Colour) -> None:
    for _ in range(random.randint(15, 45)):
        tone = shade(crust, random.uniform(0.8, 1.15))
        brush.disk(_inside(random, 0.6), random.uniform(0.01, 0.035), tone)
    if random.random() < 0.5:  # raisins, which are dark and belong there
        for _ in range(random.randint(2, 7)):
            brush.disk(_inside(random, 0.52), random.uniform(0.03, 0.055), (60, 35, 30))


def _inside(random: Random, reach: float) -> Point:
    angle, distance = random.uniform(0, 2 * math.pi), reach * math.sqrt(random.random())
    return distance * math.cos(angle), distance * math.sin(angle)


def _crack(random: Random, brush: Brush, tone: Colour) -> None:
    angle = random.uniform(0, math.pi)
    along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
    offset = random.uniform(-0.25, 0.25)
    points = []
    for step in range(9):
        distance = -0.58 + 1.16 * step / 8
        aside = offset + random.uniform(-0.09, 0.09)
        points.append((along[0] * distance + across[0] * aside, along[1] * distance + across[1] * aside))
    brush.line(points, tone, random.uniform(0.035, 0.07))
