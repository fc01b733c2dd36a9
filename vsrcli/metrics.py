"""PSNR and SSIM of one picture against another, on planes.

Squared errors are kept as sums with their number of samples, in units of the peak value squared, so
that planes, frames and clips can be pooled whatever their depth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from vsrcli.errors import InputError
from vsrcli.media.planes import HIGH_RANGE, UNSPECIFIED, ColourTags, Frame, is_full
from vsrcli.media.repack import assumed_matrix
from vsrcli.media.swscale import RgbConverter, RgbPicture

Channel = Literal["rgb", "y", "yuv"]
"""What a headline figure is of; "yuv" pools all samples of the three planes."""
Component = Literal["rgb", "y", "u", "v", "yuv"]
Samples = NDArray[Any]

_SSIM_WINDOW = 11
_BAND = 1 << 24
"""Samples of a plane whose SSIM is taken at once: it takes some forty bytes for each."""
_MATRIX_NAMES = {1: "BT.709", 5: "BT.601", 7: "SMPTE 240M", 9: "BT.2020"}


@dataclass(frozen=True, slots=True)
class Distortion:
    """Squared error of a number of samples; distortions add up."""

    total: float
    """Sum of squared differences, each divided by the peak value squared."""
    samples: int

    @property
    def psnr(self) -> float:
        """PSNR in dB of the pooled mean squared error; inf if nothing differs."""
        if self.total == 0:
            return math.inf
        return -10 * math.log10(self.total / self.samples)

    def __add__(self, other: Distortion) -> Distortion:
        return Distortion(self.total + other.total, self.samples + other.samples)


@dataclass(frozen=True, slots=True)
class FrameScore:
    """How one frame differs from its reference."""

    index: int
    """Decoded index in the reference clip."""
    output_index: int
    """Decoded index in the scored clip."""
    rgb: Distortion | None
    """None where the colour matrix is one that cannot be converted to RGB."""
    y: Distortion
    u: Distortion | None
    v: Distortion | None
    ssim: float | None
    """Of luma; None when not asked for."""

    def of(self, component: Component) -> Distortion | None:
        """The distortion of one component; None if the clips do not both have it."""
        if component == "yuv":
            return None if self.u is None or self.v is None else self.y + self.u + self.v
        found: Distortion | None = getattr(self, component)
        return found

    def psnr(self, component: Component) -> float | None:
        """PSNR in dB of one component, inf if identical; None if the clips do not both have it."""
        found = self.of(component)
        return found.psnr if found else None

    @property
    def identical(self) -> bool:
        """Whether no compared sample differs."""
        parts = (self.rgb, self.y, self.u, self.v)
        return not any(part.total for part in parts if part)


def squared_error(a: Samples, b: Samples) -> float:
    """Sum of squared differences of two planes [h, w]; exact for integer samples."""
    if a.dtype == b.dtype == np.uint8 and a.shape[1] < 1 << 15:
        difference = np.subtract(a, b, dtype=np.int32)
        return float(np.einsum("ij,ij->i", difference, difference).sum(dtype=np.int64))
    flat = np.subtract(a, b, dtype=np.float64).ravel()
    return float(flat @ flat)


def distortion(a: Samples, b: Samples, peak: float) -> Distortion:
    """The distortion of plane `a` against plane `b`, both on a scale where white is `peak`."""
    return Distortion(squared_error(a, b) / peak**2, a.size)


def ssim(a: Samples, b: Samples, peak: float) -> float:
    """Mean SSIM of two planes [h, w] of at least 11 x 11 samples.

    Gaussian window of 11 x 11, sigma 1.5, population covariance: Wang et al., IEEE TIP 13(4), 2004.
    Single precision takes less time and agrees with double to 1e-6, of bright and smooth pictures
    to 2e-5; there it may come out above 1, which no SSIM is.
    """
    height, width = a.shape
    windows = height - _SSIM_WINDOW + 1  # one below the other
    step = max(1, _BAND // width)
    found = 0.0
    for top in range(0, windows, step):
        count = min(step, windows - top)
        rows = slice(top, top + count + _SSIM_WINDOW - 1)
        band = structural_similarity(  # type: ignore[no-untyped-call]
            a[rows].astype(np.float32),
            b[rows].astype(np.float32),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=peak,
        )
        found += float(band) * (count / windows)
    return min(found, 1.0)


def luma_of_rgb(picture: RgbPicture) -> NDArray[np.float32]:
    """BT.601 luma, 16 to 235 on the scale of 255, float and not rounded: MATLAB's rgb2ycbcr."""
    red, green, blue = picture.planes
    luma: NDArray[np.float32] = 65.481 * red.astype(np.float32)
    luma += 128.553 * green.astype(np.float32)
    luma += 24.966 * blue.astype(np.float32)
    luma /= np.float32(picture.peak)
    luma += 16
    return luma


