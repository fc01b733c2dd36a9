"""Does the picture hold still: tOF and warping error, with optical flow by OpenCV."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.spmc.analysis import SCALE, Record
from models.spmc.inputs import BICUBIC, Enlarger, Truth, luma_plane, make_low, vsr
from vsrcli.degradation import Kind
from vsrcli.errors import UsageError
from vsrcli.media.planes import Plane

Flow = NDArray[np.float32]
"""[H, W, 2], (x, y) in HR pixels: pixel p of the first frame is at p + flow(p) in the second."""

FARNEBACK = (0.5, 3, 15, 3, 5, 1.2, 0)
"""Pyramid scale, levels, window, iterations, neighbourhood, its sigma, flags: as in TecoGAN."""
METHODS = (BICUBIC, vsr(1), vsr(5))
KINDS: tuple[Kind, ...] = ("bi", "contest")


def opencv() -> Any:
    """The cv2 module. Raises UsageError if it is not installed."""
    try:
        import cv2
    except ImportError as error:
        raise UsageError(
            "table time needs OpenCV: pip install 'vsr[train]', or leave that table out"
        ) from error
    cv2.setNumThreads(1)
    return cv2


class Steadiness:
    """Scores clips against one truth, whose optical flow is found once."""

    def __init__(self, truth: Truth) -> None:
        """Raises UsageError if OpenCV is not installed."""
        self._cv2 = opencv()
        self._planes = [luma_plane(picture) for picture in truth.pictures]
        pairs = list(zip(self._planes, self._planes[1:], strict=False))
        self._forward = [self._flow(before, after) for before, after in pairs]
        backward = [self._flow(after, before) for before, after in pairs]
        self._places = [_places(flow) for flow in backward]
        self._visible = [
            self._seen_in_both(back, forth, places)
            for back, forth, places in zip(backward, self._forward, self._places, strict=True)
        ]

    def truth(self) -> Record:
        """The truth's own figures; its motion in HR pixels a frame gives tOF a measure."""
        speed = fmean(float(np.hypot(flow[..., 0], flow[..., 1]).mean()) for flow in self._forward)
        return {**self.score(self._planes), "motion": speed}

    def score(self, planes: Iterable[Plane]) -> Record:
        """tOF and warping error of the luma PLANES of a clip.

        tOF: mean length, in HR pixels, of the difference of the optical flows of truth and clip
        (Chu et al., TecoGAN, 2020). Warping error: RMS difference, in levels of 255, of each frame
        to the one before moved along the truth's flow, where no occlusion is found (Lai et al.,
        ECCV 2018).
        """
        differences, errors = [], []
        before: Plane | None = None
        for index, plane in enumerate(planes):
            if before is not None:
                off = self._flow(before, plane) - self._forward[index - 1]
                differences.append(float(np.hypot(off[..., 0], off[..., 1]).mean()))
                errors.append(self._warping_error(before, plane, index - 1))
            before = plane
        return {"tof": fmean(differences), "warping": fmean(errors)}

    def _flow(self, first: Plane, second: Plane) -> Flow:
        flow: Flow = self._cv2.calcOpticalFlowFarneback(first, second, None, *FARNEBACK)
        return flow

    def _read(self, picture: NDArray[np.float32], places: Flow) -> NDArray[np.float32]:
        """PICTURE [H, W(, C)] read at PLACES [H, W, 2] (x, y), bilinear, edges repeated."""
        cv2 = self._cv2
        read: NDArray[np.float32] = cv2.remap(
            picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return read

    def _seen_in_both(self, backward: Flow, forward: Flow, places: Flow) -> NDArray[np.bool_]:
        """Where going back and forth comes home: no occlusion (Sundaram et al., ECCV 2010)."""
        there = self._read(forward, places)
        off = np.square(backward + there).sum(-1)
        long = np.square(backward).sum(-1) + np.square(there).sum(-1)
        height, width = off.shape
        x, y = places[..., 0], places[..., 1]
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        near: NDArray[np.bool_] = inside & (off <= 0.01 * long + 0.5)
        return near

    def _warping_error(self, before: Plane, plane: Plane, step: int) -> float:
        moved = self._read(before.astype(np.float32), self._places[step])
        errors = np.square(plane.astype(np.float32) - moved)[self._visible[step]]
        return float(np.sqrt(errors.mean())) if errors.size else 0.0


def _places(flow: Flow) -> Flow:
    """p + flow(p)."""
    height, width = flow.shape[:2]
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return flow + np.stack([columns, rows], -1).astype(np.float32)


def consistency(truth: Truth, enlarge: Enlarger) -> list[Record]:
    """tOF and warping error of bicubic, one frame and five, next to the truth's own."""
    truth = truth.cropped(SCALE)
    if len(truth.pictures) < 2:
        return []
    steadiness = Steadiness(truth)
    records: list[Record] = []
    for kind in KINDS:
        records.append({"input": kind, "clip": truth.name, "method": "truth", **steadiness.truth()})
        low = make_low(truth, kind, SCALE)
        for method in METHODS:
            planes = (frame.planes[0] for frame in enlarge(low, method, truth.size))
            figures = steadiness.score(planes)
            records.append({"input": kind, "clip": truth.name, "method": method.name, **figures})
    return records
