"""`--double-rate`: every field of interlaced video becomes a picture, at its own time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from tests.clips import flagged_interlaced, make_frame, shown_at
from tests.conftest import MakeClip
from tests.jobs import do, job_of
from tests.networks.tiny import TINY
from vsrcli.cli import app
from vsrcli.comparison import compare
from vsrcli.errors import CheckError
from vsrcli.media.conform import FirstField
from vsrcli.media.planes import Frame, to_video_frame
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader

FIELDS: dict[str, Any] = {"interlaced": True, "velocity": (4, 0)}
STEP = 3
"""Pixels to the right that the bar moves from field to field."""
NOTE = "interlaced frames are deinterlaced (bwdif), one picture per field"


def write_bar(
    path: Path, order: FirstField, codec: str, *, marked: Sequence[bool] = (True,) * 8
) -> Path:
    """A bar that moves from field to field; frames that are not MARKED as interlaced are whole."""
    first = 0 if order == "tff" else 1
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream(codec, rate=25, width=96, height=64, pix_fmt="yuv420p")
        stream.codec_context.gop_size = 1
        if codec != "mjpeg":
            stream.codec_context.flags |= av.codec.context.Flags.interlaced_dct
        else:  # only the container tells
            stream.pix_fmt = "yuvj420p"
            stream.options = {"field_order": "tt" if order == "tff" else "bb"}
        for number, two in enumerate(marked):
            whole = make_frame(stream.pix_fmt, 96, 64, pts=number)
            luma, *chroma = (np.full_like(plane, 128) for plane in whole.planes)
            for row, place in ((first, 2 * number), (1 - first, 2 * number + two)):
                luma[row::2] = 40
                luma[row::2, 8 + STEP * place :][:, :8] = 210
            picture = to_video_frame(replace(whole, planes=(luma, *chroma)))
            output.mux(stream.encode(flagged_interlaced(picture, order) if two else picture))
        output.mux(stream.encode())
    return path


def bar(frame: Frame) -> float:
    """Where the bar begins: a column if all rows have it there."""
    bright = (frame.planes[0] > 125) * np.arange(96)
    places = [row[row > 0].min() for row in bright]
    return float(np.mean(places))


def read(path: Path, **arguments: Any) -> tuple[list[Frame], list[str]]:
    """The frames by fields, and the notes."""
    notes: list[str] = []
    with Reader(
        path, info=probe(path).made_into("fields"), note=notes.append, **arguments
    ) as reader:
        return list(reader), notes


def sound(path: Path) -> list[tuple[Fraction, bytes]]:
    """Seconds since the first picture, and content, of every packet of sound."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0))
        begin = Fraction(first.pts or 0) * Fraction(first.time_base or 0)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
    return [(Fraction(p.pts or 0) * Fraction(p.time_base or 0) - begin, bytes(p)) for p in packets]


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize(
    ("name", "codec"),
    [("in.mkv", "ffv1"), ("in.avi", "ffv1"), ("in.mov", "mjpeg")],
)
def test_what_moves_is_where_it_was_at_each_field(
    tmp_path: Path, name: str, codec: str, order: FirstField
) -> None:
    path = write_bar(tmp_path / name, order, codec)
    frames, notes = read(path)
    assert notes == [f"{name}: {NOTE}"]
    assert [bar(frame) for frame in frames] == [8 + STEP * place for place in range(16)]
    assert [frame.index for frame in frames] == list(range(16))
    begin = frames[0].pts * frames[0].time_base
    for number, frame in enumerate(frames):
        assert frame.pts * frame.time_base - begin == Fraction(number, 50)
        assert frame.duration * frame.time_base == Fraction(1, 50)