def _matrix_name(tags: ColourTags) -> str:
    """The colour matrix swscale will use: BT.601 where none is tagged."""
    matrix = {2: 5, 6: 5, 10: 9}.get(tags.matrix, tags.matrix)
    return _MATRIX_NAMES.get(matrix, f"matrix {matrix}")


class FrameComparer:
    """Compares the frames of two clips of one size, in the closest space both have.

    Y'CbCr planes are compared as they are if both clips have them with the same matrix and range;
    otherwise both are compared as RGB, and Y is the BT.601 luma of that. `notes` says so.
    """

    def __init__(
        self,
        reference: Frame,
        output: Frame,
        *,
        crop: int = 0,
        ssim: bool = True,
        output_size: tuple[int, int] | None = None,
    ):
        """The two first frames tell what there is to compare.

        `crop` pixels are left out on every side; `output_size` is (width, height) of an output that
        was resized, before that. Raises InputError if the crop leaves nothing.
        """
        width, height = reference.width - 2 * crop, reference.height - 2 * crop
        if min(width, height) < 1:
            raise InputError(
                f"a crop of {crop} pixels on every side leaves nothing of "
                f"{reference.width}x{reference.height}"
            )
        self._crop = crop
        # RGB of fewer bits would differ by its rounding where the clips do not differ at all.
        depth = max(frame.layout.depth for frame in (reference, output))
        self._convert = RgbConverter(depth), RgbConverter(depth)
        self.notes: list[str] = []
        self._ssim = ssim and min(width, height) >= _SSIM_WINDOW
        if ssim and not self._ssim:
            self.notes.append(f"{width}x{height} is too small for SSIM, whose window is 11x11")
        self._sizes = [(reference.width, reference.height)]
        self._sizes.append(output_size or (output.width, output.height))
        self._matrix = self._untagged_matrix(reference, output)
        reference, output = self._tagged(reference), self._tagged(output)
        self._planar = self._shares_planes(reference, output)
        self._chroma = self._planar and self._shares_chroma(reference, output)
        self._rgb = self._has_rgb(reference, output)
        curves = [HIGH_RANGE.get(frame.tags.transfer) for frame in (reference, output)]
        if curves[0] != curves[1]:
            names = [f"{name} (HDR)" if name else "standard dynamic range" for name in curves]
            self.notes.append(
                f"the reference is {names[0]}, the output {names[1]}: "
                "samples are compared as they are"
            )
        if reference.layout.alpha or output.layout.alpha:
            self.notes.append("transparency is not compared")

    def compare(self, reference: Frame, output: Frame) -> FrameScore:
        """Score one frame. Raises InputError if it is not of the reference's size."""
        if (reference.width, reference.height) != (output.width, output.height):
            raise InputError(
                f"frame {output.index} is {output.width}x{output.height}, "
                f"its reference {reference.width}x{reference.height}"
            )
        reference, output = self._tagged(reference), self._tagged(output)
        rgb, luma, luma_peak = None, None, 255.0
        pictures: tuple[RgbPicture, RgbPicture] | None = None
        if self._rgb:
            pictures = self._convert[0](reference), self._convert[1](output)
            rgb = self._rgb_distortion(*pictures)
        if self._planar:
            luma, luma_peak = self._plane_pair(reference, output, 0)
        elif pictures:
            first, second = pictures
            luma = self._cut(luma_of_rgb(first)), self._cut(luma_of_rgb(second))
        assert luma is not None
        return FrameScore(
            index=reference.index,
            output_index=output.index,
            rgb=rgb,
            y=distortion(*luma, luma_peak),
            u=self._chroma_distortion(reference, output, 1),
            v=self._chroma_distortion(reference, output, 2),
            ssim=ssim(*luma, luma_peak) if self._ssim else None,
        )

    def _untagged_matrix(self, reference: Frame, output: Frame) -> int:
        """The colour matrix of a clip without a tag: the other clip's, if that has one."""
        tagged = [
            f
            for f in (reference, output)
            if f.layout.kind == "yuv" and f.tags.matrix != UNSPECIFIED
        ]
        if len(tagged) != 1 or "rgb" in (reference.layout.kind, output.layout.kind):
            return UNSPECIFIED
        name = _matrix_name(tagged[0].tags)
        if name != _matrix_name(ColourTags()):
            self.notes.append(f"one clip does not name its colour matrix: taken as {name} as well")
        return tagged[0].tags.matrix

    def _tagged(self, frame: Frame) -> Frame:
        if frame.tags.matrix != UNSPECIFIED or self._matrix == UNSPECIFIED:
            return frame
        return replace(frame, tags=replace(frame.tags, matrix=self._matrix))

    def _shares_planes(self, reference: Frame, output: Frame) -> bool:
        kinds = reference.layout.kind, output.layout.kind
        if kinds == ("rgb", "rgb"):
            return False
        if "rgb" in kinds:
            other = "gray" if "gray" in kinds else "Y'CbCr"
            self.notes.append(
                f"one clip is RGB and the other {other}: both are compared as RGB, "
                "and Y is the BT.601 luma of that"
            )
            self._tell_assumed(reference, output)
            return False
        matrices = _matrix_name(reference.tags), _matrix_name(output.tags)
        frames = reference, output
        ranges = ["full" if is_full(f.tags, f.layout) else "limited" for f in frames]
        if ranges[0] == ranges[1] and (matrices[0] == matrices[1] or "gray" in kinds):
            return True
        self.notes.append(
            f"the reference is {matrices[0]} {ranges[0]} range, the output {matrices[1]} "
            f"{ranges[1]} range: both are compared as RGB, and Y is the BT.601 luma of that"
        )
        return False

    def _tell_assumed(self, *frames: Frame) -> None:
        """FFmpeg takes untagged video of any size as BT.601; players and pictures of vsr do not."""
        for frame, size in zip(frames, self._sizes, strict=True):
            assumed = ColourTags(matrix=assumed_matrix(size))
            taken, shown = _matrix_name(frame.tags), _matrix_name(assumed)
            untagged = frame.layout.kind == "yuv" and frame.tags.matrix == UNSPECIFIED
            if untagged and taken != shown:
                self.notes.append(
                    f"the Y'CbCr clip does not name its colour matrix: taken as {taken}, as FFmpeg "
                    f"does; players take video of this size as {shown}, and so does vsr where it "
                    "makes pictures of it: tag it if it is"
                )

    def _shares_chroma(self, reference: Frame, output: Frame) -> bool:
        if "gray" in (reference.layout.kind, output.layout.kind):
            return False
        if reference.layout.log2_chroma == output.layout.log2_chroma:
            return True
        self.notes.append(
            f"chroma of {reference.layout.pix_fmt} and {output.layout.pix_fmt} differs in size: "
            "there are no figures for U and V"
        )
        return False

    def _has_rgb(self, reference: Frame, output: Frame) -> bool:
        try:
            self._convert[0](reference)
            self._convert[1](output)
        except InputError as failure:
            if not self._planar:
                raise
            self.notes.append(f"there are no figures for RGB: {failure}")
            return False
        return True

    def _rgb_distortion(self, first: RgbPicture, second: RgbPicture) -> Distortion:
        result, peak = Distortion(0.0, 0), float(first.peak)
        for planes in zip(first.planes, second.planes, strict=True):
            a, b = (self._cut(plane) for plane in planes)
            if first.peak != second.peak:
                a, b = a.astype(np.float32) / first.peak, b.astype(np.float32) / second.peak
                peak = 1.0
            result += distortion(a, b, peak)
        return result

    def _plane_pair(
        self, reference: Frame, output: Frame, index: int
    ) -> tuple[tuple[Samples, Samples], float]:
        """Plane `index` of both on the scale of the deeper one, and that scale's peak."""
        frames = reference, output
        depth = max(frame.layout.depth for frame in frames)
        planes: list[Samples] = []
        for frame in frames:
            shifts = frame.layout.log2_chroma if index and frame.layout.kind == "yuv" else (0, 0)
            plane = self._cut(frame.planes[index], shifts)
            if frame.layout.depth < depth:
                plane = _deepened(plane, frame, depth, chroma=index > 0)
            planes.append(plane)
        return (planes[0], planes[1]), (1 << depth) - 1

    def _chroma_distortion(self, reference: Frame, output: Frame, index: int) -> Distortion | None:
        if not self._chroma:
            return None
        pair, peak = self._plane_pair(reference, output, index)
        return distortion(*pair, peak)

    def _cut(self, plane: Samples, shifts: tuple[int, int] = (0, 0)) -> Samples:
        """Leave out the crop, for chroma as many samples as cover it."""
        left, top = (-(-self._crop >> shift) for shift in shifts)
        height, width = plane.shape
        return plane[top : height - top, left : width - left]


def _deepened(plane: Samples, frame: Frame, depth: int, *, chroma: bool) -> NDArray[np.float32]:
    """Samples on the scale of more bits: limited range by a shift, full range white to white.

    What has no colour is in the middle of either scale.
    """
    low = frame.layout.depth
    if not is_full(frame.tags, frame.layout):
        return plane.astype(np.float32) * np.float32(1 << (depth - low))
    gain = np.float32(((1 << depth) - 1) / ((1 << low) - 1))
    if not chroma:
        return plane.astype(np.float32) * gain
    middle = np.float32(1 << (low - 1))
    return (plane.astype(np.float32) - middle) * gain + np.float32(1 << (depth - 1))
