"""What a container has players cut off: as FFmpeg describes it, and in words."""

from __future__ import annotations

import pytest

from vsrcli.media.cropping import Crop, crop_in


@pytest.mark.parametrize(
    ("edges", "crop"),
    [
        ("8/0/2/0", Crop(8, 0, 2, 0)),
        ("0/0/0/1", Crop(0, 0, 0, 1)),
        ("0/0/0/0", None),
        ("31/32/0/0", Crop(31, 32, 0, 0)),  # a column is left
        ("32/32/0/0", None),
        ("0/0/23/24", Crop(0, 0, 23, 24)),
        ("0/0/24/24", None),
        ("99/0/0/0", None),
    ],
)
def test_edges_are_read_unless_nothing_would_be_left(edges: str, crop: Crop | None) -> None:
    assert crop_in(f"Side data:\n  Frame Cropping: {edges}\n", (64, 48)) == crop


def test_no_edges_are_described() -> None:
    assert crop_in("Stream #0:0: Video: h264", (64, 48)) is None


def test_only_edges_that_are_cut_off_are_told() -> None:
    assert str(Crop(8, 0, 2, 0)) == "pixels: left 8, top 2"
    assert str(Crop(0, 6, 0, 4)) == "pixels: right 6, bottom 4"
    assert Crop(8, 1, 2, 4).of(64, 48) == (55, 42)
