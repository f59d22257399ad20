"""Bicycles and motorcycles from the side: thin wheels and an open frame, or thick ones and a body between."""

import math
from random import Random

from training.drawings.canvas import Brush, Colour, Point, circle, colour, shade


def bicycle(random: Random, brush: Brush) -> None:
    """Draw a bicycle: big thin wheels with spokes, a frame of tubes, a saddle, a handlebar."""
    frame, tyre = colour(random), _tyre(random)
    radius = random.uniform(0.38, 0.46)
    y = 0.42
    rear, front = (-0.56, y), (0.56, y)
    for hub in (rear, front):
        _spokes(random, brush, hub, radius, count=random.choice((0, 8, 12)))
        brush.ring(hub, radius, tyre, random.uniform(0.035, 0.06))
    crank = (random.uniform(-0.1, 0.0), y + 0.04)
    seat = (random.uniform(-0.3, -0.2), y - random.uniform(0.6, 0.75))
    head = (random.uniform(0.32, 0.42), y - random.uniform(0.62, 0.75))
    width = random.uniform(0.045, 0.075)
    tubes: list[tuple[Point, Point]] = [(rear, crank), (crank, head), (crank, seat), (rear, seat)]
    if random.random() < 0.75:  # else a step-through frame
        tubes.append((seat, head))
    for start, end in (*tubes, (head, front)):
        brush.line([start, end], frame, width)
    bar = (head[0] + random.uniform(-0.05, 0.05), head[1] - random.uniform(0.08, 0.16))
    brush.line([head, bar, (bar[0] + random.choice((-0.16, 0.16)), bar[1] - 0.02)], shade(tyre, 1.3), 0.05)
    brush.line([seat, (seat[0] - 0.02, seat[1] - 0.1)], shade(frame, 0.8), width)
    brush.line([(seat[0] - 0.15, seat[1] - 0.12), (seat[0] + 0.1, seat[1] - 0.11)], tyre, 0.08)
    brush.disk(crank, random.uniform(0.05, 0.09), shade(tyre, 1.5))
    if random.random() < 0.3:  # a basket or a bag, which fills part of the open frame's outline
        x = random.choice((0.55, -0.6))
        brush.polygon([(x - 0.13, -0.2), (x + 0.13, -0.2), (x + 0.1, 0.0), (x - 0.1, 0.0)], colour(random))


def motorcycle(random: Random, brush: Brush) -> None:
    """Draw a motorcycle: smaller thick wheels, engine, tank, long seat, exhaust."""
    paint, tyre = colour(random), _tyre(random)
    metal = shade((150, 150, 155), random.uniform(0.5, 1.3))
    radius = random.uniform(0.28, 0.37)
    y = 0.46
    rear, front = (-0.58, y), (0.62, y)
    for hub in (rear, front):
        if random.random() < 0.6:
            _spokes(random, brush, hub, radius, count=5)
        brush.ring(hub, radius, tyre, random.uniform(0.1, 0.16))
        brush.disk(hub, random.uniform(0.06, 0.13), metal)
    head = (random.uniform(0.28, 0.38), -random.uniform(0.2, 0.32))
    brush.line([front, head], metal, 0.07)
    brush.polygon(
        _jitter(random, [(-0.28, 0.1), (0.22, 0.08), (0.25, 0.42), (-0.2, 0.48)]), shade(metal, 0.75)
    )
    for _ in range(random.randint(1, 3)):
        brush.disk((random.uniform(-0.15, 0.18), random.uniform(0.18, 0.4)), 0.09, shade(metal, 1.2))
    tank = _jitter(random, [(-0.12, -0.12), (0.05, -0.26), (0.34, -0.2), (0.3, 0.06), (-0.1, 0.1)])
    brush.polygon(tank, paint)
    seat = _jitter(random, [(-0.72, -0.12), (-0.4, -0.1), (-0.1, -0.1), (-0.12, 0.06), (-0.55, 0.02)])
    brush.polygon(seat, shade(tyre, 1.1))
    exhaust = [(0.1, 0.42), (-0.3, 0.54), (-0.85, random.uniform(0.38, 0.52))]
    brush.line(exhaust, shade(metal, 1.3), random.uniform(0.07, 0.11))
    bar = (head[0] - 0.08, head[1] - random.uniform(0.08, 0.2))
    brush.line([head, bar, (bar[0] - 0.14, bar[1] + 0.03)], shade(tyre, 1.2), 0.06)
    brush.disk((head[0] + 0.1, head[1] + 0.05), random.uniform(0.07, 0.11), shade((250, 240, 190), 0.9))
    if random.random() < 0.5:  # mudguard or fairing
        arc = [point for point in circle(front, radius + 0.08) if point[1] < y - 0.12]
        brush.line(sorted(arc), paint, 0.07)


def _tyre(random: Random) -> Colour:
    level = random.randint(10, 80)
    return level, level, min(255, level + random.randint(0, 12))


def _spokes(random: Random, brush: Brush, hub: Point, radius: float, count: int) -> None:
    start = random.uniform(0, math.pi)
    tint = shade((170, 170, 175), random.uniform(0.6, 1.3))
    for step in range(count):
        angle = start + 2 * math.pi * step / count
        rim = (hub[0] + radius * math.cos(angle), hub[1] + radius * math.sin(angle))
        brush.line([hub, rim], tint, 0.015)


def _jitter(random: Random, points: list[Point], by: float = 0.04) -> list[Point]:
    return [(x + random.uniform(-by, by), y + random.uniform(-by, by)) for x, y in points]
