"""A clip for measuring speed: texture that moves, something in front of it, and some noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from vsrcli.errors import OutputError
from vsrcli.media.colour import BT709

RATE = 25
_WAVES = 12
_NOISE = 1.5
"""Standard deviation, on the scale of 8 bits: a camera's, so that an encoder has its usual work."""


class MovingTexture:
    """Pictures of one size: a background and a smaller foreground, moving in two directions.

    Detail goes up to what the sampling can hold, and moves by fractions of a pixel. The same
    pictures on every machine, but for the last bits.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        """`size` is (width, height), both even."""
        self.size = size
        rng = np.random.default_rng(size)
        self._background, self._foreground = _waves(rng), _waves(rng)
        self._noise = rng.normal(0, _NOISE, (size[1], size[0])).astype(np.float32)

    def luma(self, index: int) -> NDArray[np.uint8]:
        """Luma [h, w] of picture `index`, 16 to 235."""
        width, height = self.size
        plane = _texture(self._background, width, height, (1.3 * index, 0.45 * index))
        across, down = width // 3, height // 3
        left = (2 * index) % (width - across)
        top = (height - down) // 2
        plane[top : top + down, left : left + across] = _texture(
            self._foreground, across, down, (0.3 * index, -0.7 * index)
        )
        # Noise that is new in every picture, for the price of moving it.
        plane += np.roll(self._noise, (37 * index, 91 * index), (0, 1))
        return np.clip(np.rint(plane), 16, 235).astype(np.uint8)

    def picture(self, index: int) -> av.VideoFrame:
        """Picture `index` as 4:2:0, BT.709, with its time."""
        luma = self.luma(index)
        quarter = luma[::2, ::2]
        planes = [luma, 64 + quarter // 2, 192 - quarter // 2]
        packed = np.concatenate([plane.ravel() for plane in planes])
        picture = av.VideoFrame.from_ndarray(packed.reshape(-1, luma.shape[1]), "yuv420p")
        picture.pts = index
        return picture


def write_moving_texture(path: Path, size: tuple[int, int], frames: int) -> None:
    """Write `frames` pictures of `size` (width, height) as H.264 into the video file `path`.

    Raises OutputError if that fails.
    """
    texture = MovingTexture(size)
    try:
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream(
                "libx264", rate=RATE, width=size[0], height=size[1], pix_fmt="yuv420p"
            )
            stream.codec_context.options = {"preset": "veryfast", "crf": "21"}
            stream.codec_context.colorspace = stream.codec_context.color_primaries = BT709
            stream.codec_context.color_trc = BT709
            for index in range(frames):
                container.mux(stream.encode(texture.picture(index)))
            container.mux(stream.encode())
    except (OSError, av.FFmpegError) as failure:
        reason = getattr(failure, "strerror", None) or failure
        raise OutputError(f"{path}: cannot be written ({reason})") from None


def _waves(rng: np.random.Generator) -> NDArray[np.float64]:
    """Frequencies across and down (radians a pixel), phase and strength of each wave: [4, n]."""
    reach = 0.02 + 0.38 * rng.random(_WAVES) ** 1.5  # cycles a pixel, below Nyquist's half
    angle, phase = 2 * np.pi * rng.random((2, _WAVES))
    turn = 2 * np.pi * reach
    return np.array([turn * np.cos(angle), turn * np.sin(angle), phase, 4 / (0.1 + reach)])


def _texture(
    waves: NDArray[np.float64], width: int, height: int, moved: tuple[float, float]
) -> NDArray[np.float32]:
    """The sum of the waves, moved right and down by so many pixels, around a middle gray."""
    across, down, phase, strength = waves[:, None]
    x = (np.arange(width)[:, None] - moved[0]) * across
    y = (np.arange(height)[:, None] - moved[1]) * down + phase
    # sin(x + y) written as products of rows and columns, for speed
    rows = np.concatenate([strength * np.sin(y), strength * np.cos(y)], axis=1)
    columns = np.concatenate([np.cos(x), np.sin(x)], axis=1)
    plane: NDArray[np.float32] = rows.astype(np.float32) @ columns.astype(np.float32).T
    return plane + np.float32(126)
