"""From a still and its faces to the pixels without the edit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsrcli.networks.crn import CrnCard, CrnReverter
from vsrcli.portraits.curve import ToneCurve
from vsrcli.portraits.faces import Face
from vsrcli.portraits.pictures import Samples, Still
from vsrcli.portraits.traces import edited, traces
from vsrcli.portraits.window import Window

Floats = NDArray[np.float32]
_FEATHER = 0.12
"""Width of the soft edge, as a share of the face's height."""
_MOST_PIXELS = 1_400_000
"""Of a canvas of the whole picture: beyond it the picture is reduced further. At this the process
takes 1.3 GiB."""
_ROUNDING = 1e-6
"""Pixels by which a window may miss an edge it was made to reach, as in `Window.place`."""
_ROWS = 512
"""The photo is changed so many rows at a time."""
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Prediction:
    """What the network says of one window."""

    window: Window
    canvas: Floats
    """[H, W, 3], what the network saw, in sRGB."""
    found: Floats
    """[groups, H, W, 3]: the discrepancy by component, in sRGB."""
    change: float
    """Root mean square of the whole discrepancy on the face, 0..1."""
    components: tuple[float, ...]
    """The same of every group."""
    edited: float
    """Probability that the photo was edited at all."""
    oval: NDArray[np.bool_]
    """[H, W]: where on the canvas the faces are."""

    def added(self, weights: Weights) -> float:
        """Root mean square, 0..1, of what WEIGHTS leave of the discrepancy on the face."""
        return _rms(np.tensordot(weights.both, self.found, axes=1), self.oval)


def around_faces(card: CrnCard, faces: list[Face]) -> list[tuple[Window, Face]]:
    """A window for every face, with the face in its middle."""
    return [(Window.around(f.x, f.y, f.height, card.face_height, card.canvas), f) for f in faces]


def over_all(card: CrnCard, extent: tuple[int, int], faces: list[Face]) -> tuple[Window, bool]:
    """The window of a whole picture of EXTENT, at the scale of the first of FACES, if any.

    And whether that would be too large, so that its scale is smaller: the network then sees none of
    the texture it knows.
    """
    height, width = extent
    # Without a face the picture is taken for a portrait as the training's are framed.
    expected = min(height / card.canvas[0], width / card.canvas[1]) * card.face_height
    scale = card.face_height / (faces[0].height if faces else expected)
    most = (_MOST_PIXELS / (height * width)) ** 0.5
    reduced, scale = scale > most, min(scale, most)
    size = max(16, math.ceil(height * scale)), max(16, math.ceil(width * scale))
    # One scale for both axes, so that a pixel of the canvas may stick out at the far edges.
    return Window(0.0, 0.0, scale, size), reduced


def predict(
    reverter: CrnReverter,
    still: Still,
    window: Window,
    faces: list[Face],
    known: ToneCurve | None = None,
) -> Prediction:
    """Run the network on WINDOW of STILL; FACES, in pixels of STILL, are what `change` is of.

    With a KNOWN curve the network sees what that makes of the picture and says texture alone.
    """
    canvas = np.clip(window.take(still.pixels) / np.float32(still.peak), 0, 1)
    if canvas.shape[2] == 1:
        canvas = np.repeat(canvas, 3, axis=2)
    space = still.space
    if space is not None:
        canvas = space.to_srgb(canvas)
    card, toned = reverter.card, canvas
    if known is not None:
        toned = np.clip(canvas + known(canvas), 0, 1)
    said = reverter.predict(toned)
    found = said.components
    if known is not None:
        found[0], found[1 : card.tone] = toned - canvas, 0
    oval = ovals(window, faces)
    tone, texture = (
        _rms(part.sum(axis=0), oval) for part in (found[: card.tone], found[card.tone :])
    )
    figures = traces(canvas, oval, window.scale, tone, texture, said.evidence)
    return Prediction(
        window=window,
        canvas=canvas,
        found=found,
        change=_rms(found.sum(axis=0), oval),
        components=tuple(_rms(each, oval) for each in found),
        edited=edited(figures, card.detector),
        oval=oval,
    )


@dataclass(frozen=True)
class Weights:
    """How much every group counts, [groups] each: 0 where it is of the other kind."""

    tone: Floats
    texture: Floats

    @property
    def both(self) -> Floats:
        """Of all groups."""
        return self.tone + self.texture


