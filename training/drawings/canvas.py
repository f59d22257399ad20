"""What all drawings share: a seeded scene, a brush in the subject's own coordinates, and a camera."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

SUPERSAMPLE = 3
Colour = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class Pose:
    """
    Where a subject stands: its unit square, -1…1 with y downwards, is turned, scaled and moved.

    Parameters
    ----------
    centre
        Pixels.
    scale
        Pixels for a unit.
    turn
        Radians.
    squeeze
        Horizontal scale in addition, as when seen from an angle; negative mirrors.
    """

    centre: Point
    scale: float
    turn: float
    squeeze: float

    def at(self, x: float, y: float) -> Point:
        """Place a point of the subject in the picture."""
        x *= self.squeeze
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        return (
            self.centre[0] + self.scale * (x * cos - y * sin),
            self.centre[1] + self.scale * (x * sin + y * cos),
        )


class Brush:
    """Draws in a pose's coordinates."""

    def __init__(self, image: Image.Image, pose: Pose) -> None:
        self.pose = pose
        self._draw = ImageDraw.Draw(image)

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """Draw a stroke through the points; ``width`` in the subject's units."""
        placed = [self.pose.at(*point) for point in points]
        pixels = max(1, round(width * self.pose.scale))
        self._draw.line(placed, fill=colour, width=pixels, joint="curve")

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill the polygon."""
        self._draw.polygon([self.pose.at(*point) for point in points], fill=colour)

    def disk(self, centre: Point, radius: float, colour: Colour) -> None:
        """Fill a circle."""
        self.polygon(circle(centre, radius), colour)

    def ring(self, centre: Point, radius: float, colour: Colour, width: float) -> None:
        """Draw a circle's outline."""
        points = circle(centre, radius)
        self.line([*points, points[0], points[1]], colour, width)


def circle(centre: Point, radius: float, steps: int = 40) -> list[Point]:
    """Points of a circle."""
    angles = [2 * math.pi * step / steps for step in range(steps)]
    return [(centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a)) for a in angles]


def colour(random: Random, low: int = 0, high: int = 255) -> Colour:
    """Any colour between two levels."""
    return random.randint(low, high), random.randint(low, high), random.randint(low, high)


def shade(base: Colour, factor: float) -> Colour:
    """Return the colour, lighter or darker."""
    red, green, blue = (max(0, min(255, round(level * factor))) for level in base)
    return red, green, blue


def pose(random: Random, size: int, *, turn: float, scale: tuple[float, float]) -> Pose:
    """Stand somewhere near the middle; ``scale`` as a share of half the side."""
    half = size / 2
    unit = half * random.uniform(*scale)
    room = max(0.0, half - unit) + 0.06 * size
    return Pose(
        centre=(half + random.uniform(-room, room), half + random.uniform(-room, room)),
        scale=unit,
        turn=random.uniform(-turn, turn),
        squeeze=random.choice((-1, 1)) * random.uniform(0.75, 1.0),
    )


def background(random: Random, size: int) -> Image.Image:
    """Paint sky and ground, a wall, or clutter, in any colours."""
    top, bottom = colour(random, 60, 240), colour(random, 40, 230)
    ramp = np.linspace(0.0, 1.0, size)[:, None, None] ** random.uniform(0.4, 2.5)
    if random.random() < 0.5:
        ramp = (ramp > random.uniform(0.3, 0.8)).astype(float)
    pixels = np.asarray(top) * (1 - ramp) + np.asarray(bottom) * ramp
    image = Image.fromarray(np.broadcast_to(pixels, (size, size, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(random.randint(0, 9)):
        x, y = random.uniform(0, size), random.uniform(0, size)
        width, height = random.uniform(0.03, 0.4) * size, random.uniform(0.03, 0.4) * size
        shape = random.choice((draw.rectangle, draw.ellipse))
        shape((x, y, x + width, y + height), fill=colour(random, 30, 240))
    for _ in range(random.randint(0, 5)):
        ends = [(random.uniform(0, size), random.uniform(0, size)) for _ in range(2)]
        draw.line(ends, fill=colour(random, 20, 240), width=random.randint(1, max(1, size // 40)))
    return image.filter(ImageFilter.GaussianBlur(random.uniform(0.0, 0.012) * size))


def photograph(random: Random, image: Image.Image, side: int) -> Image.Image:
    """Reduce to ``side`` pixels with a camera's faults: light, colour, blur and noise."""
    image = image.resize((side, side), Image.Resampling.LANCZOS)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(random.uniform(0.65, 1.25))
    image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.0, 1.1)))
    noise = np.random.default_rng(random.getrandbits(32)).normal(0.0, random.uniform(0, 9), (side, side, 3))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))
