"""LR frames in, HR frames out: luma through the network, chroma after it, alpha resampled."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vsrcli.media.chroma import ChromaFromLuma, follows_luma
from vsrcli.media.colour import rgb_to_ycbcr, ycbcr_to_rgb
from vsrcli.media.planes import Frame, Plane
from vsrcli.media.resample import (
    Matrix,
    PlanesResampler,
    along_columns,
    chroma_location,
    resample,
    resample_matrix,
    resampler_for,
    to_samples,
)

Luma = NDArray[np.float32]
_STRIP = 64
"""Rows of an RGB picture that are finished at once."""
S = TypeVar("S")


class Upscaler(Protocol[S]):
    """Luma in, luma four times the size out: SpmcUpscaler, or an Ensemble of them."""

    def look(self, luma: ArrayLike, /) -> S:
        """Take the next frame [H, W], 0..1 or uint8; return what `fuse` has to know of it."""

    def fuse(self, seen: S, /) -> list[Luma]:
        """Take the next frame looked at; return the frames [4H, 4W], 0..1, now finished."""

    def flush(self) -> list[Luma]:
        """End the clip; return the frames still due."""


class FrameEnlarger(Generic[S]):
    """Enlarges the frames of one clip to a target size, in the clip's own colour.

    Y'CbCr planes are never converted. RGB pictures are taken to full-range BT.601 Y'CbCr in
    floating point for the network and back, since it sees luma alone.
    """

    def __init__(self, upscaler: Upscaler[S], size: tuple[int, int]) -> None:
        """`size` is the target (width, height); the luma is resampled to it from four times LR."""
        self._upscaler = upscaler
        self.size = size
        """(width, height) of the enlarged frames."""
        self._waiting: deque[tuple[Frame, bool]] = deque()
        self._luma: tuple[Matrix, Matrix] | None = None
        self._others: PlanesResampler | None = None
        self._chroma: ChromaFromLuma | None = None

    def push(self, frame: Frame) -> list[Frame]:
        """Take the next frame; return the enlarged frames that are finished by it, in order."""
        return [self.finish(*pair) for pair in self.advance(frame, self.look(frame))]

    def flush(self) -> list[Frame]:
        """End the clip: return the enlarged frames still due, in order."""
        return [self.finish(*pair) for pair in self.conclude()]

    def look(self, frame: Frame) -> S:
        """The first part of `push`: what `advance` has to know of the frame, its motion above all.

        While one thread is here another may be in `advance` and a third in `finish`.
        """
        return self._upscaler.look(_luma_of(frame))

    def advance(self, frame: Frame, seen: S, *, wanted: bool = True) -> list[tuple[Frame, Luma]]:
        """The network's part of `push`: frames for `finish`, each with its HR luma, in order.

        A frame that is not `wanted` is context: others are made with its help, itself is not
        returned.
        """
        self._waiting.append((frame, wanted))
        return self._matched(self._upscaler.fuse(seen))

    def conclude(self) -> list[tuple[Frame, Luma]]:
        """The network's part of `flush`."""
        return self._matched(self._upscaler.flush())

    def _matched(self, lumas: list[Luma]) -> list[tuple[Frame, Luma]]:
        pairs = [(luma, *self._waiting.popleft()) for luma in lumas]
        return [(frame, luma) for luma, frame, wanted in pairs if wanted]

    def finish(self, frame: Frame, luma: Luma) -> Frame:
        """The enlarged `frame`: HR luma [4H, 4W] in 0..1 at the target size, the rest resampled."""
        luma = self._to_size(luma)
        if frame.layout.kind == "rgb":
            planes = self._finish_rgb(frame, luma)
        else:
            rest = self._finish_rest(frame, luma)
            planes = (to_samples(luma, frame.layout.depth, frame.layout.peak), *rest)
        return replace(frame, planes=planes)

    def _finish_rest(self, frame: Frame, luma: Luma) -> tuple[Plane, ...]:
        """Chroma and alpha of a Y'CbCr FRAME, beside its finished LUMA."""
        resampler, count = self._resampler(frame), len(frame.planes)
        if not follows_luma(frame.layout):
            return resampler.only(frame.planes, range(1, count))
        if self._chroma is None:
            self._chroma = ChromaFromLuma(frame.layout, chroma_location(frame.tags), resampler)
        chroma = self._chroma(frame.planes, luma)
        return (*chroma, *resampler.only(frame.planes, range(3, count)))

    def _finish_rgb(self, frame: Frame, luma: Luma) -> tuple[Plane, ...]:
        depth, peak = frame.layout.depth, frame.layout.peak
        rows, columns = self._resampler(frame).full
        _, *chroma = rgb_to_ycbcr(*_unit_rgb(frame))
        wide = [along_columns(plane, columns) for plane in chroma]
        colours = tuple(np.empty(luma.shape, frame.planes[0].dtype) for _ in range(3))
        # A large picture in floating point, six times over, would be most of the memory.
        for top in range(0, len(luma), _STRIP):
            part = slice(top, top + _STRIP)
            cb, cr = (rows[part] @ plane for plane in wide)
            red, green, blue = ycbcr_to_rgb(luma[part], cb, cr)
            for plane, found in zip(colours, (green, blue, red), strict=True):
                plane[part] = to_samples(found, depth, peak)
        return (*colours, *self._resampler(frame).only(frame.planes, range(3, len(frame.planes))))

    def _to_size(self, luma: Luma) -> Luma:
        height, width = luma.shape
        if (width, height) == self.size:
            return luma
        if self._luma is None:
            rows = resample_matrix(height, self.size[1])
            self._luma = (rows, resample_matrix(width, self.size[0]))
        return resample(luma, *self._luma)

    def _resampler(self, frame: Frame) -> PlanesResampler:
        if self._others is None:
            self._others = resampler_for(frame, self.size)
        return self._others


def _luma_of(frame: Frame) -> Luma | Plane:
    """Luma [H, W]: the Y plane if it is of bytes, else in 0..1; BT.601 luma of an RGB picture."""
    if frame.layout.kind == "rgb":
        return rgb_to_ycbcr(*_unit_rgb(frame))[0]
    if frame.layout.depth == 8:
        return frame.planes[0]
    scale = np.float32(1.0 / frame.layout.peak)
    return frame.planes[0].astype(np.float32) * scale


def _unit_rgb(frame: Frame) -> tuple[Luma, Luma, Luma]:
    scale = np.float32(1.0 / frame.layout.peak)
    green, blue, red = (plane.astype(np.float32) * scale for plane in frame.planes[:3])
    return red, green, blue
