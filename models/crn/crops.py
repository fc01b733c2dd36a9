"""`vsr unmakeup` itself on close crops of held-out people, as they are shared: before and after.

    python -m models.crn.crops --portraits DIR [--people 14]

The people of split "test" whose photo allows a square of 1.25 face heights around the face, reduced
to 512 x 512, edited as in the set "app" of models.crn.evaluate and saved as JPEG 92, 4:2:0. PSNR of
RGB over the whole crop: the edited file, reversed, reversed with --whole.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.crn import edits
from models.crn.canvas import face_of, portraits, read
from models.crn.evaluate import APP
from vsrcli.portraits.options import UnmakeupOptions
from vsrcli.unmakeup import unmakeup

SIDE, AROUND, QUALITY = 512, 1.25, 92


def crops(folder: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Name and crop [SIDE, SIDE, 3] of everybody whose photo is large enough."""
    for row in portraits(folder, "test"):
        picture = read(folder / row["file"])
        face = face_of(picture, float(row["face_height"]))
        if face is None:
            continue
        side = int(AROUND * face.height)
        top, left = int(face.y - side / 2), int(face.x - side / 2)
        if min(top, left) < 0 or top + side > len(picture) or left + side > picture.shape[1]:
            continue
        crop = Image.fromarray(picture[top : top + side, left : left + side])
        yield row["file"], np.asarray(crop.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def psnr(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """dB between two pictures."""
    return float(-10 * np.log10(np.square(first.astype(float) - second).mean() / 255**2))


def scores(truth: NDArray[np.uint8], folder: Path) -> list[float]:
    """PSNR of the edited crop, reversed, and reversed with --whole; files go to FOLDER."""
    source, target = folder / "edited.jpg", folder / "reversed.png"
    everywhere = np.ones((SIDE, SIDE), np.float32)
    edited = edits.quantise(APP(truth.astype(np.float32) / 255, SIDE / AROUND, everywhere))
    Image.fromarray(edited).save(source, quality=QUALITY, subsampling=2)
    found = [psnr(np.asarray(Image.open(source)), truth)]
    for whole in (False, True):
        unmakeup(source, target, UnmakeupOptions(overwrite=True, whole=whole))
        found.append(psnr(np.asarray(Image.open(target)), truth))
    return found


def main() -> None:
    """Print a line for everybody and the mean."""
    parser = argparse.ArgumentParser(prog="python -m models.crn.crops", description=__doc__)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--people", type=int, default=14, help="at most so many")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, truth in crops(given.portraits):
            rows.append(scores(truth, Path(folder)))
            print(f"{name:20}", *(f"{value:7.2f}" for value in rows[-1]), flush=True)
            if len(rows) == given.people:
                break
    print(f"{'mean':20}", *(f"{value:7.2f}" for value in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
