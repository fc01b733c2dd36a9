"""Timecode: it is that of the output's first frame, in the output's rate."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests.conftest import MakeClip
from tests.jobs import do
from vsrcli.media.probe import probe
from vsrcli.media.timecode import with_timecode

NTSC = Fraction(30000, 1001)


def counted(start: tuple[int, int, int, int], frames: int, fps: int, dropped: int) -> str:
    """The timecode FRAMES after START, counted one by one."""
    hours, minutes, seconds, frame = start
    for _ in range(frames):
        frame += 1
        if frame == fps:
            frame, seconds = 0, seconds + 1
        if seconds == 60:
            seconds, minutes = 0, minutes + 1
            frame = dropped if minutes % 10 else 0
        if minutes == 60:
            minutes, hours = 0, (hours + 1) % 24
    return f"{hours:02}:{minutes:02}:{seconds:02}{';' if dropped else ':'}{frame:02}"


@pytest.mark.parametrize(
    ("rate", "dropped"),
    [(Fraction(25), 0), (NTSC, 0), (NTSC, 2), (2 * NTSC, 4), (Fraction(24000, 1001), 0)],
)
@pytest.mark.parametrize("start", [(0, 0, 0, 0), (10, 20, 30, 15), (23, 58, 59, 20), (0, 1, 0, 4)])
def test_it_goes_on_as_if_counted(
    make_clip: MakeClip, rate: Fraction, dropped: int, start: tuple[int, int, int, int]
) -> None:
    info = replace(probe(make_clip("in.mov", frames=1)), rate=rate)
    fps = round(rate)
    tags = {"TIMECODE": counted(start, 0, fps, dropped), "title": "0:00:00:00"}
    for frames in (1, 60 * fps - 1, 60 * fps, 599 * fps, 600 * fps, 1800 * fps + 7):
        found = with_timecode(tags, info, frames / rate)
        assert found == {**tags, "TIMECODE": counted(start, frames, fps, dropped)}


@pytest.mark.parametrize(
    ("written", "passed", "expected"),
    [
        ("01:00:00;00", 0, "01:00:00:00"),
        ("01:00:00:15", 0, "01:00:00:12"),
        ("01:00:59;29", 0, "01:00:59:23"),
        ("01:00:59;29", 1, "01:01:00:00"),
        ("01:00:59;29", 25, "01:01:01:00"),
    ],
)
def test_film_has_24_numbers_a_second(
    make_clip: MakeClip, written: str, passed: int, expected: str
) -> None:
    info = replace(probe(make_clip("in.mov", frames=1)), rate=NTSC).made_into("film")
    found = with_timecode({"timecode": written}, info, passed / info.nominal_rate)
    assert found == {"timecode": expected}


@pytest.mark.parametrize("name", ["in.mov", "in.mkv"])
@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({}, "10:20:59:15"),
        ({"start": Fraction(11, 25)}, "10:21:00:01"),
        ({"double_rate": True}, "10:20:59:30"),
        ({"double_rate": True, "start": Fraction(21, 50)}, "10:21:00:01"),
    ],
)
def test_an_output_has_that_of_its_first_frame(
    make_clip: MakeClip, tmp_path: Path, name: str, part: dict[str, Any], expected: str
) -> None:
    tags = {"timecode": "10:20:59:15", "reel_name": "A001C002"}
    path = make_clip(name, frames=13, codec="mpeg2video", interlaced=True, video_metadata=tags)
    for output in ("out.mov", "out.mkv"):
        do(path, tmp_path / output, **part)
        with av.open(str(tmp_path / output)) as container:
            found = {
                key.lower(): value
                for stream in container.streams
                for key, value in stream.metadata.items()
            }
        assert (found["timecode"], found["reel_name"]) == (expected, "A001C002")
