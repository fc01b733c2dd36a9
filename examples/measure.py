"""Reduce a video, enlarge it again, and measure what came back, next to bicubic and Lanczos.

python examples/measure.py original.mp4 folder
"""

import argparse
from pathlib import Path

from vsrcli import DegradeOptions, Protocol, UpscaleOptions, degrade, psnr, upscale


def main(original: str, folder: str) -> None:
    """Print PSNR of luma over the first ten frames, mean over frames."""
    small, large = Path(folder) / "small.mkv", Path(folder) / "large.mkv"
    degrade(original, small, DegradeOptions(kind="bi", max_frames=10, overwrite=True))
    upscale(small, large, UpscaleOptions(codec="ffv1", overwrite=True))
    protocol = Protocol(channel="y", max_frames=10, ssim=False)
    for row in psnr(original, large, baseline=small, protocol=protocol).outputs:
        print(f"{Path(row.name).name:10} {row.psnr_mean:.2f} dB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("original")
    parser.add_argument("folder", help="for what is made on the way; it must be there")
    main(**vars(parser.parse_args()))
