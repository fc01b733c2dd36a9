"""The stream plan: what becomes of every stream of the source in the output's container."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
from av.codec.codec import Properties
from av.stream import Discard, Disposition

from vsrcli.media.containers import (
    EBML,
    MISREAD,
    NAMES,
    QUICKTIME,
    TRANSPORT_STREAM,
    TURNING,
    in_memory,
    muxer_of,
)
from vsrcli.media.matroska import regions_of
from vsrcli.media.probe import MediaInfo, StreamInfo
from vsrcli.media.rehearsal import comes_back, first_packets, is_described
from vsrcli.media.sources import opened
from vsrcli.media.tags import lost_tags, unusual_tags

TEXT_CODECS = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})
_TEXT_ENCODER = {"mp4": "mov_text", "mov": "mov_text", "webm": "webvtt", "matroska": "subrip"}
_AUDIO_ENCODER = {"webm": "libopus"}
_LOSSLESS = ("mp4", "mov", "avi", "matroska")
"""Containers in which what comes without loss stays so."""
_FLAC_LAYOUTS = frozenset(
    {
        *("mono", "stereo", "3.0", "quad", "5.0", "5.0(side)", "5.1", "5.1(side)", "6.1", "7.1"),
        *(f"{channels} channels" for channels in range(1, 9)),
    }
)
"""Loudspeakers that FLAC knows (RFC 9639, 9.1.3); what is meant for others it gives to these."""
_COVER_CODECS: dict[str, tuple[str, ...]] = {
    "mp4": ("mjpeg", "png", "bmp"),
    "matroska": ("mjpeg", "png"),
}

_ISO_639_2 = re.compile("[a-z]{3}")

Fate = Literal["keep", "convert", "drop", "needless"]
_OF_THE_DISC = ("dvd_nav_packet", "epg")
"""Data that lead through a DVD or a broadcaster's programmes: nobody misses them elsewhere."""
_AAC_HEADER_OUTSIDE = ("mp4", "matroska", "flv", "nut")
"""Containers in which AAC has its header apart from the packets."""


@dataclass(frozen=True)
class StreamPlan:
    """What is copied, what is converted and what is lost, decided before the work begins."""

    kept: tuple[StreamInfo, ...] = ()
    """Copied packet by packet."""
    converted: tuple[tuple[StreamInfo, str], ...] = ()
    """Decoded and encoded again, with FFmpeg's name of the encoder."""
    dropped: tuple[tuple[StreamInfo, str], ...] = ()
    """With a line for the user: what and why."""
    lost: tuple[str, ...] = ()
    """A line for whatever else of the source the container has no place for."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for everything that is not kept as it is; `assemble` does not repeat them."""
        lines = [f"{title_of(info)}: converted to {enc}" for info, enc in self.converted]
        return (*lines, *(line for _, line in self.dropped), *self.lost)


def plan_streams(info: MediaInfo, output: Path, *, audio: bool = True) -> StreamPlan:
    """Return what becomes of the streams of `info` beside its main video in `output`.

    The muxer itself is asked what it can hold. With `audio` False sound is left out without a
    line. Raises UsageError for an unknown container, InputError if the source cannot be opened.
    """
    muxer = muxer_of(output)
    if info.sequence:
        return StreamPlan(lost=tuple(_lost(muxer, info, ())))
    kept: list[StreamInfo] = []
    converted: list[tuple[StreamInfo, str]] = []
    dropped: list[tuple[StreamInfo, str]] = []
    with opened(info.path) as source:
        copied: list[Any] = []
        first = first_packets(source) if audio else {}
        timecode = "timecode" in source.streams[info.video_index].metadata
        for stream in info.streams:
            if stream.index == info.video_index or (stream.type == "audio" and not audio):
                continue
            real = source.streams[stream.index]
            packets = first.get(stream.index, [])
            fate, detail = _fate(output, stream, real, copied, packets, timecode)
            if fate == "keep":
                kept.append(stream)
                copied.append(real)
            elif fate == "convert":
                converted.append((stream, detail))
            elif fate == "drop":
                dropped.append((stream, f"{title_of(stream)}: dropped, {detail}"))
    written = [info.streams[info.video_index], *kept, *(stream for stream, _ in converted)]
    lost = (
        *_lost(muxer, info, kept),
        *_lost_languages(muxer, written),
        *_lost_regions(info, written),
    )
    return StreamPlan(tuple(kept), tuple(converted), tuple(dropped), lost)


