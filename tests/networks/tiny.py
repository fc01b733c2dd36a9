"""The tiny model of tests/data, whose pictures tell what went into them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsrcli.networks.card import Model, find_model

TINY = Path(__file__).parents[1] / "data" / "tiny"
MEAN, MOVED, AGE, STATE_FLOW, MEMORY, REFERENCE = range(6)


def tiny_model() -> Model:
    """The model itself."""
    return find_model(TINY)


def phase(picture: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """One of the 16 pictures [H, W] interleaved in PICTURE [4H, 4W]."""
    return picture[number // 4 :: 4, number % 4 :: 4]


def level(picture: NDArray[np.float32], number: int) -> float:
    """The value of a phase that is the same everywhere."""
    plane = phase(picture, number)
    assert np.ptp(plane) < 1e-6
    return float(plane.mean())


def flat(value: float, height: int = 6, width: int = 8) -> NDArray[np.float32]:
    """A frame of one value."""
    return np.full((height, width), value, np.float32)