def test_whole_frames_among_interlaced_ones_are_shown_for_all_of_their_time(
    tmp_path: Path,
) -> None:
    marked = [True, False, False, True, True, False]
    frames, _ = read(write_bar(tmp_path / "in.mkv", "bff", "ffv1", marked=marked))
    places = [0, 1, 2, 4, 6, 7, 8, 9, 10]
    assert [bar(frame) for frame in frames] == [8 + STEP * place for place in places]
    assert [frame.pts * frame.time_base * 50 for frame in frames] == places
    lasts = [1, 1, 2, 2, 1, 1, 1, 1, 2]
    assert [frame.duration * frame.time_base * 50 for frame in frames] == lasts


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.ts"])
def test_uneven_times_are_halved_exactly(make_clip: MakeClip, name: str) -> None:
    base = Fraction(1, 1000 if name == "in.mkv" else 90000)
    pts = [0, 41, 80, 121, 223, 264]
    path = make_clip(name, frames=6, pts=pts, time_base=base, **FIELDS)
    with Reader(path) as reader:
        before = list(reader)
    frames, _ = read(path)
    assert len(frames) == 12
    for whole, *two in zip(before, frames[::2], frames[1::2], strict=True):
        begin, lasts = whole.pts * whole.time_base, whole.duration * whole.time_base
        assert [frame.pts * frame.time_base for frame in two] == [begin, begin + lasts / 2]
        assert [frame.duration * frame.time_base for frame in two] == [lasts / 2] * 2


@pytest.mark.parametrize("since", [0, 1, 7, 8])
def test_a_part_is_chosen_by_the_times_of_the_fields(tmp_path: Path, since: int) -> None:
    path = write_bar(tmp_path / "in.mkv", "tff", "ffv1")
    whole, _ = read(path)
    start, end = Fraction(since, 50), Fraction(13, 50)
    for limit, until in ((None, 13), (3, since + 3)):
        part, _ = read(path, start=start, end=end, max_frames=limit)
        assert [frame.index for frame in part] == list(range(since, until))
        for frame in part:
            for plane, same in zip(frame.planes, whole[frame.index].planes, strict=True):
                np.testing.assert_array_equal(plane, same)


@pytest.mark.parametrize(
    ("name", "output", "codec"),
    [
        ("in.mp4", "out.mp4", "libx264"),
        ("in.avi", "out.mkv", "mpeg2video"),
        ("in.mkv", "out.avi", "mpeg2video"),
        ("in.ts", "out.ts", "mpeg2video"),
        ("in.ts", "out.flv", "mpeg2video"),
    ],
)
def test_an_output_has_twice_the_rate_and_its_sound_in_time(
    make_clip: MakeClip, tmp_path: Path, name: str, output: str, codec: str
) -> None:
    audio = {} if output in ("out.avi", "out.flv") else {"audio": ("ac3",)}
    path = make_clip(name, codec=codec, options={"bf": "0"}, **FIELDS, **audio)
    made, notes, seen = tmp_path / output, [], []
    result = do(
        path, made, double_rate=True, note=notes.append, progress=lambda *told: seen.append(told)
    )
    assert result.frames == 24 and seen[-1] == (24, 24)
    assert not [note for note in notes if "constant" in note]
    assert probe(made).rate == 50 and not probe(made).interlaced
    for number, time in enumerate(shown_at(made)):
        assert abs(time - Fraction(number, 50)) <= (0 if output != "out.flv" else 0.001)
    if audio:
        for (before, content), (after, same) in zip(sound(path), sound(made), strict=True):
            assert content == same and abs(before - after) <= Fraction(1, 1000)


def test_raw_frames_and_pictures_are_twice_as_many(make_clip: MakeClip, tmp_path: Path) -> None:
    path = make_clip("in.mkv", codec="ffv1", frames=4, **FIELDS)
    assert do(path, tmp_path / "out" / "%03d.png", double_rate=True).frames == 8
    assert len(list((tmp_path / "out").iterdir())) == 8
    command = [sys.executable, "-m", "vsrcli", "upscale", str(path), "-", "--double-rate"]
    more = ["--model", str(TINY), "--scale", "2"]
    found = subprocess.run([*command, *more], capture_output=True, check=True)
    assert b" F50:1 " in found.stdout.split(b"\n")[0]
    assert found.stdout.count(b"FRAME\n") == 8
    assert "variable times" not in found.stderr.decode()