def _lost(muxer: str, info: MediaInfo, kept: Iterable[StreamInfo]) -> Iterator[str]:
    name = NAMES[muxer]
    if unusual := beside_cover(muxer, info, kept):
        yield f"the tags {', '.join(unusual)}: dropped, {name} cannot hold them beside cover art"
    if muxer == "mpegts" and (line := lost_tags(info.metadata, {}, name)):
        yield line
    if info.chapters and muxer not in (*QUICKTIME, *EBML, "nut"):
        yield f"{info.chapters} chapters: dropped, {name} has none"
    if info.display_matrix and muxer not in TURNING:
        yield f"the rotation by {info.rotation} degrees: dropped, {name} has none"


def beside_cover(muxer: str, info: MediaInfo, kept: Iterable[StreamInfo]) -> list[str]:
    """Return the tags that the container could hold if there were no cover art among `kept`."""
    cover = any(stream.attached_picture for stream in kept)
    return unusual_tags(info.metadata) if muxer == "mp4" and cover else []


def _lost_languages(muxer: str, streams: Iterable[StreamInfo]) -> Iterator[str]:
    """A line on each language that MP4 has no room for; what others keep is seen afterwards."""
    for stream in streams if muxer == "mp4" else ():
        if stream.language and not _ISO_639_2.fullmatch(stream.language):
            yield lost_of(stream, ["language"], NAMES[muxer])


def _lost_regions(info: MediaInfo, streams: Iterable[StreamInfo]) -> Iterator[str]:
    """A line on each language of a Matroska of which FFmpeg does not read the region or script."""
    if "matroska" in info.format and info.path.is_file():
        regions = regions_of(info.path)
        for stream in streams:
            if region := regions.get(stream.index):
                left = stream.language or "und"
                yield f"{title_of(stream)}: its language {region} becomes {left}"


def _fate(
    output: Path,
    info: StreamInfo,
    real: Any,
    before: list[Any],
    packets: list[Any],
    timecode: bool,
) -> tuple[Fate, str]:
    """Decide about one stream, given the ones already to be copied, and its first PACKETS."""
    muxer = muxer_of(output)
    name = NAMES[muxer]
    if info.attached_picture:
        held = info.codec in _COVER_CODECS.get(muxer, ())
        return ("keep", "") if held else ("drop", f"{name} cannot hold it as cover art")
    if info.type == "attachment":
        return ("keep", "") if muxer == "matroska" else ("drop", f"{name} has no attachments")
    if info.type == "data":
        # The muxer writes these tracks anew: from the chapters, and from the timecode tag.
        if real.discard == Discard.all or info.codec in _OF_THE_DISC:
            return "needless", ""
        if timecode and "timecode" in real.metadata and muxer in (*QUICKTIME, "matroska"):
            return "needless", ""
    if info.type == "audio" and _headless(real):
        return "drop", "its header is missing or damaged"
    misread = info.codec in MISREAD.get(output.suffix.lower(), ())
    misread = misread or (_fits(muxer, [real]) and not comes_back(muxer, real, packets))
    if info.type == "data" and muxer in QUICKTIME:
        misread = misread or not is_described(muxer, real)
    if not misread and _fits(muxer, [*before, real]):
        return "keep", ""
    known = info.codec != "unknown"
    reason = f"{name} cannot hold {info.codec}" if known else "FFmpeg does not know its coding"
    if not misread and _fits(muxer, [real]):
        reason = f"{name} cannot hold so many streams"
    elif real.codec_context is None or info.type in ("video", "data"):
        return "drop", reason
    elif info.type == "audio":
        return "convert", _audio_encoder(muxer, real.codec_context)
    elif info.codec in TEXT_CODECS and muxer in _TEXT_ENCODER:
        return "convert", _TEXT_ENCODER[muxer]
    return "drop", reason


