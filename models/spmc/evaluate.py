"""Measure a network on a folder of clips: the tables, as text and as JSON.

    python -m models.spmc.evaluate CLIPS [--model models/spmc_x4] [--tables psnr,time]

psnr      PSNR-Y and SSIM per clip, scale and input; RGB for contest input
details   N consecutive frames against N identical ones
time      temporal consistency: tOF and warping error
motion    end-point error of the motion estimation on known shifts
drift     a static shot and a slow pan of 560 frames: late frames against early ones
channels  how many channels of every convolution are used at all
ablation  networks trained equally long with parts taken out; needs --cache and --work, and hours

CLIPS is a folder of videos and folders of pictures, or a tar archive. Networks are run as exported,
by the code of `vsr upscale`; only the ablation needs PyTorch, "time" OpenCV and "channels" onnx.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from models.common.command import check_target, one_of, positive, told
from models.spmc import analysis
from models.spmc.analysis import Record
from models.spmc.consistency import consistency, opencv
from models.spmc.inputs import (
    BICUBIC,
    LANCZOS,
    Enlarger,
    Method,
    Truth,
    load_truths,
    make_low,
    vsr,
)
from models.spmc.report import SHOW
from vsrcli.degradation import KINDS, Kind
from vsrcli.media.planes import Frame
from vsrcli.media.swscale import RgbConverter
from vsrcli.metrics import Distortion, distortion, ssim
from vsrcli.networks.card import DEFAULT_MODEL, Model, find_model
from vsrcli.options import VIEWS
from vsrcli.windows import MAX_FRAMES

PROTOCOL = (
    "Frames: all of a clip, or the first --frames-limit; no border is cropped. Sizes that do not",
    "  make an even number of LR pixels lose columns at the right and rows at the bottom first.",
    "Y: BT.601 luma, 16..235, of the 8-bit RGB clip, not rounded (MATLAB's rgb2ycbcr); outputs are",
    "  rounded to 8 bit, as a file holds them. Peak 255.",
    "PSNR-Y, SSIM: mean over the frames of a clip; 'mean' is the mean of the clips' means.",
    "  A frame that is the truth counts as 99 dB. SSIM with Gaussian windows 11x11, sigma 1.5.",
    "RGB: pooled squared error of all samples of a clip, against the clip as it is (before 4:2:0).",
    "Inputs: the 8-bit luma plane reduced. bi: anti-aliased bicubic, a = -0.5, as imresize.",
    "  bd: Gaussian of sigma 1.6 * scale / 4, then every scale-th pixel, centre aligned.",
    "  contest: 4:2:0 (left-sited), swscale's bicubic, libx264 -preset slow -crf 21, decoded.",
    "vsr N: a window of N frames; the recurrent state runs over the whole clip.",
)
WINDOWS = (1, 3, 5, 7)
TABLES = ("psnr", "details", "time", "motion", "drift", "channels", "ablation")


def psnr_table(
    truth: Truth,
    enlarge: Enlarger,
    scales: Sequence[float],
    kinds: Sequence[Kind],
    methods: Sequence[Method],
) -> list[Record]:
    """One record for each scale, input and method."""
    records: list[Record] = []
    for scale in scales:
        cut = truth.cropped(scale)
        for kind in kinds:
            low = make_low(cut, kind, scale)
            for method in methods:
                figures = score(cut, low, method, enlarge)
                case: Record = {"scale": scale, "input": kind, "clip": cut.name}
                records.append({**case, "method": method.name, "frames": len(low), **figures})
    return records


def score(truth: Truth, low: Sequence[Frame], method: Method, enlarge: Enlarger) -> Record:
    """PSNR-Y and SSIM of the LR frames enlarged; pooled RGB as well if they have colour."""
    convert = RgbConverter()
    psnrs, ssims, rgb = [], [], Distortion(0.0, 0)
    for index, frame in enumerate(enlarge(low, method, truth.size)):
        psnrs.append(analysis.psnr_y(truth, index, frame))
        ssims.append(ssim(truth.luma(index), frame.planes[0], 255))
        if frame.layout.kind == "yuv":
            channels = np.moveaxis(truth.pictures[index], -1, 0)
            for ours, theirs in zip(convert(frame).planes, channels, strict=True):
                rgb += distortion(ours, theirs, 255)
    figures: Record = {"psnr_y": fmean(psnrs), "ssim": fmean(ssims)}
    return figures | ({"psnr_rgb": analysis.decibels(rgb)} if rgb.samples else {})


# --- the command ----------------------------------------------------------------------------------


def header(model: Model, truths: Sequence[Truth]) -> dict[str, object]:
    """What was measured, and how."""
    return {
        "model": model.name,
        "precision": model.precision,
        "weights_sha256": model.fusion.weights_sha256,
        "clips": sizes(truths),
        "protocol": list(PROTOCOL),
    }


def sizes(truths: Sequence[Truth]) -> dict[str, str]:
    """Length and size of every clip, in words."""
    return {
        truth.name: f"{len(truth.pictures)} frames of {truth.size[0]}x{truth.size[1]}"
        for truth in truths
    }


def measures(
    given: argparse.Namespace, enlarge: Enlarger
) -> dict[str, Callable[[Truth], list[Record]]]:
    """What measures one clip, by table."""
    methods = [BICUBIC, LANCZOS, *map(vsr, given.windows)]
    return {
        "psnr": lambda truth: psnr_table(truth, enlarge, given.scales, given.inputs, methods),
        "details": lambda truth: analysis.details(truth, enlarge),
        "time": lambda truth: consistency(truth, enlarge),
        "motion": lambda truth: analysis.motion_errors(truth, enlarge, given.threads),
        "drift": lambda truth: analysis.drift(truth, enlarge),
        "channels": lambda truth: used_channels(truth, given.model),
    }


def used_channels(truth: Truth, model: str) -> list[Record]:
    """`channels` of the float32 files of MODEL."""
    from models.spmc.channels import channels

    return channels(truth, find_model(model, "fp32"))


def evaluate(given: argparse.Namespace) -> None:
    """Measure and print table after table; raises VsrError."""
    model = find_model(given.model, given.precision)
    truths = load_truths(given.clips, given.frames_limit)
    found = header(model, truths) | {"views": given.tta}
    print(f"{found['model']} ({found['precision']}), weights {str(found['weights_sha256'])[:12]}")
    print(f"views averaged over: {given.tta}")
    print("\n".join(f"{name}: {size}" for name, size in sizes(truths).items()))
    print("\n".join(PROTOCOL), flush=True)
    enlarge = Enlarger(model, given.threads, given.tta)
    tables: dict[str, list[Record]] = {}
    for name in given.tables:
        if name == "ablation":
            from models.spmc.ablation import ablation

            records = ablation(truths, given.cache, given.work, given.steps, given.threads)
        else:
            measure = measures(given, enlarge)[name]
            records = []
            for truth in truths:
                print(f"{name}: {truth.name}", file=sys.stderr, flush=True)
                records += measure(truth)
        tables[name] = records
        print(
            "\n"
            + (SHOW[name](records) if records else f"{name}: the clips are too short or too small")
        )
        if given.json:
            text = json.dumps({**found, "tables": tables}, indent=1)
            given.json.write_text(text + "\n", encoding="utf-8")


def windows(text: str) -> list[int]:
    """Reads sizes of windows separated by commas."""
    found = [int(part) for part in text.split(",")]
    if not all(1 <= frames <= MAX_FRAMES for frames in found):
        raise argparse.ArgumentTypeError(f"a window has 1 to {MAX_FRAMES} frames")
    return found


def scales(text: str) -> list[float]:
    """Reads scales separated by commas."""
    found = [float(part) for part in text.split(",")]
    if not all(1 < scale <= 4 for scale in found):
        raise argparse.ArgumentTypeError("scales are above 1 and at most 4")
    return found


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        prog="python -m models.spmc.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("clips", type=Path, metavar="CLIPS")
    made.add_argument("--model", default=DEFAULT_MODEL, help="a shipped name, or PREFIX of files")
    made.add_argument("--precision", default="fp32", help="fp32, fp16, int8 or auto")
    made.add_argument("--tables", type=one_of(TABLES), default=list(TABLES[:-2]))
    made.add_argument("--scales", type=scales, default=[4.0], help="of psnr, such as 2,2.5,3,4")
    made.add_argument("--inputs", type=one_of(KINDS), default=list(KINDS), help="of psnr")
    made.add_argument("--windows", type=windows, default=list(WINDOWS), help="of psnr, in frames")
    made.add_argument("--tta", type=int, choices=VIEWS, default=1, help="views averaged over")
    made.add_argument(
        "--frames-limit", type=positive, metavar="N", help="first N frames of each clip"
    )
    made.add_argument("--json", type=Path, metavar="FILE")
    made.add_argument("--threads", type=int, default=0, help="0: every core")
    made.add_argument("--cache", type=Path, help="ablation: clips of models.spmc.data")
    made.add_argument("--work", type=Path, help="ablation: folder of its checkpoints")
    made.add_argument("--steps", type=positive, default=2000, help="ablation: of every training")
    return made


@told
def main() -> None:
    """Read the options and measure."""
    options = parser()
    given = options.parse_args()
    if "ablation" in given.tables and not (given.cache and given.work):
        options.error("the ablation trains networks: give --cache and --work")
    if "time" in given.tables:
        opencv()  # before hours of other tables
    if given.json is not None:
        check_target(given.json)
    evaluate(given)


if __name__ == "__main__":
    main()
