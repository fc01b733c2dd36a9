"""Training clips: out of any video and photograph, into a cache that is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

FRAMES = 8


def moving(height: int = 128, width: int = 160) -> NDArray[np.uint8]:
    """Grey pictures [FRAMES, H, W] that move, with detail."""
    noise = gaussian_filter(np.random.default_rng(0).random((height, width + 3 * FRAMES)), 1.2)
    picture = np.clip(125 + (noise - noise.mean()) * 12 / noise.std(), 16, 235).astype(np.uint8)
    return np.stack([picture[:, 3 * t : 3 * t + width] for t in range(FRAMES)])


def write(path: Path, pix_fmt: str, pictures: NDArray[np.uint8]) -> None:
    """PICTURES as a lossless video of PIX_FMT, whose luma they are, or red, green and blue."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height = pictures.shape[2], pictures.shape[1]
        stream.pix_fmt = pix_fmt
        for picture in pictures:
            if pix_fmt == "bgr0":
                tinted = np.stack([picture // 4, picture, picture // 2], -1)
                frame = av.VideoFrame.from_ndarray(tinted, "bgr24").reformat(format="bgr0")
            else:
                frame = av.VideoFrame(pictures.shape[2], pictures.shape[1], pix_fmt)
                for plane in frame.planes:
                    grey = np.full((plane.height, plane.line_size // 2), 512, "<u2")
                    if plane is frame.planes[0] or plane.width == pictures.shape[2]:
                        grey[:, : plane.width] = picture.astype("<u2") * 4
                    plane.update(grey.tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_video_of_ten_bits_is_cached_in_eight(torch: Any, tmp_path: Path) -> None:
    from models.spmc.shots import shots

    pictures = moving()
    write(tmp_path / "deep.mkv", "yuv420p10le", pictures)
    (clip,) = shots(tmp_path / "deep.mkv", FRAMES, 1, None)
    assert clip.dtype == np.uint8
    assert np.array_equal(clip, pictures)


def test_luma_of_rgb_video_is_no_single_channel(torch: Any, tmp_path: Path) -> None:
    from models.spmc.shots import shots

    pictures = moving()
    write(tmp_path / "rgb.mkv", "bgr0", pictures)
    (clip,) = shots(tmp_path / "rgb.mkv", FRAMES, 1, None)
    blue, green, red = pictures // 4, pictures, pictures // 2
    expected = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
    assert np.abs(clip - expected).max() <= 0.51
