"""Is the detail real, is the motion right, does the state drift: measured on exported models."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from skimage.registration import phase_cross_correlation

from models.spmc.inputs import (
    BICUBIC,
    Enlarger,
    Method,
    Truth,
    luma_plane,
    make_low,
    vsr,
)
from vsrcli.degradation import degrade_planes
from vsrcli.media.formats import layout_of
from vsrcli.media.planes import Frame
from vsrcli.metrics import Distortion, distortion
from vsrcli.networks.session import Session, open_session

Record = dict[str, str | int | float]
"""One measurement: what of, and figures."""
Luma = NDArray[np.float32]

SCALE = 4
MOST = 99.0
"""What is no further from the truth counts as so many dB: a mean with infinity says nothing."""

WINDOWS = (3, 5, 9)
SAMPLES = 5
"""Frames of a clip on which consecutive and identical neighbours are compared."""

SHIFTS = (1, 2, 3, 4, 8, 16, 32)
"""HR pixels: 0.25 to 8 LR pixels."""
MOTION_FRAMES = 2
MARGIN = 4
"""LR pixels left out at the border, beyond the shift: nothing tells the motion there."""

DRIFT_FRAMES = 560
SIDE = 192
"""Of the picture whose drift is watched, in HR pixels."""
PAN = 50
"""HR pixels the pan goes before it turns, one a frame: a period is 100 frames."""
EARLY, LATE = range(10, 60), range(510, 560)
"""Whole periods apart: the pan shows the same pictures in both, moving the same way."""


def decibels(found: Distortion) -> float:
    """PSNR in dB, MOST at most."""
    return min(found.psnr, MOST)


def psnr_y(truth: Truth, index: int, frame: Frame) -> float:
    """PSNR in dB of the luma of FRAME, rounded to 8 bit, against that of the truth."""
    return decibels(distortion(truth.luma(index), frame.planes[0], 255))


# --- are the details real? ------------------------------------------------------------------------


def details(truth: Truth, enlarge: Enlarger, windows: Sequence[int] = WINDOWS) -> list[Record]:
    """PSNR-Y with N consecutive frames and with N copies of the reference, on the same frames.

    Either way the N are a clip of their own, of which the middle one counts: in the whole clip the
    recurrent states would bring what frames outside of the window have shown. What is better with
    consecutive frames was seen in them; what is as good with copies is made up or was in the
    reference (section 4.2 of the SPMC paper). Clips shorter than N are left out.
    """
    truth = truth.cropped(SCALE)
    low = make_low(truth, "bi", SCALE)
    records: list[Record] = []
    for count in windows:
        first, last = count // 2, len(low) - 1 - count // 2
        if first > last:
            continue
        chosen = sorted({round(at) for at in np.linspace(first, last, SAMPLES)})
        parts = {at: low[at - count // 2 : at - count // 2 + count] for at in chosen}
        seen = [_of_middle(truth, at, frames, enlarge) for at, frames in parts.items()]
        copied = [_of_middle(truth, at, [low[at]] * count, enlarge) for at in chosen]
        records.append(
            {
                "clip": truth.name,
                "frames": count,
                "consecutive": fmean(seen),
                "identical": fmean(copied),
            }
        )
    return records


def _of_middle(truth: Truth, index: int, window: Sequence[Frame], enlarge: Enlarger) -> float:
    """PSNR-Y of the middle one of WINDOW, enlarged as a clip of its own, as frame INDEX."""
    enlarged = list(enlarge(window, vsr(len(window)), truth.size))
    return psnr_y(truth, index, enlarged[len(window) // 2])


# --- motion ---------------------------------------------------------------------------------------


def motion_errors(truth: Truth, enlarge: Enlarger, threads: int = 0) -> list[Record]:
    """End-point errors, in LR pixels, of the motion graph and of phase correlation.

    Two LR pictures of one HR picture, the second cut out a whole number of HR pixels further: an
    exact shift by quarters of an LR pixel. Means over frames and over both directions.
    """
    graph = open_session(enlarge.model.motion.path, threads=threads)
    multiple = enlarge.model.motion.multiple_of
    last = len(truth.pictures) - 1
    chosen = sorted({round(at) for at in np.linspace(0, last, MOTION_FRAMES)})
    lumas = [luma_plane(truth.pictures[index]) for index in chosen]
    records: list[Record] = []
    for shift in SHIFTS:
        if min(truth.size) - shift < SCALE * (2 * _border(shift) + 8 + multiple):
            break  # next to nothing of the picture would be left to judge
        errors = [
            _pair_errors(luma, shift, axis, graph, multiple) for luma in lumas for axis in (0, 1)
        ]
        mean, median, correlation = (fmean(column) for column in zip(*errors, strict=True))
        records.append(
            {
                "clip": truth.name,
                "shift": shift / SCALE,
                "network": mean,
                "network median": median,
                "phase correlation": correlation,
            }
        )
    return records


def _pair_errors(
    luma: NDArray[np.uint8], shift: int, axis: int, graph: Session, multiple: int
) -> tuple[float, float, float]:
    """Mean and median error of the network's flow, and the error of phase correlation."""
    neighbour, reference = shifted_pair(luma, shift, axis, multiple)
    inputs = {"reference": reference[None, None], "neighbour": neighbour[None, None]}
    flow = graph.run(inputs)["flow"][0]
    true = np.zeros(2)
    true[1 - axis] = shift / SCALE  # flows are (x, y)
    border = _border(shift)
    inner = flow[:, border:-border, border:-border] - true[:, None, None]
    errors = np.hypot(*inner)
    found, *_ = phase_cross_correlation(  # type: ignore[no-untyped-call]
        neighbour, reference, upsample_factor=100
    )
    return float(errors.mean()), float(np.median(errors)), float(np.hypot(*(found[::-1] - true)))


