"""Training clips out of real videos: stretches without a cut that move and hold detail."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.spmc.inputs import luma_plane, rgb_of
from models.spmc.reduction import Clip, reduce
from vsrcli.errors import InputError
from vsrcli.media.planes import Frame
from vsrcli.media.reader import Reader
from vsrcli.media.resample import to_samples
from vsrcli.media.swscale import RgbConverter

CUT = 28.0
"""Mean absolute difference of successive thumbnails, in levels, that means a scene cut."""
LEAST_MOTION, LEAST_DETAIL = 0.3, 3.0
"""Mean differences in time and along rows, in levels, below which a clip teaches nothing."""


def shots(path: Path, length: int, most: int, columns: int | None) -> Iterator[Clip]:
    """At most MOST clips of LENGTH frames without a cut, spread over the video, halved or more.

    Video from the web has no detail left at its full size, so it is reduced by a whole factor to a
    short side of about 400 pixels before it serves as the truth.
    """
    with Reader(path) as reader:
        factor = reduction(min(reader.info.width, reader.info.height))
        stride = max(1, (reader.info.frames or 200) // length // most)
        made = 0
        for clip in stretches(reader, length, stride, columns):
            clip = reduce(clip, factor)
            motion = np.abs(np.diff(clip[:, ::2, ::2].astype(int), axis=0)).mean()
            detail = np.abs(np.diff(clip[0].astype(int), axis=1)).mean()
            if motion > LEAST_MOTION and detail > LEAST_DETAIL:
                yield clip
                made += 1
            if made >= most:
                return


def reduction(short: int) -> int:
    """By how much a video with this short side is reduced."""
    return max(2 if short >= 480 else 1, round(short / 400))


def stretches(frames: Reader, length: int, stride: int, columns: int | None) -> Iterator[Clip]:
    """Luma of every STRIDE-th stretch of LENGTH frames that holds no scene cut."""
    pending: list[NDArray[np.uint8]] = []
    last: NDArray[np.int64] | None = None
    converter = RgbConverter()
    for frame in frames:
        if (frame.index // length) % stride and not pending:
            continue
        luma = luma_of(frame, converter)[:, :columns]
        thumbnail = luma[::8, ::8].astype(int)
        if last is not None and pending and np.abs(thumbnail - last).mean() > CUT:
            pending = []
        last = thumbnail
        pending.append(luma)
        if len(pending) == length:
            yield np.stack(pending)
            pending = []


def luma_of(frame: Frame, converter: RgbConverter) -> NDArray[np.uint8]:
    """Luma [H, W] of FRAME in 8 bits: videos of more bits, and of RGB, teach the same."""
    if frame.layout.kind == "rgb":
        return luma_plane(rgb_of(frame, converter))
    plane, gain = frame.planes[0], 2.0 ** (8 - frame.layout.depth)
    # Not to be told from 8 bits later: an array of more would be trained on as if it were one.
    deep = frame.layout.depth > 8
    luma = to_samples(plane.astype(np.float32), 8, gain) if deep else plane
    return luma.astype(np.uint8, copy=False)


def crops(folder: Path) -> dict[str, int]:
    """Columns to keep, by file name, as the folder's manifest says.

    Raises InputError if it has no column of files.
    """
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        return {}
    with manifest.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        if "file" not in (reader.fieldnames or ()):
            raise InputError(f"{manifest} has no column called file")
        rows = list(reader)
    found = {row["file"]: re.search(r"left half.*w=(\d+)", row.get("crop") or "") for row in rows}
    return {name: int(match.group(1)) for name, match in found.items() if match}
