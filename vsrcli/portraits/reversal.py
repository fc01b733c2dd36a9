"""From a still and its faces to the pixels without the edit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsrcli.networks.crn import CrnCard, CrnReverter
from vsrcli.portraits import colour
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


def windows(
    card: CrnCard,
    extent: tuple[int, int],
    faces: list[Face],
    *,
    whole: bool,
    note: Callable[[str], None],
) -> list[tuple[Window, list[Face]]]:
    """The windows to look at and the faces in each: one a face, or one WHOLE picture of EXTENT."""
    if not whole:
        return [
            (Window.around(f.x, f.y, f.height, card.face_height, card.canvas), [f]) for f in faces
        ]
    height, width = extent
    # Without a face the picture is taken for a portrait as the training's are framed.
    expected = min(height / card.canvas[0], width / card.canvas[1]) * card.face_height
    scale = card.face_height / (faces[0].height if faces else expected)
    most = (_MOST_PIXELS / (height * width)) ** 0.5
    if scale > most:
        note(
            "the picture is large for its faces: texture finer than the network sees is left alone"
        )
        scale = most
    size = max(16, round(height * scale)), max(16, round(width * scale))
    # One scale for both axes, so that a pixel of the canvas may stick out at the far edges.
    return [(Window(0.0, 0.0, scale, size), faces)]


def predict(reverter: CrnReverter, still: Still, window: Window, faces: list[Face]) -> Prediction:
    """Run the network on WINDOW of STILL; FACES, in pixels of STILL, are what `change` is of."""
    canvas = np.clip(window.take(still.pixels) / np.float32(still.peak), 0, 1)
    if canvas.shape[2] == 1:
        canvas = np.repeat(canvas, 3, axis=2)
    matrix = colour.to_srgb(still.icc)
    if matrix is not None:
        canvas = colour.convert(canvas, matrix)
    said, card = reverter.predict(canvas), reverter.card
    found = said.components
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
    )


def apply(still: Still, predictions: list[Prediction], weights: Floats) -> Samples:
    """STILL's pixels with every prediction added, its groups times WEIGHTS."""
    height, width = still.pixels.shape[:2]
    changes = [(p, _in_the_files_colours(p, weights, still)) for p in predictions]
    result = still.pixels.copy()
    if len(changes) == 1:
        prediction, change = changes[0]
        rows, columns = prediction.window.place((height, width))
        down, across = _mask(prediction.window, (height, width))
        added = prediction.window.give_back(change, (height, width))
        _add(result[rows, columns], added, down[:, None] * across[None, :], still.peak)
        return result
    total = np.zeros(still.pixels.shape, np.float32)
    share = np.zeros((height, width), np.float32)
    for prediction, change in changes:
        rows, columns = place = prediction.window.place((height, width))
        down, across = _mask(prediction.window, (height, width))
        mask = down[:, None] * across[None, :]
        total[place] += prediction.window.give_back(change, (height, width)) * mask[..., None]
        share[rows, columns] += mask
    # Where faces are close, each has its say.
    evened: Floats = np.reciprocal(np.maximum(share, np.float32(1)))
    _add(result, total, evened, still.peak)
    return result


def _add(pixels: Samples, change: Floats, mask: Floats, peak: int) -> None:
    """PIXELS plus CHANGE (0..1) times MASK, rounded and clipped, in place."""
    for top in range(0, len(pixels), _ROWS):
        part = slice(top, top + _ROWS)
        sums = pixels[part] + change[part] * (mask[part, :, None] * np.float32(peak))
        pixels[part] = np.clip(np.rint(sums), 0, peak).astype(pixels.dtype)


def _in_the_files_colours(prediction: Prediction, weights: Floats, still: Still) -> Floats:
    """The weighted discrepancy [H, W, c] in the colour space and channels of STILL."""
    change: Floats = np.tensordot(weights, prediction.found, axes=1)
    matrix = colour.to_srgb(still.icc)
    if matrix is not None:
        inverse = np.linalg.inv(matrix).astype(np.float64)
        restored: Floats = np.clip(prediction.canvas + change, 0, 1)
        change = colour.convert(restored, inverse) - colour.convert(prediction.canvas, inverse)
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
        before = (middle - start) / soft if start > 0 else np.ones_like(middle)
        ends_inside = start + length < extent[axis] - 1
        after = (start + length - middle) / soft if ends_inside else np.ones_like(middle)
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
