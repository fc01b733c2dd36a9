"""`vsr unmakeup` itself on close crops of held-out people, as they are shared: before and after.

    python -m models.crn.crops --portraits DIR [--edit app|phone]

The people of split "test" whose photo allows a square of 1.25 face heights around the face, reduced
to 512 x 512, edited as in a set of models.crn.evaluate and saved as JPEG 92, 4:2:0. PSNR of RGB
over the whole crop: the edited file, one curve fitted on the others' crops, reversed, reversed with
--whole, and also with --pair, the next one's crop before and after.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.common.command import positive, told
from models.crn import edits
from models.crn.canvas import face_of, portraits, read
from models.crn.evaluate import SETTINGS, Curve
from models.crn.measures import psnr
from vsrcli.errors import InputError
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


def edited(truth: NDArray[np.uint8], edit: edits.Edit, path: Path) -> NDArray[np.uint8]:
    """TRUTH edited, as the JPEG file PATH has it."""
    everywhere = np.ones((SIDE, SIDE), np.float32)
    found = edits.quantise(edit(truth.astype(np.float32) / 255, SIDE / AROUND, everywhere))
    Image.fromarray(found).save(path, quality=QUALITY, subsampling=2)
    return np.asarray(Image.open(path))


def reversed_by_us(source: Path, **options: Any) -> NDArray[np.uint8]:
    """What `vsr unmakeup` makes of the file SOURCE."""
    target = source.with_suffix(".png")
    unmakeup(source, target, UnmakeupOptions(overwrite=True, **options))
    return np.asarray(Image.open(target))


def shares(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes as 0..1."""
    return picture.astype(np.float32) / 255


@told
def main() -> None:
    """Print a line for everybody and the mean."""
    parser = argparse.ArgumentParser(prog="python -m models.crn.crops", description=__doc__)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--people", type=positive, default=100, help="at most so many")
    parser.add_argument("--edit", choices=SETTINGS, default="app")
    given = parser.parse_args()
    edit, rows, curve = SETTINGS[given.edit], [], Curve()
    with tempfile.TemporaryDirectory() as folder:
        people, files = [], []
        for name, truth in islice(crops(given.portraits), given.people):
            before, after = (Path(folder, f"{len(files)}{end}") for end in (".tif", ".jpg"))
            Image.fromarray(truth).save(before)
            people.append((name, truth, edited(truth, edit, after)))
            files.append((before, after))
            curve.add(shares(people[-1][2]), shares(truth))
        if len(people) < 2:
            raise InputError(
                f"{given.portraits}: two people are needed, each with a face and room around it: "
                f"curves and pairs are of others, and there are {len(people)}"
            )
        for (name, truth, seen), (_, path), other in zip(
            people, files, files[1:] + files[:1], strict=True
        ):
            curve.add(shares(seen), shares(truth), -1)
            found = [seen, edits.quantise(curve(shares(seen)))]
            curve.add(shares(seen), shares(truth))
            found += [reversed_by_us(path, whole=whole) for whole in (False, True)]
            found.append(reversed_by_us(path, whole=True, pair=other))
            rows.append([psnr(shares(each), shares(truth)) for each in found])
            print(f"{name:20}", *(f"{value:7.2f}" for value in rows[-1]), flush=True)
    print(f"{'mean':20}", *(f"{value:7.2f}" for value in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