@pytest.mark.parametrize("name", ["in.png", "in.apng"])
def test_pictures_in_passes_have_no_fields(make_clip: MakeClip, tmp_path: Path, name: str) -> None:
    codec = name.removeprefix("in.")
    path = make_clip(name, codec=codec, pix_fmt="rgb24", frames=1, interlaced=True)
    assert job_of(path, tmp_path / "o.png", double_rate=True).info.pictures == "frames"


def test_fields_that_begin_after_whole_frames_are_found(tmp_path: Path) -> None:
    path = write_bar(tmp_path / "in.mkv", "tff", "ffv1", marked=[False] * 3 + [True] * 3)
    assert not probe(path).interlaced
    job = job_of(path, tmp_path / "o.mkv", double_rate=True)
    assert job.info.nominal_rate == 50
    assert do(path, tmp_path / "o.mkv", double_rate=True).frames == 9
    assert [time * 50 for time in shown_at(tmp_path / "o.mkv")] == [0, 2, 4, 6, 7, 8, 9, 10, 11]


def test_fields_are_not_passed_over_undecoded(tmp_path: Path) -> None:
    """Where the first frame is whole, and the stream says nothing, a packet may be two pictures."""
    path = write_bar(tmp_path / "in.mkv", "tff", "ffv1", marked=[False] * 2 + [True] * 11)
    info = replace(probe(path), fields=False)
    assert not info.interlaced
    with Reader(path, info=info.made_into("fields"), start=Fraction(21, 50)) as reader:
        part = list(reader)
    whole, _ = read(path)
    numbers = [(frame.index, frame.pts, bar(frame)) for frame in whole]
    assert [(frame.index, frame.pts, bar(frame)) for frame in part] == numbers[19:]


def test_the_plan_counts_the_fields_and_tells_of_them(make_clip: MakeClip, tmp_path: Path) -> None:
    path = make_clip("in.mp4", **FIELDS)
    arguments = ["upscale", str(path), str(tmp_path / "o.avi"), "--dry-run", "--double-rate"]
    for more, frames in (([], 24), (["--start", "0.1"], 19), (["--max-frames", "5"], 5)):
        result = CliRunner().invoke(app, [*arguments, *more])
        assert result.exit_code == 0 and f"about {frames}," in result.stdout
        assert (NOTE in result.stderr) is ("--start" not in more)
        assert "constant frame rate" not in result.stderr


def test_that_fields_are_lost_is_no_secret(make_clip: MakeClip, tmp_path: Path) -> None:
    path = make_clip("in.mkv", codec="ffv1", frames=2, **FIELDS)
    with pytest.raises(CheckError, match="one picture per field; leave out --strict"):
        job_of(path, tmp_path / "o.mkv", double_rate=True, strict=True)


def test_a_page_shows_the_same_field(tmp_path: Path) -> None:
    path, page = write_bar(tmp_path / "in.mkv", "tff", "ffv1"), tmp_path / "page.png"
    part: dict[str, Any] = {"start": Fraction(9, 50), "max_frames": 1, "scale": 2.0}
    job = job_of(path, tmp_path / "o.png", double_rate=True, **part)
    result = do(path, tmp_path / "o.png", double_rate=True, **part)
    assert result.skipped == 9
    compare(path, tmp_path / "o.png", page, info=job.info, skip=result.skipped)
    shown: NDArray[Any] = np.asarray(Image.open(page).convert("L"))
    for begin in (0, 192 + 8):
        (bright,) = np.nonzero(np.median(shown[:128, begin : begin + 192], axis=0) > 125)
        assert abs(bright.min() - 2 * (8 + 9 * STEP)) <= 2
