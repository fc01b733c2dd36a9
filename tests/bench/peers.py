"""vsr beside others, on the same clips and in the same run: speed and quality at x4.

    python tests/bench/peers.py CLIPS --env CACHE --frames 30

CLIPS is a folder of high-resolution videos (8 bits, sides that are multiples of 8), which are
reduced as `vsr degrade` does. Everything that is compared is installed from PyPI into environments
in CACHE. What does not install or run is left out with its reason. Prints a table in Markdown. Not
part of the tests.

A clip goes through all methods before the next one does, and every clip begins with another method,
so that whatever else the machine does meets all of them. Every run is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.peer_environments import PACKAGES, Environments, Unavailable, call  # noqa: E402
from tests.bench.peer_worker import luma_of  # noqa: E402
from vsrcli.cli.bench_report import describe  # noqa: E402
from vsrcli.collection import find_clips  # noqa: E402
from vsrcli.degradation import KINDS, Kind  # noqa: E402
from vsrcli.degrade import DegradeOptions, degrade  # noqa: E402
from vsrcli.errors import ModelError, VsrError  # noqa: E402
from vsrcli.machine import this_machine  # noqa: E402
from vsrcli.media.planes import Frame  # noqa: E402
from vsrcli.media.reader import Reader  # noqa: E402
from vsrcli.media.swscale import RgbConverter  # noqa: E402
from vsrcli.metrics import distortion, ssim  # noqa: E402
from vsrcli.networks.card import find_model  # noqa: E402

WORKER = Path(__file__).with_name("peer_worker.py")
SCALE = 4
BT709 = 1
FULL_RANGE = 2
WEIGHTS = {True: (0.2126, 0.0722), False: (0.299, 0.114)}
"""Of red and blue in the luma of BT.709, and of BT.601 for everything else, RGB included."""


@dataclass
class Result:
    """What one method has shown so far."""

    name: str
    seconds: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    """One mean over frames for each clip, as are the others."""
    ssim: list[float] = field(default_factory=list)
    tof: list[float] = field(default_factory=list)
    failure: str = ""


@dataclass(frozen=True)
class Sample:
    """One clip, reduced."""

    name: str
    reduced: Path
    """The video."""
    pictures: Path
    """The same as RGB, for the worker."""
    reference: Path
    """Luma of the original."""


def main() -> None:
    """Compare and print."""
    options = arguments()
    environments = Environments(options.env)
    methods = options.methods or [*(f"vsr-{each}" for each in precisions()), *PACKAGES]
    results = {method: Result(method) for method in methods}
    say("installing")
    pythons: dict[str, Path] = {}
    for method in methods:
        try:
            pythons[method] = environments.python(method)
        except Unavailable as reason:
            results[method].failure = f"not available: {reason}"
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        samples = list(prepared(options.clips, Path(folder), options.frames, options.kind))
        if not samples:
            sys.exit(f"{options.clips}: holds no clip that can be compared")
        for number, sample in enumerate(samples):
            turn = number % len(methods)
            for method in methods[turn:] + methods[:turn]:
                result = results[method]
                if result.failure:
                    continue
                say(f"{sample.name}: {method}")
                try:
                    run(method, pythons[method], sample, result, options.patience)
                    score(sample, environments, result)
                except Unavailable as reason:
                    result.failure = f"not available: {reason}"
                finally:
                    output_of(sample).unlink(missing_ok=True)
    print(markdown(list(results.values()), samples, options))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare vsr with others at x4.")
    parser.add_argument("clips", type=Path, help="folder of high-resolution videos, or one video")
    parser.add_argument("--env", type=Path, required=True, help="folder for the environments")
    parser.add_argument("--frames", type=int, default=10, help="the first N of every clip")
    parser.add_argument("--kind", choices=KINDS, default="contest", help="as of vsr degrade")
    parser.add_argument(
        "--methods", nargs="+", metavar="NAME", help=f"vsr-PRECISION, {', '.join(PACKAGES)}"
    )
    parser.add_argument(
        "--patience", type=float, default=3600, help="seconds a method may take for one clip"
    )
    found = parser.parse_args()
    unknown = [name for name in found.methods or () if name not in PACKAGES and name[:4] != "vsr-"]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    return found


def precisions() -> Iterator[str]:
    """Those the shipped model has files for, and a CPU is made for."""
    for each in ("fp32", "int8"):
        try:
            find_model(precision=each)
        except ModelError:
            continue
        yield each


def prepared(clips: Path, folder: Path, frames: int, kind: Kind) -> Iterator[Sample]:
    """Every clip reduced, as video and as RGB, with the luma of the original."""
    for number, clip in enumerate(find_clips(clips)):
        own = folder / str(number)
        own.mkdir()
        sample = Sample(clip.name, own / "lr.mkv", own / "lr.npz", own / "hr.npy")
        try:
            options = DegradeOptions(kind=kind, scale=SCALE, max_frames=frames)
            degrade(clip.path, sample.reduced, options)
            with Reader(clip.path, max_frames=frames) as reader:
                save(sample, list(reader))
        except VsrError as failure:
            say(f"left out: {failure}")
            continue
        yield sample


def save(sample: Sample, originals: Sequence[Frame]) -> None:
    """Write the reduced clip as RGB, and the luma of the original.

    Raises VsrError if the clip is not one that can be compared.
    """
    convert = RgbConverter()
    with Reader(sample.reduced) as reader:
        frames = list(reader)
    first, original = frames[0], originals[0]
    size = (first.width * SCALE, first.height * SCALE)
    if original.layout.depth != 8 or (original.width, original.height) != size:
        raise VsrError(f"{sample.name}: is not of 8 bits with sides that are multiples of 8")
    as_rgb = original.layout.kind == "rgb"
    red, blue = WEIGHTS[original.tags.matrix == BT709]
    np.savez(
        sample.pictures,
        rgb=np.stack([np.stack(convert(frame).planes, axis=-1) for frame in frames]),
        red=red,
        blue=blue,
        full=original.tags.range == FULL_RANGE and not as_rgb,
        as_rgb=as_rgb,
        pix_fmt=first.layout.pix_fmt,
    )
    np.save(sample.reference, np.stack([luma_of(each, as_rgb=as_rgb) for each in originals]))


def output_of(sample: Sample) -> Path:
    """Where a method's luma goes."""
    return sample.reduced.with_name("out.npy")


