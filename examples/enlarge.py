"""Enlarge a video from Python and report the progress in one's own way.

python examples/enlarge.py examples/bunny.mp4 bunny_x2.mp4
"""

import argparse
import sys
from fractions import Fraction

from vsrcli import UpscaleOptions, VsrError, upscale


def progress(done: int, total: int | None) -> None:
    """Called for every frame; the total is not always known."""
    print(f"\r{done} of {total or 'so many'} frames", end="", flush=True)


def main(source: str, output: str) -> None:
    """The first half second of SOURCE, twice as large, nearly lossless."""
    options = UpscaleOptions(scale=2, frames=3, end=Fraction(1, 2), crf=12, overwrite=True)
    try:
        result = upscale(source, output, options, progress=progress, note=print)
    except VsrError as error:
        sys.exit(f"{error}")
    width, height = result.size
    print(f"\n{result.output}: {width}x{height}, {result.frames_per_second:.1f} frames a second")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("output")
    main(**vars(parser.parse_args()))
