"""`--inverse-telecine`: of every five frames of video the four of the film they were made from."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.clips import make_frame, shown_at
from tests.conftest import MakeClip
from tests.jobs import do, job_of
from vsrcli.cli import app
from vsrcli.errors import InputError
from vsrcli.media.cadence import times_of
from vsrcli.media.conform import FirstField
from vsrcli.media.planes import FULL_RANGE, ColourTags, Frame, from_video_frame
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader

NTSC, FILM = Fraction(30000, 1001), Fraction(24000, 1001)
TELECINED: dict[str, Any] = {
    "interlaced": True,
    "pulldown": True,
    "velocity": (3, 1),
    "rate": NTSC,
    "frames": 30,
}
NOTE = "film is put together again (fieldmatch, decimate), four of five frames"


def read(path: Path, **arguments: Any) -> tuple[list[Frame], list[str]]:
    """The pictures of the film, and the notes."""
    notes: list[str] = []
    info = probe(path).made_into("film")
    with Reader(path, info=info, note=notes.append, **arguments) as reader:
        return list(reader), notes


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv411p", "yuv444p"])
def test_pictures_are_those_of_the_film(
    make_clip: MakeClip, pix_fmt: str, order: FirstField
) -> None:
    how = {"codec": "ffv1", "pix_fmt": pix_fmt, "first_field": order}
    path = make_clip("in.mkv", **(TELECINED | how))
    frames, notes = read(path)
    assert notes == [f"in.mkv: {NOTE}"]
    assert [frame.index for frame in frames] == list(range(24))
    rounded = Fraction(1, 1000)  # as Matroska's clock is
    for number, frame in enumerate(frames):
        film = make_frame(pix_fmt, 64, 48, number, velocity=TELECINED["velocity"])
        for plane, true in zip(frame.planes, film.planes, strict=True):
            np.testing.assert_array_equal(plane, true)
        begin = (frame.pts - frames[0].pts) * frame.time_base
        assert abs(begin - number / FILM) <= rounded
        assert abs(frame.duration * frame.time_base - 1 / FILM) <= rounded


def test_full_range_stays_full(make_clip: MakeClip) -> None:
    how = {"codec": "libx264", "pix_fmt": "yuvj420p"}
    path = make_clip("in.mkv", **(TELECINED | how | {"tags": ColourTags(range=FULL_RANGE)}))
    assert probe(path).pix_fmt == "yuvj420p"
    frames, _ = read(path)
    with av.open(str(path)) as container:
        coded = [from_video_frame(frame) for frame in container.decode(video=0)]
    assert len(frames) == 24
    for number, whole in ((0, 0), (3, 4), (4, 5), (20, 25), (23, 29)):
        assert frames[number].tags.range == FULL_RANGE
        for plane, same in zip(frames[number].planes, coded[whole].planes, strict=True):
            np.testing.assert_array_equal(plane, same)


@pytest.mark.parametrize("frames", [1, 4, 5, 6, 12])
def test_what_is_left_of_the_last_five_shares_their_time(make_clip: MakeClip, frames: int) -> None:
    path = make_clip("in.mkv", **(TELECINED | {"codec": "ffv1", "frames": frames}))
    with Reader(path) as reader:
        whole = list(reader)
    pictures, _ = read(path)
    assert len(pictures) == frames - frames // 5
    lasts = sum(picture.duration * picture.time_base for picture in pictures)
    assert lasts == sum(frame.duration * frame.time_base for frame in whole)
    for one, other in zip(pictures, pictures[1:], strict=False):
        assert other.pts == one.pts + one.duration


def test_a_part_is_chosen_by_the_times_of_the_film(make_clip: MakeClip) -> None:
    path = make_clip("in.mkv", **(TELECINED | {"codec": "ffv1"}))
    whole, _ = read(path)
    part, _ = read(path, start=9 / FILM - Fraction(1, 500), max_frames=5)
    assert [frame.index for frame in part] == [9, 10, 11, 12, 13]
    for frame in part:
        np.testing.assert_array_equal(frame.planes[0], whole[frame.index].planes[0])


@pytest.mark.parametrize(
    ("name", "output", "codec"),
    [
        ("in.mp4", "out.mp4", "libx264"),
        ("in.avi", "out.mkv", "mpeg2video"),
        ("in.ts", "out.avi", "mpeg2video"),
    ],
)
def test_an_output_has_the_rate_of_film_and_its_sound_in_time(
    make_clip: MakeClip, tmp_path: Path, name: str, output: str, codec: str
) -> None:
    path = make_clip(name, **(TELECINED | {"codec": codec, "audio": ("ac3",)}))
    made, notes, seen = tmp_path / output, [], []
    result = do(
        path,
        made,
        inverse_telecine=True,
        note=notes.append,
        progress=lambda *told: seen.append(told),
    )
    assert result.frames == 24 and seen[-1] == (24, 24)
    assert not [note for note in notes if "constant" in note or "variable" in note]
    assert probe(made).rate == FILM and not probe(made).interlaced
    for number, time in enumerate(shown_at(made)):
        assert abs(time - number / FILM) <= Fraction(1, 1000)
    with av.open(str(path)) as before, av.open(str(made)) as after:
        lengths = [
            sum(frame.samples for frame in container.decode(audio=0))
            for container in (before, after)
        ]
    assert lengths[0] == lengths[1]


def test_times_are_known_by_packets_alone(make_clip: MakeClip) -> None:
    path = make_clip("in.avi", **(TELECINED | {"codec": "mpeg2video", "options": {"bf": "0"}}))
    found = times_of(probe(path).made_into("film"))
    pictures, _ = read(path)
    assert list(found) == [picture.pts for picture in pictures][: len(found)]
    assert len(found) == 20


def test_more_bits_are_refused(make_clip: MakeClip, tmp_path: Path) -> None:
    path = make_clip("in.mkv", **(TELECINED | {"codec": "ffv1", "pix_fmt": "yuv422p10le"}))
    with pytest.raises(InputError, match=r"in\.mkv is yuv422p10le; --inverse-telecine takes"):
        job_of(path, tmp_path / "o.mkv", inverse_telecine=True)


def test_the_plan_counts_the_pictures_and_tells_of_them(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    path = make_clip("in.mp4", **TELECINED)
    asked = ["upscale", str(path), str(tmp_path / "o.mp4"), "--dry-run", "--inverse-telecine"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0 and "about 24," in result.stdout and NOTE in result.stderr
