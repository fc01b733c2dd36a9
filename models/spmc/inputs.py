"""What the evaluation works on: true clips, low-resolution inputs made of them, enlargements.

Inputs are made and enlarged by the very code of `vsr degrade` and `vsr upscale`, in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.common.command import say
from vsrcli.collection import find_clips
from vsrcli.degradation import Degradation, Kind, compress
from vsrcli.enlarge import FrameEnlarger
from vsrcli.errors import InputError
from vsrcli.media.colour import luma_bt601, rgb_to_ycbcr
from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.picture_files import are_alike
from vsrcli.media.planes import ColourTags, Frame, Plane
from vsrcli.media.reader import Reader
from vsrcli.media.resample import (
    Kernel,
    resample,
    resample_matrix,
    resampler_for,
    to_samples,
)
from vsrcli.media.sources import find_source
from vsrcli.media.swscale import RgbConverter
from vsrcli.networks.card import Model
from vsrcli.networks.ensemble import Ensemble
from vsrcli.networks.spmc import SpmcUpscaler

Rgb = NDArray[np.uint8]
"""[H, W, 3], full range."""

GRAY, YUV420 = layout_of("gray"), layout_of("yuv420p")
BT601_LIMITED = ColourTags(matrix=6, range=1, chroma_location=1)
RATE = Fraction(25)


@dataclass(frozen=True)
class Truth:
    """A clip at full resolution, held as 8-bit RGB."""

    name: str
    pictures: Sequence[Rgb]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        height, width = self.pictures[0].shape[:2]
        return width, height

    def luma(self, index: int) -> NDArray[np.float64]:
        """Luma [H, W] of one frame in 16..235, not rounded: BT.601, MATLAB's rgb2ycbcr."""
        return luma_bt601(self.pictures[index])

    def cropped(self, scale: float) -> Truth:
        """The clip without the last columns and rows that do not make a whole number of LR pixels.

        An even number, so that 4:2:0 inputs cover the same picture as the others. Raises InputError
        if nothing is left.
        """
        multiple = 2 * Fraction(scale).limit_denominator(100).numerator
        width, height = (size // multiple * multiple for size in self.size)
        if not width * height:
            least = f"at x{scale:g} its sides must be {multiple} pixels or more"
            raise InputError(f"{self.name} is {self.size[0]}x{self.size[1]}: {least}")
        return replace(self, pictures=[picture[:height, :width] for picture in self.pictures])


def load_truths(folder: Path, most: int | None = None) -> list[Truth]:
    """The clips of FOLDER, at most MOST frames of each.

    Raises InputError if there are none, two have one name, or one is no truth: it is damaged, so
    that frames were concealed, or its pictures are not alike. Else what the reader had to do to it
    is said.
    """
    truths: dict[str, Truth] = {}
    for clip in find_clips(folder):
        if clip.name in truths:
            raise InputError(f"{folder} holds two clips called {clip.name}; rename one of them")
        with clip.opened() as path, Reader(path, max_frames=most, note=say) as reader:
            if not are_alike(find_source(path).pictures):
                raise InputError(
                    f"{clip.label}: its pictures are of several sizes or kinds, so they are no "
                    "frames of one clip; give each a folder of its own"
                )
            converter = RgbConverter()
            truth = Truth(clip.name, [rgb_of(frame, converter) for frame in reader])
            short = reader.truncated and len(truth.pictures) != most
            if short or reader.concealed or reader.left_out:
                raise InputError(f"{clip.label} is damaged, so it is no truth to measure against")
        truths[clip.name] = truth
    return list(truths.values())


def rgb_of(frame: Frame, converter: RgbConverter) -> Rgb:
    """FRAME as 8-bit RGB, whatever its depth and colours."""
    picture = converter(frame)
    to_byte = np.float32(255 / picture.peak)
    planes = [to_samples(plane.astype(np.float32) * to_byte, 8) for plane in picture.planes]
    return np.stack(planes, -1).astype(np.uint8, copy=False)


# --- low-resolution inputs ------------------------------------------------------------------------


def make_low(truth: Truth, kind: Kind, scale: float, *, colour: bool = False) -> list[Frame]:
    """The LR frames of a clip: 4:2:0 through x264 for "contest", else gray, or 4:2:0 in COLOUR."""
    layout = YUV420 if colour or kind == "contest" else GRAY
    reduction = Degradation(layout, truth.size, scale=scale, kind=kind)
    frames = []
    for index, picture in enumerate(truth.pictures):
        planes = (luma_plane(picture),) if layout is GRAY else video_planes(picture)
        frames.append(a_frame(reduction(planes, index), layout, index))
    return compress(frames, rate=RATE) if kind == "contest" else frames


def a_frame(planes: Sequence[Plane], layout: PixelLayout, index: int) -> Frame:
    """Frame number INDEX of a clip of 8-bit BT.601 video."""
    return Frame(tuple(planes), layout, index, 1, 1 / RATE, BT601_LIMITED, index)


def luma_plane(picture: Rgb) -> NDArray[np.uint8]:
    """The Y plane of the picture as 8-bit video holds it."""
    return np.rint(luma_bt601(picture)).astype(np.uint8)


def video_planes(picture: Rgb) -> tuple[Plane, ...]:
    """Y, Cb and Cr of the picture as 8-bit 4:2:0 video of even size holds it, left-sited."""
    unit = (channel.astype(np.float32) / 255 for channel in np.moveaxis(picture, -1, 0))
    _, *chroma = rgb_to_ycbcr(*unit)
    height, width = picture.shape[:2]
    rows = resample_matrix(height, height // 2)
    columns = resample_matrix(width, width // 2, shift=-0.5)
    halved = (to_samples(resample(plane * 224 + 128, rows, columns), 8) for plane in chroma)
    return (luma_plane(picture), *halved)


# --- enlarging ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Method:
    """A way to enlarge: a kernel, or the network with a window."""

    kernel: Kernel | None = None
    window: int = 0

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.kernel or f"vsr {self.window}"


BICUBIC, LANCZOS = Method("bicubic"), Method("lanczos")


def vsr(window: int) -> Method:
    """The network with windows of so many frames."""
    return Method(window=window)


class Enlarger:
    """Enlarges clips with any method; opens the network once for each window."""

    def __init__(self, model: Model, threads: int = 0, tta: int = 1) -> None:
        """THREADS computing threads, 0 for every core; TTA views averaged over."""
        self.model, self._tta = model, tta
        self._threads = threads
        self._upscalers: dict[int, SpmcUpscaler] = {}

    def upscaler(self, window: int) -> SpmcUpscaler:
        """The network with windows of WINDOW frames, between two clips."""
        if window not in self._upscalers:
            self._upscalers[window] = SpmcUpscaler(self.model, frames=window, threads=self._threads)
        return self._upscalers[window]

    def __call__(
        self, frames: Sequence[Frame], method: Method, size: tuple[int, int]
    ) -> Iterator[Frame]:
        """FRAMES, one clip, enlarged to SIZE (width, height)."""
        if method.kernel:
            yield from interpolated(frames, method.kernel, size)
            return
        enlarger = FrameEnlarger(Ensemble(self.upscaler(method.window), self._tta), size)
        for frame in frames:
            yield from enlarger.push(frame)
        yield from enlarger.flush()


def interpolated(frames: Sequence[Frame], kernel: Kernel, size: tuple[int, int]) -> Iterator[Frame]:
    """FRAMES enlarged to SIZE (width, height), every plane by the same kernel."""
    resampler = resampler_for(frames[0], size, kernel)
    for frame in frames:
        yield replace(frame, planes=resampler(frame.planes))
