"""Drawn pictures to learn from: shapes, stripes and lettering, as cartoons and titles have them.

    python -m models.spmc.drawing --out DIR [--count 24]

`models.spmc.data --photos DIR` films them as it films photographs. Edges are as sharp as pixels
allow: pictures are drawn four times as large, then averaged.
"""

from __future__ import annotations

import argparse
import random
import string
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from models.common.command import positive, told

SIDE = 900
"""Pixels of a side of a picture."""
FINER = 4
"""How many times as large it is drawn."""
OBJECTS = 90
"""Shapes, groups of stripes and words in a picture."""


def grey() -> int:
    """Any level, the ends of the range more often than they are by chance."""
    return random.choice([0, 255, *(random.randrange(256) for _ in range(6))])


def shape(draw: ImageDraw.ImageDraw, x: int, y: int, size: int) -> None:
    """A disc, a ring, a box, a polygon or a stroke of about SIZE around X, Y."""
    box = (x - size, y - random.randint(size // 3, size), x + size, y + size)
    width = random.randint(FINER, max(FINER, size // 4))
    points = [
        (x + random.randint(-size, size), y + random.randint(-size, size))
        for _ in range(random.randint(3, 6))
    ]
    kind = random.randrange(5)
    if kind == 0:
        draw.ellipse(box, fill=grey())
    elif kind == 1:
        draw.ellipse(box, outline=grey(), width=width)
    elif kind == 2:
        draw.rectangle(box, fill=grey())
    elif kind == 3:
        draw.polygon(points, fill=grey())
    else:
        draw.line(points, fill=grey(), width=width, joint="curve")


def stripes(draw: ImageDraw.ImageDraw, x: int, y: int, size: int) -> None:
    """Parallel strokes in any direction around X, Y: from a pixel and a half to forty apart."""
    apart, level = random.uniform(1.5, 40) ** random.uniform(0.5, 1) * FINER, grey()
    dx, dy = random.randint(-size, size), random.randint(-size, size)
    length = max(1.0, (dx * dx + dy * dy) ** 0.5)
    for number in range(int(size / apart) + 2):
        across, down = -dy / length * apart * number, dx / length * apart * number
        begin = (x + across, y + down)
        end = (begin[0] + dx, begin[1] + dy)
        draw.line([begin, end], fill=level, width=max(1, round(apart / 2)))


def word(draw: ImageDraw.ImageDraw, x: int, y: int, size: int) -> None:
    """A few letters and digits, as high as 8 to 60 pixels, from X, Y on."""
    text = "".join(random.choices(string.ascii_letters + string.digits, k=random.randint(2, 9)))
    height = random.randint(8 * FINER, 60 * FINER)
    draw.text((x, y), text, fill=grey(), font=ImageFont.load_default(height))


def ground(side: int) -> Image.Image:
    """What all lies on: a level, or a slow gradient in any direction."""
    if random.random() < 0.4:
        return Image.new("L", (side, side), grey())
    ramp = Image.linear_gradient("L").resize((2 * side, 2 * side), Image.Resampling.BICUBIC)
    ramp = ramp.rotate(random.uniform(0, 360), Image.Resampling.BICUBIC)
    cut = side // 2
    return ramp.crop((cut, cut, cut + side, cut + side))


def drawn() -> Image.Image:
    """A picture of SIDE x SIDE, grey."""
    side = SIDE * FINER
    picture = ground(side)
    draw = ImageDraw.Draw(picture)
    for _ in range(OBJECTS):
        thing = random.choices([shape, stripes, word], [5, 2, 3])[0]
        size = round(side * random.uniform(0.01, 0.15))
        thing(draw, random.randrange(side), random.randrange(side), size)
    return picture.reduce(FINER)


@told
def main() -> None:
    """Draw a folder of pictures."""
    parser = argparse.ArgumentParser(prog="python -m models.spmc.drawing", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=positive, default=24)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    random.seed(given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    for number in range(given.count):
        drawn().save(given.out / f"drawn_{number:03d}.png")


if __name__ == "__main__":
    main()
