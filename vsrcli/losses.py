"""What of a source its output cannot hold, as far as that is known before the work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from vsrcli.media.animation import GIF_ROUNDS, GIF_TICK, animation_losses, kind_of
from vsrcli.media.avi import moved, shift_to_zero
from vsrcli.media.cadence import (
    AVI_ROUNDS,
    Y4M_DROPS,
    off_grid,
    off_ticks,
    times_of,
    uneven,
)
from vsrcli.media.containers import muxer_of
from vsrcli.media.encoders import EncoderSettings, alpha_losses
from vsrcli.media.extras import EXTRAS, IN_FRAMES
from vsrcli.media.images import picture_losses, picture_tags, tag_losses
from vsrcli.media.picture_files import PictureNames
from vsrcli.media.probe import MediaInfo
from vsrcli.media.reader import DEINTERLACED, refused_fields
from vsrcli.media.running_clock import begun_at_0, shift_of_clock
from vsrcli.media.sources import find_source
from vsrcli.media.spool import STANDARD
from vsrcli.media.streams import StreamPlan
from vsrcli.media.writer import encoding_losses
from vsrcli.media.y4m import y4m_losses
from vsrcli.options import UpscaleOptions

HDR_LOST = "the HDR mastering and light level metadata cannot be kept"
"""Of all that is no video."""
_NAMED = 3
"""So many of the files that are left out are named."""


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


def lost_in_frames(
    info: MediaInfo,
    output: Path,
    options: UpscaleOptions,
    size: tuple[int, int],
    settings: EncoderSettings,
    names: PictureNames | None,
) -> Iterator[Loss]:
    """What the encoder cannot keep of frames enlarged to `size`, and their fields.

    Raises InputError if fields are to be kept, UsageError for a pixel format that does not exist.
    """
    if info.interlaced and not options.start:  # further on, frames may be others
        if not options.deinterlace:
            raise refused_fields(str(info.path))
        line = f"{info.path.name}: {DEINTERLACED}"
        yield Loss(line, f"{line}; leave out --strict to accept that")
    layout = info.layout
    lines = uneven_times(info, output, names, whole=not options.trimmed)
    kind = kind_of(output)
    if kind is not None:
        lines += animation_losses(info, kind, layout)
    elif output == STANDARD:
        lines += y4m_losses(layout, info.tags)
    elif names is not None:
        lines += picture_losses(settings.codec, layout, info.tags, info.sar)
        if not options.start:  # further on, the first picture is another
            first = picture_tags(info)(0)
            lost = tag_losses(first, settings.codec, layout)
            lines += [f"{first.name}: {line}" for line in lost]
    else:
        lines += encoding_losses(info, size, settings, layout)
        lines += alpha_losses(output, settings, layout)
        lines += _late_begin(info, output, options)
    if info.hdr and (kind is not None or output == STANDARD or names is not None):
        lines.append(HDR_LOST)
    for line in lines:
        yield Loss(line, f"{output}: {line}; leave out --strict to accept that")


def uneven_times(
    info: MediaInfo, output: Path, names: PictureNames | None, *, whole: bool
) -> list[str]:
    """A line if frames are not where AVI and y4m, which have a constant rate, or a GIF has them.

    Of a part, whose frames nobody knows yet, it is told in the course of the work.
    """
    to_y4m, to_gif = output == STANDARD, kind_of(output) == "gif"
    named = names is not None or kind_of(output) == "apng"
    if not whole or named or not (to_y4m or to_gif or muxer_of(output) == "avi"):
        return []
    times = times_of(info)
    if to_gif:
        return [GIF_ROUNDS] if off_ticks(times, info.time_base, GIF_TICK) else []
    if to_y4m:
        return [Y4M_DROPS] if uneven(times, info.time_base, info.nominal_rate) else []
    return [AVI_ROUNDS] if off_grid(times, info.time_base, info.nominal_rate) else []


def _late_begin(info: MediaInfo, output: Path, options: UpscaleOptions) -> list[str]:
    """A line if all times are earlier; of a part it is told in the course of the work."""
    muxer, first = muxer_of(output), (info.start_pts or 0) * info.time_base
    if options.trimmed:
        return []
    if muxer != "avi":
        shift = shift_of_clock(info, first, muxer)
        return [begun_at_0(shift)] if shift else []
    sound = [stream.index for stream in info.streams if stream.type == "audio" and options.audio]
    shift = shift_to_zero(first, info, sound)
    return [moved(shift)] if shift else []


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
    if not others:
        return None
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return f"{source}: left out, as no {kind}: {', '.join(others[:_NAMED])}{more}"


def lost_of_folder(source: Path) -> list[str]:
    """Lines on what is not read, or not there, where SOURCE is a sequence of pictures."""
    others = left_out(source, find_source(source).pictures, "pictures") if source.is_dir() else None
    return list(filter(None, (others, missing_numbers(source))))