def _audio_encoder(muxer: str, context: Any) -> str:
    """Return the encoder of sound that the container cannot hold: without loss if it came so."""
    lossless = bool(context.codec.properties & Properties.LOSSLESS.value)
    lossless = lossless and context.codec.canonical_name != "dts"  # which mostly is not
    if not lossless or muxer not in _LOSSLESS:
        return _AUDIO_ENCODER.get(muxer, "aac")
    if context.format.name.startswith("flt"):
        return "pcm_f32le"  # which may go beyond what whole numbers reach
    if muxer in ("mp4", "matroska") and context.layout.name in _FLAC_LAYOUTS:
        return "flac"
    return "pcm_s24le" if context.format.bytes > 2 else "pcm_s16le"


def _fits(muxer: str, streams: Iterable[Any]) -> bool:
    """Tell whether `muxer` takes the packets of all these input streams as they are."""
    with in_memory(muxer) as container:
        try:
            for stream in streams:
                if stream.type == "attachment" or stream.disposition & Disposition.attached_pic:
                    continue  # written apart, into the header
                if stream.type not in ("audio", "video", "subtitle", "data"):
                    return False
                if muxer == "mpegts" and _codec(stream) not in TRANSPORT_STREAM:
                    return False
                container.add_stream_from_template(stream, opaque=True)
            container.start_encoding()
        except (av.FFmpegError, ValueError):
            return False
    return True


def _headless(stream: Any) -> bool:
    """Tell whether nobody could play a sound stream, nor any muxer take it in the end."""
    context = stream.codec_context
    if context is None:
        return False
    if not (context.sample_rate and context.layout.nb_channels):
        return True
    outside = any(kind in stream.container.format.name for kind in _AAC_HEADER_OUTSIDE)
    return outside and context.name == "aac" and not context.extradata


def _codec(stream: Any) -> str | None:
    context = stream.codec_context
    if context is None:  # an unknown coding may not even have a name
        return getattr(stream, "name", None)
    return str(context.codec.canonical_name)


def lost_of(info: StreamInfo, words: Iterable[str], name: str) -> str:
    """Return the line that tells of what the container `name` has no room for of a stream."""
    return f"{name} cannot keep the {', '.join(words)} of {title_of(info)}"


def title_of(info: StreamInfo) -> str:
    """Return how to call a stream in a message: `audio stream 1 (aac, eng, "Commentary")`."""
    kind = "cover art" if info.attached_picture else info.type
    words = [info.codec, info.language, f'"{info.title}"' if info.title else None]
    return f"{kind} stream {info.index} ({', '.join(w for w in words if w)})"


def frames_alone(info: MediaInfo, *, audio: bool = True, turned: bool = False) -> StreamPlan:
    """Pictures and y4m hold nothing of a video but its frames.

    `audio` False: sound was not asked for, so it is not missed. `turned`: pictures are turned.
    """
    dropped = tuple(
        (stream, f"{stream.type} stream {stream.index} ({stream.codec}): only frames are written")
        for stream in info.streams
        if stream.index != info.video_index and stream.codec not in _OF_THE_DISC
        if audio or stream.type != "audio"
    )
    lost: tuple[str, ...] = ()
    if info.display_matrix and not turned:
        lost = (
            f"the rotation by {info.rotation} degrees: dropped, the output has no place for it",
        )
    return StreamPlan(dropped=dropped, lost=lost)