def run(method: str, python: Path, sample: Sample, result: Result, patience: float) -> None:
    """Let one method enlarge one clip."""
    output = output_of(sample)
    said = call([python, WORKER, method, sample.reduced, sample.pictures, output], patience)
    found = json.loads(said.strip().splitlines()[-1])
    result.name = found["method"]
    result.seconds += found["seconds"]


def score(sample: Sample, environments: Environments, result: Result) -> None:
    """Compare one method's luma with the original's."""
    output = output_of(sample)
    references, found = np.load(sample.reference), np.load(output)
    if references.shape != found.shape:
        raise Unavailable(f"made {found.shape} instead of {references.shape}")
    pairs = list(zip(references, found, strict=True))
    result.psnr.append(statistics.mean(distortion(a, b, 255).psnr for a, b in pairs))
    result.ssim.append(statistics.mean(ssim(a, b, 255) for a, b in pairs))
    if len(pairs) > 1:
        try:
            said = call([environments.metrics(), WORKER, "tof", sample.reference, output], 3600)
            result.tof.append(json.loads(said)["tof"])
        except Unavailable as reason:
            say(f"no tOF: {reason}")


def markdown(
    results: Sequence[Result], samples: Sequence[Sample], options: argparse.Namespace
) -> str:
    """The table, and what its figures are figures of."""
    lines = [
        "| method | s per frame | PSNR-Y, dB | SSIM | tOF |",
        "| --- | --: | --: | --: | --: |",
    ]
    for result in results:
        if result.failure or not result.psnr:
            lines.append(f"| {result.name} | {result.failure or 'no clip'} | – | – | – |")
            continue
        figures = [f"{statistics.median(result.seconds):.3f}"]
        figures += [f"{statistics.mean(result.psnr):.2f}", f"{statistics.mean(result.ssim):.4f}"]
        figures.append(f"{statistics.mean(result.tof):.3f}" if result.tof else "–")
        lines.append(f"| {' | '.join([result.name, *figures])} |")
    names = ", ".join(sample.name for sample in samples)
    lines += [
        "",
        f"First {options.frames} frames of {names}; degradation {options.kind}, x{SCALE}. "
        "Seconds: median, from a decoded picture in memory to the enlarged one in memory; FFmpeg: "
        "the whole command. PSNR and SSIM of Y, all frames, no crop, 8 bits, mean over frames and "
        "then clips. tOF: mean difference of Farneback's optical flow, in pixels, lower is better.",
        "",
        f"Measured on: {describe(this_machine())}.",
    ]
    return "\n".join(lines)


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
