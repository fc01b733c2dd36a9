"""The packets of the output: from the segments, and from the source for all the rest."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.stream import Discard

from vsrcli.errors import InputError, OutputError
from vsrcli.media.bitstream import InBandHeaders
from vsrcli.media.clock import Clock, may_jump
from vsrcli.media.segment_times import damaged_segment
from vsrcli.media.sources import opened
from vsrcli.media.timing import Timing
from vsrcli.media.tracks import Cut, Track
from vsrcli.notes import Note

Moment = tuple[Fraction, Any, Track | None]
"""Decoding time in the output in seconds, the packet, and its track (None for the video)."""
_PATIENCE = 10
"""Seconds a source may be interleaved out of order: at its begin, and beyond the end of a cut."""


def video_packets(
    segments: Sequence[Path], timing: Timing, shift: Fraction, muxer: str
) -> Iterator[Moment]:
    """Give the packets of all segments at their times in the output, `shift` seconds later.

    Raises OutputError for a segment that is damaged or was encoded otherwise than the first.
    """
    move, number = round(shift / timing.base), 0
    known = None
    for path, times in zip(segments, timing.parts, strict=True):
        with opened_segment(path) as container:
            template = container.streams.video[0]
            context = template.codec_context
            made = (context.extradata, context.width, context.height, context.pix_fmt)
            if made != (known or made):
                raise OutputError(f"{path}: was encoded otherwise than the rest; use --restart")
            known = made
            headers = InBandHeaders(template, muxer)
            packets = (packet for packet in container.demux(template) if packet.size)
            count = -1
            for count, raw in zip(range(len(times.pts)), packets, strict=False):
                packet = headers(raw)
                packet.pts, packet.dts = times.pts[count] + move, timing.dts[number] + move
                packet.duration, packet.time_base = times.durations[count], timing.base
                number += 1
                yield packet.dts * timing.base, packet, None
            if count + 1 != len(times.pts):
                raise damaged_segment(path)


def other_packets(
    source: Any, video: int, tracks: dict[int, Track], cut: Cut, note: Note
) -> Iterator[Moment]:
    """Give the source's packets for the tracks, placed in the output, in the file's order.

    `tracks` are found by the stream's index in the source, and so is its `video`. `note` is told if
    the file is damaged.
    """
    for stream in source.streams:
        # Where the clock jumps is seen as in reading the video: by the packets of all streams.
        if stream.index not in tracks and not may_jump(source):
            stream.discard = Discard.all
    moment = Fraction(0)
    try:
        for packet in Clock(source, video).joined(source.demux()):
            track = tracks.get(packet.stream_index)
            if track is None or not packet.size:
                continue
            time = packet.dts if packet.dts is not None else packet.pts
            if time is not None:
                moment = time * packet.time_base + cut.shift
            if cut.end is not None and moment > cut.end + cut.shift + _PATIENCE:
                return
            if cut.place(packet):
                yield moment, packet, track
    except av.FFmpegError:
        note("the source is damaged: its other streams were copied up to the damage")


def begin_of(path: Path, video: int, streams: Collection[int]) -> Fraction | None:
    """When the first packet of any of the `streams` (indices) is decoded, in seconds.

    None if there is none near the beginning. `video` is the index of the video.
    """
    first = begin = None
    with contextlib.suppress(av.FFmpegError), opened(path) as source:
        for packet in Clock(source, video).joined(source.demux()):
            if packet.dts is None or not packet.size:
                continue
            time = packet.dts * (packet.time_base or Fraction(0))
            first = time if first is None else first
            if time > first + _PATIENCE:
                break
            if packet.stream_index in streams:
                begin = time if begin is None else min(begin, time)
    return begin


def chapters_of(source: Any, cut: Cut) -> list[dict[str, Any]]:
    """Return the chapters as far as they lie in the cut, moved with it."""
    chapters = []
    for chapter in source.chapters() if source else ():
        base = Fraction(chapter["time_base"])
        begin, end = chapter["start"] * base, chapter["end"] * base
        begin = begin if cut.begin is None else max(begin, cut.begin)
        end = end if cut.end is None else min(end, cut.end)
        if begin < end:
            times = {"start": round((begin + cut.shift) / base)}
            times["end"] = round((end + cut.shift) / base)
            chapters.append({**chapter, **times, "time_base": base})
    return chapters


@contextlib.contextmanager
def opened_segment(path: Path) -> Iterator[Any]:
    """Open a segment; raises OutputError if it is damaged."""
    try:
        with opened(path) as container:
            if not container.streams.video:
                raise InputError("no video")
            yield container
    except InputError:
        raise damaged_segment(path) from None
