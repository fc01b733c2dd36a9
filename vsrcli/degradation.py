"""How high-resolution pictures become low-resolution ones: one definition, to test and to train.

Arrays to arrays: a `Degradation` reduces the planes of a picture, `compress` codes pictures and
decodes them again. Three kinds of reduction are known:

contest: what `ffmpeg -vf scale=iw/4:ih/4` gives, bit for bit (swscale's bicubic).
bi: MATLAB's imresize, anti-aliased bicubic with a = -0.5, the benchmarks' "BI".
bd: Gaussian blur of sigma 1.6 * scale / 4, then every scale-th pixel, centre aligned: "BD" as in
    BasicVSR and later. (DUF, FRVSR and RRN took the top left pixel of each block instead.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from vsrcli.errors import InputError, UsageError
from vsrcli.media.encoder_options import repeatable
from vsrcli.media.formats import PixelLayout
from vsrcli.media.planes import Frame, Plane, from_video_frame, to_video_frame
from vsrcli.media.resample import LEFT, PlanesResampler, to_samples
from vsrcli.media.swscale import FilterScaler

Kind = Literal["contest", "bi", "bd"]
KINDS: tuple[Kind, ...] = ("contest", "bi", "bd")
_CODEC, _PRESET = "libx264", "slow"


def reduced_size(size: tuple[int, int], scale: float, layout: PixelLayout) -> tuple[int, int]:
    """(width, height) of `size` reduced by `scale`, rounded down to whole chroma samples.

    FFmpeg's `iw/4` rounds down to a whole pixel; 4:2:0 encoders need even sizes besides. Raises
    InputError if nothing is left.
    """
    width, height = (
        math.floor(n / scale + 1e-9) >> shift << shift
        for n, shift in zip(size, layout.log2_chroma, strict=True)
    )
    if min(width, height) < 1:
        raise InputError(f"{size[0]}x{size[1]} is too small to be reduced by {scale:g}")
    return width, height


class Degradation:
    """Reduces the pictures of one layout and size."""

    def __init__(
        self,
        layout: PixelLayout,
        size: tuple[int, int],
        *,
        scale: float = 4.0,
        kind: Kind = "contest",
        noise: float = 0.0,
        seed: int = 0,
        location: int = LEFT,
        target: PixelLayout | None = None,
    ) -> None:
        """`size` is (width, height) of the pictures to be reduced by `scale` (above 1).

        `noise` is the standard deviation, on the scale of 8 bits, of Gaussian noise added to every
        colour plane; `location` is how chroma is sited (see `chroma_location`), which "contest"
        ignores as FFmpeg does. With a `target` "contest" makes pictures of that layout, as FFmpeg
        does for an encoder. Raises UsageError for values out of range and InputError if the
        pictures are too small.
        """
        if not scale > 1:
            raise UsageError(f"a scale of {scale:g} does not reduce anything: give more than 1")
        if not 0 <= noise < math.inf:
            raise UsageError(f"a noise of {noise:g} is not possible: give 0 or more")
        self.layout = target if target and kind == "contest" else layout
        """Of the reduced pictures."""
        self.size = reduced_size(size, scale, self.layout)
        """(width, height) of the reduced pictures."""
        self._noise, self._seed = noise, seed
        self._filter: FilterScaler | PlanesResampler
        if kind == "contest":
            self._filter = FilterScaler(layout, size, self.size, self.layout)
        else:
            self._filter = PlanesResampler(
                layout,
                size,
                self.size,
                location=location,
                kernel="bicubic" if kind == "bi" else "gaussian",
                sigma=1.6 * scale / 4,
            )

    def __call__(self, planes: Sequence[Plane], index: int = 0) -> tuple[Plane, ...]:
        """Return the reduced planes, [h, w] each; `index` and the seed choose the noise."""
        if not self._noise:
            return self._filter(planes)
        rng = np.random.default_rng((self._seed, index))
        sigma = self._noise * (1 << (self.layout.depth - 8))
        count = 1 if self.layout.kind == "gray" else 3
        reduced = list(self._exact(planes))
        for number in range(count):  # alpha stays clean
            shape = reduced[number].shape
            reduced[number] += np.float32(sigma) * rng.standard_normal(shape, np.float32)
        return tuple(to_samples(plane, self.layout.depth) for plane in reduced)

    def _exact(self, planes: Sequence[Plane]) -> tuple[NDArray[np.float32], ...]:
        """The reduced planes before rounding, where there is such a thing."""
        if isinstance(self._filter, PlanesResampler):
            return self._filter.floats(planes)
        return tuple(plane.astype(np.float32) for plane in self._filter(planes))


def degrade_planes(
    planes: Sequence[Plane], layout: PixelLayout, *, scale: float = 4.0, kind: Kind = "contest"
) -> tuple[Plane, ...]:
    """Reduce one picture; for several of one size, make one `Degradation` and call it."""
    height, width = planes[0].shape
    return Degradation(layout, (width, height), scale=scale, kind=kind)(planes)


def compress(
    frames: Sequence[Frame], *, crf: float = 21, rate: Fraction = Fraction(25)
) -> list[Frame]:
    """Encode frames as the contest does, or at another `crf`, and return them decoded.

    Times and tags stay. One thread gives the same result on every machine.
    """
    if not frames:
        return []
    first = frames[0]
    encoder = av.CodecContext.create(_CODEC, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = first.width, first.height
    encoder.pix_fmt = first.layout.pix_fmt
    encoder.time_base, encoder.framerate = 1 / rate, rate
    encoder.options = {"crf": f"{crf:g}", "preset": _PRESET, **repeatable(_CODEC)}
    encoder.thread_type, encoder.thread_count = "FRAME", 1
    decoder = av.CodecContext.create(encoder.codec.canonical_name, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    pictures = list(_coded(frames, encoder, decoder))
    assert len(pictures) == len(frames)
    return [
        replace(frame, planes=from_video_frame(picture).planes)
        for frame, picture in zip(frames, pictures, strict=True)
    ]


def _coded(
    frames: Sequence[Frame], encoder: av.VideoCodecContext, decoder: av.VideoCodecContext
) -> Iterator[av.VideoFrame]:
    for number, frame in enumerate([*frames, None]):
        picture = None
        if frame is not None:
            picture = to_video_frame(frame)
            picture.pts, picture.duration, picture.time_base = number, 1, encoder.time_base
        for packet in encoder.encode(picture):
            yield from decoder.decode(packet)
    yield from decoder.decode(None)
