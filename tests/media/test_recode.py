"""Y'CbCr of one matrix and range as that of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.clips import make_frame
from vsrcli.media.formats import layout_of
from vsrcli.media.planes import ColourTags, Frame
from vsrcli.media.recode import recoded, recoloured, resited

LIMITED_709, LIMITED_601 = ColourTags(1, 1, 1, 1), ColourTags(6, 6, 6, 1)
FULL_709, FULL_601 = ColourTags(1, 1, 1, 2), ColourTags(6, 6, 6, 2)


def flat(pix_fmt: str, levels: tuple[int, ...]) -> Frame:
    frame = make_frame(pix_fmt, 18, 10)
    for plane, level in zip(frame.planes, levels, strict=True):
        plane[...] = level
    return frame


@pytest.mark.parametrize(
    ("pix_fmt", "old", "new", "before", "after"),
    [
        # Pure red and pure blue, by ITU-T H.273.
        ("yuv420p", LIMITED_709, LIMITED_601, (63, 102, 240), (81, 90, 240)),
        ("yuv444p", LIMITED_709, FULL_601, (32, 240, 118), (29, 255, 107)),
        ("yuv422p10le", LIMITED_601, LIMITED_709, (326, 361, 960), (250, 409, 960)),
        ("yuv444p", ColourTags(9, 9, 16, 1), LIMITED_601, (74, 97, 240), (81, 90, 240)),
        ("yuv420p", FULL_601, LIMITED_601, (255, 0, 255), (235, 16, 240)),
        ("yuva420p", FULL_709, LIMITED_709, (0, 128, 128, 77), (16, 128, 128, 77)),
        ("yuv444p16le", FULL_709, LIMITED_709, (65535, 0, 32768), (60160, 4096, 32768)),
        ("gray", FULL_601, LIMITED_709, (255,), (235,)),
    ],
)
def test_known_colours(
    pix_fmt: str,
    old: ColourTags,
    new: ColourTags,
    before: tuple[int, ...],
    after: tuple[int, ...],
) -> None:
    made = recoded(flat(pix_fmt, before), old, new, layout_of(pix_fmt).depth)
    assert all((plane == plane[0, 0]).all() for plane in made.planes)
    assert [int(plane[0, 0]) for plane in made.planes] == pytest.approx(after, abs=1)


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        (ColourTags(1, 1, 1, 0), LIMITED_709),
        (ColourTags(5, 5, 6, 1), LIMITED_601),
        (ColourTags(2, 2, 2, 1), LIMITED_709),
        (LIMITED_709, ColourTags()),
    ],
)
def test_colours_that_do_not_change_are_left_alone(own: ColourTags, wanted: ColourTags) -> None:
    frame = replace(flat("yuv420p", (63, 102, 240)), tags=own)
    assert recoloured(frame, wanted) is frame


@pytest.mark.parametrize(
    ("own", "wanted", "levels", "matrix"),
    [
        (LIMITED_709, LIMITED_601, (81, 90, 240), 6),
        (FULL_709, ColourTags(), (16 + 63 * 219 // 255, 105, 226), 1),
        (ColourTags(range=2), LIMITED_709, (16 + 63 * 219 // 255, 105, 226), 2),
    ],
)
def test_colours_are_brought_to_those_of_other_tags(
    own: ColourTags, wanted: ColourTags, levels: tuple[int, ...], matrix: int
) -> None:
    made = recoloured(replace(flat("yuv420p", (63, 102, 240)), tags=own), wanted)
    assert [int(plane[0, 0]) for plane in made.planes] == pytest.approx(levels, abs=1)
    assert (made.tags.matrix, made.tags.range) == (matrix, wanted.range)


def test_white_of_samples_made_longer_stays_white() -> None:
    shifted = flat("yuv422p10le", (255 << 2, 255 << 2, 0))
    made = recoded(shifted, FULL_709, LIMITED_709, 8)
    assert [int(plane[0, 0]) for plane in made.planes] == [940, 958, 62]


@pytest.mark.parametrize(("location", "column"), [(1, 0.0), (2, 0.5), (3, 0.0)])
def test_luma_gets_its_share_of_chroma_where_chroma_lies(location: int, column: float) -> None:
    tags = replace(LIMITED_709, chroma_location=location)
    frame = replace(flat("yuv420p16le", (30000, 32768, 32768)), tags=tags)
    slope = 1000 * np.arange(9) + 28000
    frame.planes[2][...] = slope
    made = recoded(frame, LIMITED_709, LIMITED_601, 16)
    # At luma column x chroma is 28000 + 1000 * (x - column) / 2.
    cr = (28000 + 500 * (np.arange(18) - column) - 32768) / (224 * 256)
    share = 0.299 * 2 * (1 - 0.2126) - 0.587 * 2 * 0.2126 * (1 - 0.2126) / 0.7152
    wanted = 30000 + 219 * 256 * share * cr
    np.testing.assert_allclose(made.planes[0][4, 1:-2], wanted[1:-2], atol=2)


def test_chroma_is_not_softened() -> None:
    frame = flat("yuv420p", (120, 128, 128))
    frame.planes[1][:, ::2], frame.planes[2][::2] = 90, 170
    back = recoded(recoded(frame, LIMITED_709, FULL_601, 8), FULL_601, LIMITED_709, 8)
    for found, sent in zip(back.planes, frame.planes, strict=True):
        np.testing.assert_allclose(found.astype(int), sent.astype(int), atol=1)


@pytest.mark.parametrize(
    ("old", "new", "across", "down"),
    [(2, 1, -0.5, 0.0), (1, 4, 0.5, -0.5), (3, 6, 0.5, 1.0), (5, 2, 0.5, -0.5)],
)
def test_chroma_alone_moves_to_another_site(old: int, new: int, across: float, down: float) -> None:
    """`across` and `down` in pixels of luma; a ramp tells how far."""
    picture = make_frame("yuva420p10le", 32, 24)
    ramp = np.add.outer(np.arange(12) * 24, np.arange(16) * 16).astype(np.uint16) + 300
    luma, _, _, alpha = picture.planes
    alpha[4:8] = 7
    frame = replace(picture, planes=(luma, ramp, 1100 - ramp, alpha))
    moved = resited(frame, old, new)
    assert moved.planes[0] is luma and moved.planes[3] is alpha and len(moved.planes) == 4
    assert moved.tags == replace(frame.tags, chroma_location=new)
    change = 8 * across + 12 * down
    np.testing.assert_array_equal(moved.planes[1][3:-3, 3:-3], (ramp + change)[3:-3, 3:-3])
    np.testing.assert_array_equal(moved.planes[2][3:-3, 3:-3], (1100 - ramp - change)[3:-3, 3:-3])


@pytest.mark.parametrize(("pix_fmt", "new"), [("yuv420p", 1), ("yuv444p", 2), ("gray", 2)])
def test_nothing_moves_where_chroma_has_its_place(pix_fmt: str, new: int) -> None:
    frame = make_frame(pix_fmt, 32, 24)
    assert resited(frame, 1, new) is frame
