"""The finished file is read again: frames, times, streams, and whether it decodes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.stream import Disposition

from vsrcli.errors import InputError
from vsrcli.media.cadence import AVI_ROUNDS, off_grid
from vsrcli.media.colour import BT470BG, SMPTE170M
from vsrcli.media.containers import EBML, NAMES, QUICKTIME
from vsrcli.media.extras import EXTRAS, IN_FRAMES
from vsrcli.media.formats import layout_of
from vsrcli.media.labels import lost_labels
from vsrcli.media.planes import FULL_RANGE, UNSPECIFIED, ColourTags, is_full
from vsrcli.media.probe import MediaInfo, probe
from vsrcli.media.resample import chroma_location
from vsrcli.media.safely import failed_check
from vsrcli.media.sources import main_video, opened

if TYPE_CHECKING:
    from vsrcli.media.assemble import Assembly

_FIRST_FRAMES = 8
"""Packets decoded at the beginning: full decoding would take as long as reading the source."""
_LONGEST_GOP = 600


@dataclass
class _Found:
    """What was met in the file."""

    pts: list[int] = field(default_factory=list)
    frames: int = 0
    time_base: Fraction = Fraction(1)
    packets: Counter[int] = field(default_factory=Counter)
    kinds: dict[str, list[int]] = field(default_factory=dict)
    last_shown: int | None = None


def verify(partial: Path, job: Assembly, counts: list[tuple[str, int]]) -> None:
    """Compare a finished file with what was to be written.

    `counts` are the type and the number of packets of each stream beside the video. Every packet is
    read, and the first and the last frames are decoded. Raises OutputError if frames, times, or
    packets of a kept stream are missing. Noted are a constant shift of all times, and properties of
    the video, tags and names that the container did not keep.
    """
    # Beside others, the one made need not be the one FFmpeg would choose.
    number = sum(
        each.type == "video" and not each.attached_picture and each.index < job.info.video_index
        for each in job.plan.kept
    )
    try:
        found = _read(partial, number)
        _check_frames(found, job)
        _check_streams(found, counts, job)
        made = probe(partial, number=number)
        _check_properties(made, job)
        for line in lost_labels(job.info, made, job.plan, job.muxer):
            job.note(line)
    except (InputError, av.FFmpegError) as failure:
        reason = getattr(failure, "strerror", "") or "it cannot be read"
        raise failed_check(job.output, reason) from None


def _read(path: Path, number: int) -> _Found:
    found = _Found()
    with opened(path) as container:
        video = main_video(container, str(path), number)
        video.thread_type = "AUTO"
        found.time_base = 1 * (video.time_base or Fraction(1))
        for stream in container.streams:
            picture = stream.disposition & Disposition.attached_pic
            if stream.index != video.index:
                kind = "cover art" if picture else stream.type
                found.kinds.setdefault(kind, []).append(stream.index)
        gop: list[Any] = []
        for packet in container.demux():
            if not packet.size:
                continue
            found.packets[packet.stream_index] += 1
            if packet.stream_index != video.index:
                continue
            found.frames += 1
            if packet.pts is not None:
                found.pts.append(packet.pts)
            if packet.is_keyframe:
                gop = []
            gop.append(packet)
            if found.frames == _FIRST_FRAMES:
                _decode(video, gop)
        shown = _decode(video, gop if len(gop) <= _LONGEST_GOP else gop[:_FIRST_FRAMES])
        found.last_shown = max((pts for pts in shown if pts is not None), default=None)
        if len(gop) > _LONGEST_GOP:
            found.last_shown = max(found.pts, default=None)
    return found


def _decode(video: Any, packets: list[Any]) -> list[int | None]:
    """Decode packets from a key frame on; return the PTS of the frames."""
    decoder = video.codec_context
    shown: list[int | None] = []
    for packet in [*packets, None]:
        # Their times alone: the pictures of a whole group would fill the memory.
        shown += [frame.pts for frame in decoder.decode(packet)]
    decoder.flush_buffers()
    if packets and not shown:
        raise InputError("nothing decodes")
    return shown


def _check_frames(found: _Found, job: Assembly) -> None:
    timing, output = job.timing, job.output
    expected = timing.shown
    if found.frames != len(expected):
        raise failed_check(output, f"{found.frames} frames instead of {len(expected)}")
    if job.muxer == "avi":
        if off_grid(expected, timing.base, job.info.nominal_rate):
            job.note(AVI_ROUNDS)
        return
    if len(found.pts) != len(expected):
        raise failed_check(output, "frames without a time")
    if found.last_shown != max(found.pts):
        raise failed_check(output, "its last frame does not decode")
    exact = (timing.base / found.time_base).denominator == 1
    allowed = Fraction(0) if exact else found.time_base
    scale = timing.base / found.time_base
    move = round(job.cut.shift / timing.base)
    first = min(found.pts) - (expected[0] + move) * scale
    for pts, wanted in zip(sorted(found.pts), expected, strict=True):
        if abs(pts - (wanted + move) * scale - first) * found.time_base > allowed:
            raise failed_check(output, "its frames have other times than the source's")
    if abs(first) * found.time_base > allowed:
        late, name = float(first * found.time_base) * 1000, NAMES[job.muxer]
        job.note(f"all times are {late:+.4g} ms off: {name} has no times before 0")


def _check_streams(found: _Found, counts: list[tuple[str, int]], job: Assembly) -> None:
    plan, output = job.plan, job.output
    for word, kept in (
        ("attachment", [i for i in plan.kept if i.type == "attachment"]),
        ("cover art", [i for i in plan.kept if i.attached_picture]),
    ):
        if len(found.kinds.get(word, [])) < len(kept):
            raise failed_check(output, f"{word} is missing")
    repacked = job.muxer in ("avi", "mpegts")  # both cut sound into packets anew
    place: Counter[str] = Counter()
    for kind, count in counts:
        streams, number = found.kinds.get(kind, []), place[kind]
        place[kind] += 1
        if number >= len(streams):
            # A stream without a packet in the range has no trace in some containers.
            if count:
                raise failed_check(output, f"{kind} stream {number + 1} is missing")
        elif found.packets[streams[number]] < (min(count, 1) if repacked else count):
            raise failed_check(output, f"{kind} stream {number + 1} has lost packets")


def _check_properties(made: MediaInfo, job: Assembly) -> None:
    info, muxer, tags, note = job.info, job.muxer, job.tags, job.note
    name = NAMES[muxer]
    if muxer in (*QUICKTIME, *EBML) and made.rotation != info.rotation:
        note(f"{name} did not keep the rotation by {info.rotation} degrees")
    if info.sar not in (None, made.sar) and Fraction(made.sar or 1) != info.sar:
        note(f"{name} with {made.codec} did not keep the sample aspect ratio {info.sar}")
    for extra in info.extras:
        if extra not in (*IN_FRAMES, *made.extras):
            note(f"{name} with {made.codec} did not keep {EXTRAS[extra]}")
    if info.layout.kind == "gray":
        tags = replace(tags, matrix=UNSPECIFIED, chroma_location=0)  # of colours it has not
    if lost := _lost_tags(made, tags):
        note(f"{name} with {made.codec} did not keep the colour tags: {', '.join(lost)}")


def _lost_tags(made: MediaInfo, wanted: ColourTags) -> list[str]:
    """Which of the tags that were to be written cannot be read in what was made."""
    lost = [
        word
        for word in ("matrix", "primaries", "transfer")
        if getattr(wanted, word) not in (0, UNSPECIFIED, getattr(made.tags, word))
    ]
    if {wanted.matrix, made.tags.matrix} == {BT470BG, SMPTE170M}:  # two names of one
        lost.remove("matrix")
    sited = wanted.chroma_location and layout_of(made.pix_fmt).log2_chroma == (1, 1)
    if sited and chroma_location(made.tags) != wanted.chroma_location:
        lost.append("siting of chroma")
    full = is_full(made.tags, layout_of(made.pix_fmt))
    if wanted.range and full != (wanted.range == FULL_RANGE):
        lost.append("range")
    return lost
