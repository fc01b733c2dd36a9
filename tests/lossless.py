"""Clips whose decoded pictures are exactly the frames given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from vsrcli.media.planes import Frame, to_video_frame


def write_frames(path: Path, frames: Sequence[Frame], codec: str = "ffv1") -> Path:
    """Encode frames without loss at 25 frames a second; ffv1 holds Y'CbCr, png RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as output:
        first = frames[0]
        stream = output.add_stream(
            codec,
            rate=25,
            width=first.width,
            height=first.height,
            pix_fmt="rgb24" if codec == "png" else first.layout.pix_fmt,
        )
        stream.codec_context.colorspace = first.tags.matrix
        stream.codec_context.color_range = first.tags.range
        for number, frame in enumerate(frames):
            picture = to_video_frame(replace(frame, pts=number, time_base=Fraction(1, 25)))
            output.mux(stream.encode(picture))
        output.mux(stream.encode())
    return path


def noisy(frame: Frame, sigma: float, seed: int = 0) -> Frame:
    """Return `frame` with noise of `sigma` on the scale of 8 bits in every plane."""
    rng = np.random.default_rng(seed)
    top, gain = (1 << frame.layout.depth) - 1, 1 << (frame.layout.depth - 8)
    planes = tuple(
        np.rint(np.clip(plane + rng.normal(0, sigma * gain, plane.shape), 0, top)).astype(
            plane.dtype
        )
        for plane in frame.planes
    )
    return replace(frame, planes=planes)