def apply(
    still: Still,
    predictions: list[Prediction],
    weights: Weights,
    *,
    beyond: bool = False,
    rest: Prediction | None = None,
) -> Samples:
    """STILL's pixels with every prediction added, its groups times WEIGHTS.

    BEYOND: also where none of PREDICTIONS reaches. Tone comes there from a curve that does what
    PREDICTIONS do to the levels they see, since the network knows it best with a face in the
    middle; texture from REST, of the whole picture, if there is such a prediction.
    """
    extent = still.extent
    result = still.pixels.copy()
    if len(predictions) == 1 and not beyond:
        (prediction,) = predictions
        place, mask = _reach(prediction.window, extent)
        change = _in_the_files_colours(prediction, weights.both, still)
        _add(result[place], prediction.window.give_back(change, extent), mask, still.peak)
        return result
    total = np.zeros(still.pixels.shape, np.float32)
    share = np.zeros(extent, np.float32)
    for prediction in predictions:
        place, mask = _reach(prediction.window, extent)
        change = _in_the_files_colours(prediction, weights.both, still)
        total[place] += prediction.window.give_back(change, extent) * mask[..., None]
        share[place] += mask
    # Where faces are close, each has its say.
    total *= np.reciprocal(np.maximum(share, np.float32(1)))[..., None]
    if beyond:
        left = 1 - np.minimum(share, np.float32(1))
        _fill(total, left, _curve(still, predictions, weights.tone), still)
        if rest is not None:
            change = _in_the_files_colours(rest, weights.texture, still)
            total += rest.window.give_back(change, extent) * left[..., None]
    _add(result, total, np.ones_like(share), still.peak)
    return result


def _reach(window: Window, extent: tuple[int, int]) -> tuple[tuple[slice, slice], Floats]:
    """The part of a picture of EXTENT that WINDOW covers, and its mask there."""
    down, across = _mask(window, extent)
    return window.place(extent), down[:, None] * across[None, :]


def reaches_all(window: Window, extent: tuple[int, int]) -> bool:
    """Whether WINDOW is over all of a picture of EXTENT: then no soft edge is in it."""
    return window.place(extent) == tuple(slice(0, length) for length in extent)


def _curve(still: Still, predictions: list[Prediction], weights: Floats) -> ToneCurve:
    """What PREDICTIONS, their groups times WEIGHTS, do to the levels of STILL, in its colours."""
    curve = ToneCurve(still.pixels.shape[2])
    for prediction in predictions:
        seen = np.clip(prediction.window.take(still.pixels) / np.float32(still.peak), 0, 1)
        curve.learn(seen, _in_the_files_colours(prediction, weights, still))
    return curve


def _fill(total: Floats, left: Floats, curve: ToneCurve, still: Still) -> None:
    """Add what CURVE says of STILL to TOTAL [h, w, c], times LEFT [h, w], in place."""
    for top in range(0, len(total), _ROWS):
        part = slice(top, top + _ROWS)
        levels = still.pixels[part].astype(np.float32) / np.float32(still.peak)
        total[part] += left[part, :, None] * curve(levels)


def _add(pixels: Samples, change: Floats, mask: Floats, peak: int) -> None:
    """PIXELS plus CHANGE (0..1) times MASK, rounded and clipped, in place."""
    for top in range(0, len(pixels), _ROWS):
        part = slice(top, top + _ROWS)
        sums = pixels[part] + change[part] * (mask[part, :, None] * np.float32(peak))
        pixels[part] = np.clip(np.rint(sums), 0, peak).astype(pixels.dtype)


def _in_the_files_colours(prediction: Prediction, weights: Floats, still: Still) -> Floats:
    """The weighted discrepancy [H, W, c] in the colour space and channels of STILL."""
    change: Floats = np.tensordot(weights, prediction.found, axes=1)
    space = still.space
    if space is not None:
        restored: Floats = np.clip(prediction.canvas + change, 0, 1)
        change = space.from_srgb(restored) - space.from_srgb(prediction.canvas)
    return (change @ _GREY)[..., None] if still.pixels.shape[2] == 1 else change


def _mask(window: Window, extent: tuple[int, int]) -> tuple[Floats, Floats]:
    """Weights of the rows and the columns of `window.place(extent)`: their product is the mask.

    Soft where the window ends within the picture, 1 up to the picture's own edge.
    """
    weights = []
    for axis, start in enumerate((window.top, window.left)):
        place, length = window.place(extent)[axis], window.size[axis] / window.scale
        soft = _FEATHER * min(window.size) / window.scale
        middle = np.arange(place.start, place.stop, dtype=np.float32) + 0.5
        end, everywhere = start + length, np.ones_like(middle)
        before = (middle - start) / soft if start > _ROUNDING else everywhere
        after = (end - middle) / soft if end < extent[axis] - _ROUNDING else everywhere
        rise = np.clip(np.minimum(before, after), 0, 1)
        weights.append((rise * rise * (3 - 2 * rise)).astype(np.float32))
    return weights[0], weights[1]


def ovals(window: Window, faces: list[Face]) -> NDArray[np.bool_]:
    """[H, W]: where on the canvas the faces are; everywhere if there are none."""
    height, width = window.size
    if not faces:
        return np.ones((height, width), np.bool_)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    oval = np.zeros((height, width), np.bool_)
    for face in faces:
        size = face.height * window.scale
        across = (x - (face.x - window.left) * window.scale) / (0.36 * size)
        down = (y - (face.y - window.top) * window.scale) / (0.46 * size)
        oval |= across**2 + down**2 < 1
    return oval if oval.any() else np.ones((height, width), np.bool_)


def _rms(change: Floats, where: NDArray[np.bool_]) -> float:
    return float(np.sqrt(np.mean(change[where] ** 2)))
