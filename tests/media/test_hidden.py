"""What transparency hides does not show at the edges of enlarged pictures."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.clips import make_frame
from tests.lossless import write_frames
from vsrcli import UpscaleOptions, upscale
from vsrcli.job import prepare
from vsrcli.making import Notes, SegmentMaker
from vsrcli.media.folder import JobFolder
from vsrcli.media.formats import layout_of
from vsrcli.media.hidden import without_hidden
from vsrcli.media.planes import ColourTags, Frame
from vsrcli.media.reader import Reader

OPTIONS = UpscaleOptions(scale=4, frames=1, device="cpu")
COLOUR = (240, 200, 40)


def cut_out(path: Path, hidden: tuple[int, int, int]) -> Path:
    """A picture of one colour amid nothing, where the samples are HIDDEN."""
    pixels = np.zeros((24, 32, 4), np.uint8)
    pixels[..., :3] = hidden
    pixels[8:17, 8:23] = (*COLOUR, 255)
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("name", ["o.png", "o.tif", "o.webp", "o.gif", "o.apng"])
@pytest.mark.parametrize("hidden", [(0, 0, 0), (255, 255, 255)])
def test_edges_have_no_fringe(tmp_path: Path, name: str, hidden: tuple[int, int, int]) -> None:
    upscale(cut_out(tmp_path / "i.png", hidden), tmp_path / name, OPTIONS)
    (frame,) = Reader(tmp_path / name)
    green, blue, red, alpha = (plane.astype(int) for plane in frame.planes)
    seen = alpha > 0
    assert seen.any() and not seen.all()
    for plane, wanted in zip((red, green, blue), COLOUR, strict=True):
        assert np.abs(plane[seen] - wanted).max() <= 4


def test_without_transparency_the_samples_are_seen(tmp_path: Path) -> None:
    upscale(cut_out(tmp_path / "i.png", (10, 20, 250)), tmp_path / "o.jpg", OPTIONS)
    with Image.open(tmp_path / "o.jpg") as image:
        assert np.abs(np.subtract(image.getpixel((2, 2)), (10, 20, 250))).max() <= 4


@pytest.mark.parametrize("pix_fmt", ["yuva420p", "yuva422p", "yuva444p10le", "gbrap", "ya8"])
def test_what_is_hidden_is_the_nearest_that_is_seen(pix_fmt: str) -> None:
    layout = layout_of(pix_fmt)
    planes = [np.full(shape, 7, layout.dtype) for shape in layout.shapes(15, 9)]
    for number, plane in enumerate(planes):
        across = 2 if plane.shape[1] < 15 else 1
        plane[:, : 6 // across], plane[:, -3 // across :] = 50 + number, 90 + number
    planes[-1][...] = 0
    planes[-1][:, :6] = planes[-1][:, -3:] = 255
    frame = Frame(tuple(planes), layout, 0, 1, Fraction(1, 25), ColourTags(), 0)
    found = without_hidden(frame)
    for number, plane in enumerate(found.planes[:-1]):
        middle = round(plane.shape[1] * 9 / 15)
        assert set(plane[:, : middle - 1].flat) == {50 + number}
        assert set(plane[:, middle + 1 :].flat) == {90 + number}
    np.testing.assert_array_equal(found.planes[-1], planes[-1])


def test_of_nothing_seen_nothing_changes() -> None:
    planes = tuple(np.full((4, 6), level, np.uint8) for level in (10, 20, 30, 0))
    frame = Frame(planes, layout_of("gbrap"), 0, 1, Fraction(1, 25), ColourTags(), 0)
    for plane, same in zip(without_hidden(frame).planes, planes, strict=True):
        np.testing.assert_array_equal(plane, same)


def test_it_is_not_looked_for_in_what_is_made_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [make_frame("yuva444p", 32, 24, pts=index) for index in range(4)]
    clip = write_frames(tmp_path / "i.mkv", frames)
    options = replace(OPTIONS, codec="ffv1")
    job = replace(prepare(clip, tmp_path / "o.mkv", options, note=print), segment_frames=2)
    seen: list[int] = []

    def counted(frame: Frame) -> Frame:
        seen.append(frame.index)
        return without_hidden(frame)

    monkeypatch.setattr("vsrcli.making.without_hidden", counted)
    JobFolder(job.output).segment(0).parent.mkdir()
    for _ in range(2):
        with SegmentMaker(job, threads=1, note=Notes(print, strict=False)) as maker:
            assert maker.make(0).frames == 2
    assert seen == [0, 1]
