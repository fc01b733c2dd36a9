"""What of a source its output cannot hold, as far as that is known before the work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vsrcli.media.animation import GIF_ROUNDS, GIF_TICK, animation_losses, kind_of
from vsrcli.media.begin import shift_to_zero
from vsrcli.media.cadence import (
    AVI_ROUNDS,
    Y4M_DROPS,
    off_grid,
    off_ticks,
    times_of,
    uneven,
)
from vsrcli.media.containers import muxer_of
from vsrcli.media.encoders import alpha_losses
from vsrcli.media.extras import EXTRAS, IN_FRAMES
from vsrcli.media.images import picture_losses, picture_tags, tag_losses
from vsrcli.media.probe import MediaInfo
from vsrcli.media.reader import deinterlacing, refused_fields
from vsrcli.media.sources import find_source
from vsrcli.media.streams import StreamPlan
from vsrcli.media.writer import encoding_losses
from vsrcli.media.y4m import y4m_losses
from vsrcli.notes import first_few

if TYPE_CHECKING:
    from vsrcli.job import Job

HDR_LOST = "the HDR mastering and light level metadata cannot be kept"
"""What to say of an output that is no video."""
_UNEVEN = {
    "avi": (AVI_ROUNDS, off_grid),
    "gif": (GIF_ROUNDS, off_ticks),
    "y4m": (Y4M_DROPS, uneven),
}
"""What to say of each kind that has its own places for frames, and what tells that some are off."""


class Loss(NamedTuple):
    """Something that is lost."""

    text: str
    """The line that tells of it, the same before the work and in its course."""
    refusal: str
    """The sentence to end in where nothing may be lost."""


def lost_streams(info: MediaInfo, streams: StreamPlan, output: Path) -> Iterator[Loss]:
    """What the container cannot hold, or only otherwise, and what lies hidden in the frames."""
    for line in streams.notes:
        yield Loss(line, f"{output}: {line}; choose another container or leave out --strict")
    for extra in info.extras:
        if extra in IN_FRAMES:
            line = f"{EXTRAS[extra]} cannot be kept"
            yield Loss(line, f"{output}: {line}; leave out --strict")
    if info.crop is not None:
        line = f"what players cut off is left out ({info.crop})"
        yield Loss(line, f"{output}: {line}; leave out --strict")


def lost_in_frames(job: Job) -> Iterator[Loss]:
    """What the encoder cannot keep of the enlarged frames, and their fields.

    Raises InputError if fields are to be kept, UsageError for a pixel format that does not exist.
    """
    info, output, options, goal = job.info, job.output, job.options, job.goal
    if info.interlaced and not options.start:  # further on, frames may be others
        if not options.deinterlace:
            raise refused_fields(str(info.path))
        line = f"{info.path.name}: {deinterlacing(info)}"
        yield Loss(line, f"{line}; leave out --strict to accept that")
    layout = info.layout
    lines = _uneven_times(job)
    if goal.form == "animation":
        lines += animation_losses(info, str(kind_of(output)), layout)
    elif goal.form == "y4m":
        lines += y4m_losses(layout, info.tags)
    elif goal.form == "pictures":
        lines += picture_losses(goal.settings.codec, layout, info.tags, info.sar)
        if not options.start:  # further on, the first picture is another
            first = picture_tags(info)(0)
            lost = tag_losses(first, goal.settings.codec, layout)
            lines += [f"{first.name}: {line}" for line in lost]
    else:
        lines += encoding_losses(info, job.size, goal.settings)
        lines += alpha_losses(output, goal.settings, layout)
        lines += _late_begin(job)
    if info.hdr and goal.form != "video":
        lines.append(HDR_LOST)
    for line in lines:
        yield Loss(line, f"{output}: {line}; leave out --strict to accept that")


def _uneven_times(job: Job) -> list[str]:
    """A line if frames are not where AVI and y4m, which have a constant rate, or a GIF has them.

    Of a part, whose frames nobody knows yet, it is told in the course of the work.
    """
    info, form = job.info, job.goal.form
    kind = muxer_of(job.output) if form == "video" else kind_of(job.output) or form
    if job.options.trimmed or kind not in _UNEVEN:
        return []
    line, differs = _UNEVEN[kind]
    pace = GIF_TICK if kind == "gif" else info.nominal_rate
    return [line] if differs(times_of(info), info.time_base, pace) else []


def _late_begin(job: Job) -> list[str]:
    """A line if all times are earlier; of a part it is told in the course of the work."""
    info, options = job.info, job.options
    if options.trimmed:
        return []
    first = (info.start_pts or 0) * info.time_base
    sound = [stream.index for stream in info.streams if stream.type == "audio" and options.audio]
    shift = shift_to_zero(info, muxer_of(job.output), first, first, sound)
    return [shift.line] if shift and shift.line else []


def missing_numbers(source: Path) -> str | None:
    """A line on the numbers missing among pictures, which then follow one another; else None."""
    numbers = find_source(source).numbers
    gaps = [(before + 1, after) for before, after in pairwise(numbers) if after > before + 1]
    if not gaps:
        return None
    first, count = gaps[0][0], sum(after - start for start, after in gaps)
    what = f"number {first} is" if count == 1 else f"{count} numbers, from {first} on, are"
    return f"{source}: {what} missing; the pictures there are follow one another"


def left_out(source: Path, taken: Iterable[Path], kind: str) -> str | None:
    """A line on the files of folder SOURCE that are not TAKEN as its KIND, "pictures"; else None.

    Hidden ones are not meant.
    """
    names = {path.name for path in taken}
    others = sorted(
        path.name
        for path in source.iterdir()
        if path.name not in names and path.name[0] != "." and not path.is_dir()
    )
    return f"{source}: left out, as no {kind}: {first_few(others)}" if others else None


def lost_of_folder(source: Path) -> list[str]:
    """Lines on what is not read, or not there, where SOURCE is a sequence of pictures."""
    others = left_out(source, find_source(source).pictures, "pictures") if source.is_dir() else None
    return list(filter(None, (others, missing_numbers(source))))