def _border(shift: int) -> int:
    """LR pixels at each side in which a SHIFT of HR pixels cannot be seen."""
    return -(-shift // SCALE) + MARGIN


def shifted_pair(
    luma: NDArray[np.uint8], shift: int, axis: int, multiple: int
) -> tuple[Luma, Luma]:
    """LR luma [H, W] in 0..1 of a picture [4H, 4W] and of itself SHIFT HR pixels further on.

    Along AXIS; H and W are multiples of MULTIPLE. Pixel p of the second lies at p + shift / 4 of
    the first.
    """
    unit = multiple * SCALE
    height, width = (
        (size - (shift if along == axis else 0)) // unit * unit
        for along, size in enumerate(luma.shape)
    )
    pair = []
    for start in (0, shift):
        top, left = (start, 0) if axis == 0 else (0, start)
        cut = luma[top : top + height, left : left + width]
        (low,) = degrade_planes([cut], layout_of("gray"), scale=SCALE, kind="bi")
        pair.append(low.astype(np.float32) / np.float32(255))
    return pair[0], pair[1]


# --- drift of the recurrent states ----------------------------------------------------------------


def drift(truth: Truth, enlarge: Enlarger, frames: int = DRIFT_FRAMES) -> list[Record]:
    """PSNR-Y early and late in a static shot and in a slow pan to and fro over one picture.

    Of the first frame of the clip; the pan moves by a quarter of an LR pixel a frame. A state that
    gathers errors is worse late than early. Nothing for clips smaller than 114x64.
    """
    if truth.size[0] < PAN + 64 or truth.size[1] < 64:
        return []
    scene = pan_positions(truth)
    low = make_low(scene, "bi", SCALE)
    there_and_back = [*range(PAN), *range(PAN, 0, -1)]
    shots = {
        "static": [0] * frames,
        "pan": [there_and_back[index % (2 * PAN)] for index in range(frames)],
    }
    window = vsr(enlarge.model.fusion.window)
    return [
        {"clip": truth.name, "shot": name, **_early_and_late(scene, low, shot, enlarge, window)}
        for name, shot in shots.items()
    ]


def pan_positions(truth: Truth) -> Truth:
    """Cuts of the first picture, each one HR pixel further to the right than the one before."""
    picture = truth.pictures[0]
    height, width = picture.shape[:2]
    side = min(SIDE, height, width - PAN) // 8 * 8
    top, left = (height - side) // 2, (width - side - PAN) // 2
    cuts = [picture[top : top + side, left + step : left + step + side] for step in range(PAN + 1)]
    return Truth(truth.name, cuts)


def _early_and_late(
    scene: Truth, low: Sequence[Frame], shot: Sequence[int], enlarge: Enlarger, method: Method
) -> Record:
    """Mean PSNR-Y of the frames EARLY and LATE and the least from the first of them on."""
    enlarged = enlarge([low[at] for at in shot], method, scene.size)
    found = [psnr_y(scene, at, frame) for at, frame in zip(shot, enlarged, strict=True)]
    bicubic = [
        psnr_y(scene, at, frame)
        for at, frame in enumerate(enlarge(low, BICUBIC, scene.size))
        if at in shot
    ]
    return {
        "bicubic": fmean(bicubic),
        "early": fmean(found[EARLY.start : EARLY.stop]),
        "late": fmean(found[-len(LATE) :]),
        "least": min(found[EARLY.start :]),
    }
