"""The page that `--compare` draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.clips import make_frame
from tests.lossless import write_frames
from vsrcli.comparison import compare
from vsrcli.media.planes import ColourTags


@pytest.mark.parametrize(
    ("pix_fmt", "tags", "sample", "shown"),
    [
        ("gray", ColourTags(range=1), (235,), (255, 255, 255)),
        ("gray10le", ColourTags(range=1), (64,), (0, 0, 0)),
        ("gray", ColourTags(range=2), (235,), (235, 235, 235)),
        ("yuv420p", ColourTags(1, 1, 1, 1), (63, 102, 240), (255, 0, 0)),
        ("yuv420p10le", ColourTags(9, 9, 16, 1), (940, 512, 512), (255, 255, 255)),
        ("yuv444p", ColourTags(8, range=1), (235, 128, 128), (255, 255, 255)),  # YCgCo
    ],
)
def test_a_page_shows_the_colours_of_its_clips(
    tmp_path: Path,
    pix_fmt: str,
    tags: ColourTags,
    sample: tuple[int, ...],
    shown: tuple[int, int, int],
) -> None:
    frame = make_frame(pix_fmt, 64, 48, tags=tags)
    planes = [np.full_like(p, v) for p, v in zip(frame.planes, sample, strict=True)]
    clip = write_frames(tmp_path / "clip.mkv", [replace(frame, planes=tuple(planes))])
    compare(clip, clip, tmp_path / "page.png")
    page = np.asarray(Image.open(tmp_path / "page.png"))
    for half in (page[:48, :64], page[:48, 72:136]):  # with names and frames drawn on them
        np.testing.assert_allclose(np.median(half, (0, 1)), shown, atol=1)


def test_untagged_clips_of_two_sizes_have_the_matrix_of_the_source(tmp_path: Path) -> None:
    colours = []
    for name, width in (("small.mkv", 640), ("large.mkv", 1280)):
        frame = make_frame("yuv420p", width, width * 9 // 16, tags=ColourTags(range=1))
        planes = [np.full_like(p, v) for p, v in zip(frame.planes, (81, 90, 240), strict=True)]
        write_frames(tmp_path / name, [replace(frame, planes=tuple(planes))])
    for source in ("small", "large"):
        compare(tmp_path / f"{source}.mkv", tmp_path / "large.mkv", tmp_path / f"{source}.png")
        page = np.asarray(Image.open(tmp_path / f"{source}.png"), np.int16)
        np.testing.assert_array_equal(page[600, 1200], page[600, 2500])
        colours.append(page[600, 1200])
    np.testing.assert_allclose(colours[0], (254, 0, 0), atol=1)  # BT.601
    assert np.abs(colours[1] - colours[0]).max() > 9  # BT.709, by its size
