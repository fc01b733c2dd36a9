"""Pictures of more bits than are learnt from."""

from __future__ import annotations

import numpy as np
from PIL import Image


def eight_bits(image: Image.Image) -> Image.Image:
    """IMAGE, grey of 16 bits as the nearest of 8: Pillow cuts it off at 255, which is white."""
    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
