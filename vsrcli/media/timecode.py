"""Timecode: the time of day, or of a tape, that a camera counts frames by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from vsrcli.media.probe import MediaInfo

_WRITTEN = re.compile(r"(\d+):(\d\d):(\d\d)([:;.])(\d\d+)")


def with_timecode(tags: Mapping[str, str], info: MediaInfo, passed: Fraction) -> dict[str, str]:
    """Return the tags of a file or stream whose first frame is that after PASSED seconds.

    `info` is the source's, of which a frame may have become two, or five four.
    """
    return {
        key: _later(value, info, passed) if key.lower() == "timecode" else value
        for key, value in tags.items()
    }


def reel_of(source: Any) -> dict[str, str]:
    """The name of a QuickTime file's reel, which is a tag of its track of timecode.

    FFmpeg writes that track anew, from tags of the video.
    """
    tracks = (stream.metadata for stream in source.streams if stream.type == "data")
    return next(({"reel_name": tags["reel_name"]} for tags in tracks if "reel_name" in tags), {})


def _later(timecode: str, info: MediaInfo, passed: Fraction) -> str:
    """Count on by PASSED seconds at the rate of INFO, TIMECODE being that of the file's frames."""
    found = _WRITTEN.fullmatch(timecode)
    if found is None or not (passed or info.pictures != "frames"):
        return timecode
    rate = info.nominal_rate
    # At 23.976 no numbers are ever left out.
    fps, mark = round(rate), ":" if info.pictures == "film" else found[4]
    hours, minutes, seconds, frame = (int(found[place]) for place in (1, 2, 3, 5))
    minutes += 60 * hours
    # Drop frame leaves out the first numbers of each minute but the tenth, to count time at 29.97.
    dropped = 0 if mark == ":" else fps // 15
    number = (60 * minutes + seconds) * fps + int(frame * info.pictures_per_frame)
    number += round(passed * rate) - dropped * (minutes - minutes // 10)
    tens, rest = divmod(number, 600 * fps - 9 * dropped)
    number += 9 * dropped * tens
    number += dropped * (max(0, rest - dropped) // (60 * fps - dropped))
    seconds, frame = divmod(number, fps)
    hours = seconds // 3600 % 24
    return f"{hours:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{mark}{frame:02}"
