"""What is measured of a reversed portrait, all of it on skin where texture is concerned."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.color import rgb2lab
from skimage.metrics import structural_similarity

from models.crn import filters
from models.crn.components import Components

BANDS = ((0, 1), (1, 2), (2, 4), (4, 8))
"""Standard deviations, in pixels at a face of 512, between which a band of texture lies. Those of 4
and 8 come to 4.5 and 8.5, by the boxes of `blur`."""
TRACKED = 40
"""Components whose improvement is measured one by one."""
TONES = ((41, "light"), (28, "intermediate"), (10, "tan"), (-90, "dark"))
"""Least individual typology angle of every skin tone group (Chardon et al. 1991; Del Bino 2006)."""


def psnr(found: filters.Picture, truth: filters.Picture) -> float:
    """PSNR in dB over all samples; inf if nothing differs."""
    error = float(np.mean((found.astype(np.float64) - truth) ** 2))
    return math.inf if error == 0 else -10 * math.log10(error)


@dataclass(frozen=True)
class Skin:
    """The truth's skin, and what is compared with it, computed once for all methods."""

    place: tuple[slice, slice]
    """Rows and columns around it."""
    mask: NDArray[np.bool_]
    calm: NDArray[np.bool_]
    """The half of it away from lines and edges: where texture is all there is."""
    light: filters.Plane
    bands: list[filters.Plane]

    @classmethod
    def of(cls, truth: filters.Picture, skin: filters.Plane) -> Skin:
        """Of TRUTH [h, w, 3] with SKIN [h, w], 0..1."""
        spans = []
        for axis in (1, 0):
            seen = np.flatnonzero((skin > 0.5).any(axis=axis))
            spans.append(slice(max(0, int(seen[0]) - 24), int(seen[-1]) + 25))
        place = (spans[0], spans[1])
        light, inner = filters.luma(truth[place]), skin[place] > 0.9
        slope = np.hypot(*np.gradient(filters.blur(light, 2)))
        calm = inner & (slope <= np.median(slope[inner]))
        return cls(place, skin[place] > 0.5, calm, light, _bands(light))

    def ssim(self, found: filters.Picture) -> float:
        """SSIM of luma (Gaussian window, sigma 1.5), mean over the skin."""
        _, per_pixel = structural_similarity(
            filters.luma(found[self.place]),
            self.light,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
            full=True,
        )
        return float(per_pixel[self.mask].mean())

    def textures(self, found: filters.Picture) -> list[tuple[float, float]]:
        """Amplitude ratio to and correlation with the truth, for every band, of luma where calm."""
        result = []
        for ours, theirs in zip(_bands(filters.luma(found[self.place])), self.bands, strict=True):
            a, b = ours[self.calm], theirs[self.calm]
            ratio = float(a.std() / max(b.std(), 1e-9))
            result.append((ratio, float(np.corrcoef(a, b)[0, 1])))
        return result

    def shift(self, found: filters.Picture) -> float:
        """How much lighter (+) or darker (-) than in truth: mean luma, levels of 255."""
        apart = filters.luma(found[self.place]) - self.light
        return float(255 * apart[self.mask].mean())


def _bands(light: filters.Plane) -> list[filters.Plane]:
    blurred = [light if sigma == 0 else filters.blur(light, sigma) for sigma in (0, 1, 2, 4, 8)]
    return [blurred[i] - blurred[i + 1] for i in range(len(BANDS))]


def energies(components: Components, difference: filters.Picture) -> NDArray[np.float64]:
    """[TRACKED]: mean square of u_i' v over the patches of DIFFERENCE [h, w, 3]."""
    picture = torch.from_numpy(np.ascontiguousarray(difference.transpose(2, 0, 1)))[None]
    kernels = components.directions[:TRACKED].reshape(-1, 3, 11, 11)
    found = torch.nn.functional.conv2d(picture, kernels, stride=3)
    return found.double().square().mean((0, 2, 3)).numpy()


def tone_group(truth: filters.Picture, skin: filters.Plane) -> str:
    """The skin tone group by the individual typology angle of the median skin colour."""
    lab = rgb2lab(np.median(truth[skin > 0.9], axis=0)[None, None])[0, 0]
    angle = math.degrees(math.atan2(lab[0] - 50, max(lab[2], 1e-6)))
    return next(name for least, name in TONES if angle >= least)
