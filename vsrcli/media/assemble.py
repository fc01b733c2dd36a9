"""Segments and the source -> the output: joined, complete, verified, then renamed."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container.core import Flags
from av.stream import Disposition

from vsrcli.errors import OutputError
from vsrcli.media.begin import lead, shift_to_zero
from vsrcli.media.bitstream import needs_start_codes
from vsrcli.media.containers import EBML, METADATA, NAMES, QUICKTIME, muxer_of
from vsrcli.media.matroska import ROOM, set_display_size
from vsrcli.media.packets import chapters_of, opened_segment, other_packets, video_packets
from vsrcli.media.planes import ColourTags
from vsrcli.media.probe import MediaInfo
from vsrcli.media.safely import check_place, made_beside
from vsrcli.media.sources import has_alpha_beside, opened
from vsrcli.media.streams import StreamPlan
from vsrcli.media.tags import container_tags, named_for, quicktime_options
from vsrcli.media.timecode import reel_of, with_timecode
from vsrcli.media.timing import Timing
from vsrcli.media.tracks import CopiedTrack, Cut, Ordered, SoundTrack, TextTrack, Track, describe
from vsrcli.media.verify import verify
from vsrcli.notes import Note, ignore

_HEARD = Fraction(45, 1000)
"""Seconds that sound may be early without being noticed (ITU-R BT.1359)."""


@dataclass(frozen=True)
class Assembly:
    """What one output is made of."""

    output: Path
    muxer: str
    segments: Sequence[Path]
    timing: Timing
    info: MediaInfo
    """Of the source."""
    plan: StreamPlan
    cut: Cut
    tags: ColourTags
    """Those the segments were given."""
    note: Note

    @property
    def passed(self) -> Fraction:
        """Seconds from the first frame of the source to that of the output."""
        first = (self.info.start_pts or 0) * self.info.time_base
        return Fraction(0) if self.cut.begin is None else self.cut.begin - first


def assemble(
    segments: Sequence[Path],
    info: MediaInfo,
    output: Path,
    plan: StreamPlan,
    *,
    start: Fraction | None = None,
    end: Fraction | None = None,
    tags: ColourTags | None = None,
    overwrite: bool = False,
    note: Note = ignore,
    publishing: Callable[[Path], None] = ignore,
) -> int:
    """Join `segments` and everything of the source that `plan` keeps into `output`.

    Nothing is encoded again but what the plan converts, and all times are those of the source, but
    in AVI, and of MPEG streams and Ogg elsewhere than in MPEG-TS: they begin at 0.
    With a `start` (seconds from the source's first frame), what comes before the first frame is
    left out and everything is moved so that this frame is at 0. With an `end`, so is what comes
    after it or after the last frame, whichever is later: 0 ends everything with the last frame.
    `tags` are those the segments were given; None: those of the source.

    Returns how many packets of copied streams were left out, for damage that the muxer does not
    take. The output is written beside its name, read again and checked, and only then renamed;
    `publishing` is told of the file just before that. Raises
    UsageError and OutputError as `check_output`, and OutputError if a segment is damaged, the disk
    is full, or the check fails; nothing is left behind then, and an older output is untouched.
    """
    check_output(info.path, output, overwrite=overwrite)
    muxer = muxer_of(output)
    timing = Timing.of(segments)
    cut = _cut(timing, info, muxer, start, end, note)
    if start is None:
        decoded = timing.dts[0] * timing.base
        if shift := shift_to_zero(info, muxer, decoded, timing.begin, _all_sound(plan)):
            if shift.line:
                note(shift.line)
            cut = replace(cut, shift=shift.seconds)
    job = Assembly(output, muxer, segments, timing, info, plan, cut, tags or info.tags, note)
    with made_beside(output, publishing, overwrite=overwrite) as partial:
        counts, left_out = _write(partial, job)
        if muxer in EBML and info.sar not in (None, 1):
            set_display_size(partial, _size(segments[0]), Fraction(info.sar or 1))
        verify(partial, job, counts)
    return left_out


def check_output(source: Path, output: Path, *, overwrite: bool) -> None:
    """Raise UsageError or OutputError unless the video `output` may be written.

    To be called before the work.
    """
    check_place(source, output, overwrite=overwrite)
    muxer_of(output)


def _cut(
    timing: Timing,
    info: MediaInfo,
    muxer: str,
    start: Fraction | None,
    end: Fraction | None,
    note: Note,
) -> Cut:
    limit = None
    if end is not None:
        limit = max(timing.end, (info.start_pts or 0) * info.time_base + end)
    if start is not None:
        return Cut(timing.begin, limit, -timing.begin)
    if timing.begin < 0 and muxer in QUICKTIME:  # its edit lists would hide these frames
        late = float(-timing.begin) * 1000
        note(f"all times are {late:.3g} ms later: {NAMES[muxer]} shows nothing before 0")
        return Cut(None, limit, -timing.begin)
    return Cut(None, limit)


def _all_sound(plan: StreamPlan) -> list[int]:
    converted = (stream for stream, _ in plan.converted)
    return [stream.index for stream in (*plan.kept, *converted) if stream.type == "audio"]


def _write(partial: Path, job: Assembly) -> tuple[list[tuple[str, int]], int]:
    """Write the file.

    Returns the type and the number of packets of each stream beside the video, and how many more
    had to be left out.
    """
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(opened_segment(job.segments[0]))
        source = None if job.info.sequence else stack.enter_context(opened(job.info.path))
        chapters = chapters_of(source, job.cut)
        tags = container_tags(source.metadata) if source else {}
        tags = with_timecode(tags, job.info, job.passed)
        options: dict[str, str] = {}
        if job.muxer in QUICKTIME:
            cover = any(stream.attached_picture for stream in job.plan.kept)
            options = quicktime_options(tags, job.timing.base, chapters, cover=cover)
        elif partial.name.lower().endswith((".m2ts.part", ".mts.part")):
            options = {"mpegts_m2ts_mode": "1"}
        output = stack.enter_context(
            av.open(
                str(partial.absolute()),
                "w",
                format=job.muxer,
                container_options=options,
                **METADATA,
            )
        )
        output.flags |= Flags.bitexact.value  # no random identifiers: the same job, the same bytes
        output.metadata.update(named_for(job.muxer, tags))
        output.set_chapters(chapters)
        video, tracks, covers = _declare(output, first.streams.video[0], source, job)
        output.start_encoding()
        return _mux(output, video, tracks, covers, source, job)


def _declare(
    output: Any, template: Any, source: Any, job: Assembly
) -> tuple[Any, dict[int, Track], dict[int, tuple[Any, bytes]]]:
    """Add all streams in the order of the source; return the video, the others, and the covers."""
    video = None
    tracks: dict[int, Track] = {}
    covers: dict[int, tuple[Any, bytes]] = {}
    kept = {info.index for info in job.plan.kept}
    converted = {info.index: encoder for info, encoder in job.plan.converted}
    for stream in source.streams if source else ():
        index = stream.index
        if index == job.info.video_index:
            video = _add_video(output, template, stream, job)
        elif index in kept and stream.disposition & Disposition.attached_pic:
            covers[index] = _add_cover(output, stream, job)
        elif index in kept and stream.type == "attachment":
            output.add_stream_from_template(stream)
        elif index in kept or index in converted:
            tracks[index] = _track(output, stream, converted.get(index))
            fresh = index in converted or job.cut.begin is not None or job.cut.end is not None
            track = tracks[index].stream
            describe(track, stream, job.muxer, fresh=fresh)
            track.metadata.update(with_timecode(track.metadata, job.info, job.passed))
    return video or _add_video(output, template, None, job), tracks, covers


def _track(output: Any, stream: Any, encoder: str | None) -> Track:
    if encoder is None:
        return CopiedTrack(output, stream)
    kind = SoundTrack if stream.type == "audio" else TextTrack
    return kind(output, stream, encoder)


def _add_video(output: Any, template: Any, source: Any, job: Assembly) -> Any:
    info = job.info
    video = output.add_stream_from_template(template, opaque=True)
    context = video.codec_context
    video.time_base = job.timing.base
    if info.rate:
        context.framerate = info.rate
        if job.muxer == "avi":  # it has no times but the number of a frame
            video.time_base = 1 / info.rate
        if job.muxer in EBML and not job.timing.has_frames_of(1 / info.rate):
            context.framerate = Fraction(0)  # as a mean it would pass for what each frame lasts
    if info.sar:
        context.sample_aspect_ratio = info.sar
    codec = context.codec.canonical_name
    if needs_start_codes(codec, job.muxer):
        context.extradata = None  # it is in the packets, in the other form
    tag = job.timing.parts[0].tag
    if len(tag) == 4 and (codec in ("prores", "rawvideo") or job.muxer in ("avi", "nut")):
        context.codec_tag = tag  # of several variants of one codec, the one that was encoded
    if codec == "hevc" and job.muxer in QUICKTIME:
        context.codec_tag = "hvc1"  # what Apple's players accept
    if info.display_matrix:
        video.set_display_matrix(info.display_matrix)
    video.disposition = Disposition.default
    if source is not None:
        describe(video, source, job.muxer, fresh=True)
        video.metadata.update(reel_of(source.container))
        video.metadata.update(with_timecode(video.metadata, info, job.passed))
    if job.muxer in EBML and has_alpha_beside(template):
        video.metadata["alpha_mode"] = "1"  # alpha lies beside the pictures of VP8 and VP9
    if job.muxer in EBML and info.sar not in (None, 1):
        video.metadata["title"] = video.metadata.get("title", "") + ROOM
    return video


def _add_cover(output: Any, stream: Any, job: Assembly) -> tuple[Any, bytes]:
    """Declare a picture; Matroska keeps it in its header, the others in the stream's one packet."""
    with opened(job.info.path) as source:
        demuxed = source.demux(source.streams[stream.index])
        picture = next((bytes(packet) for packet in demuxed if packet.size), b"")
    if job.muxer != "matroska":
        cover = output.add_stream_from_template(stream, opaque=True)
        describe(cover, stream, job.muxer, fresh=False)
        return cover, picture
    form = "png" if stream.codec_context.codec.canonical_name == "png" else "jpeg"
    name = stream.metadata.get("filename", f"cover.{form.replace('jpeg', 'jpg')}")
    return output.add_attachment(name, f"image/{form}", picture), b""


def _mux(
    output: Any,
    video: Any,
    tracks: dict[int, Track],
    covers: dict[int, tuple[Any, bytes]],
    source: Any,
    job: Assembly,
) -> tuple[list[tuple[str, int]], int]:
    early = lead(job.info) if job.muxer == "avi" else Fraction(0)
    ordered = Ordered(output, job.muxer, early)
    for stream, picture in covers.values():
        if picture:
            packet = av.Packet(picture)
            packet.pts = packet.dts = 0
            packet.time_base, packet.is_keyframe = Fraction(1, 90000), True
            ordered.mux(packet, stream)
    feeds = [video_packets(job.segments, job.timing, job.cut.shift, job.muxer)]
    if tracks:
        feeds.append(other_packets(source, job.info.video_index, tracks, job.cut, job.note))
    for _, packet, track in heapq.merge(*feeds, key=lambda moment: moment[0]):
        if track is None:
            ordered.mux(packet, video)
        else:
            write = ordered.copy if isinstance(track, CopiedTrack) else ordered.mux
            for made in track.send(packet):
                write(made, track.stream)
    for track in tracks.values():
        for made in track.finish():
            ordered.mux(made, track.stream)
    if job.muxer == "avi":
        _tell_of_late_sound(ordered, tracks, job)
    _tell_of_left_out(ordered, tracks, job)
    counts = []
    for index, track in tracks.items():
        count = ordered.counts[track.stream.index]
        regrouped = isinstance(track, SoundTrack) and track.regrouped
        if isinstance(track, SoundTrack) and track.changes:
            job.note(f"audio stream {index} changes on the way; all of it is as its beginning")
        counts.append((track.stream.type, min(count, 1) if regrouped else count))
    return counts, ordered.left_out.total()


def _tell_of_left_out(ordered: Ordered, tracks: dict[int, Track], job: Assembly) -> None:
    """Note how many packets of which stream were left out; OutputError if it was all of them."""
    for index, track in tracks.items():
        number, stream = track.stream.index, f"{track.stream.type} stream {index}"
        if isinstance(track, SoundTrack) and track.sent and not ordered.counts[number]:
            ordered.left_out[number] = track.sent
            job.note(f"{stream} is silent in the output: nothing of it can be decoded")
            continue
        count = ordered.left_out[number]
        if count and not ordered.counts[number]:
            why = f"{NAMES[job.muxer]} takes none of its packets"
            raise OutputError(f"{stream} cannot be copied ({why}); use .mkv or --no-audio")
        if count:
            packets = "1 damaged packet was" if count == 1 else f"{count} damaged packets were"
            job.note(f"{stream}: {packets} left out, which {NAMES[job.muxer]} does not take")


def _tell_of_late_sound(ordered: Ordered, tracks: dict[int, Track], job: Assembly) -> None:
    """Note which sound begins audibly too late for AVI, which has it begin at 0.

    Pictures may begin later: an empty place is where none is.
    """
    zero = min(ordered.begins.values(), default=Fraction(0))
    for index, track in tracks.items():
        late = ordered.begins.get(track.stream.index, zero) - min(zero, Fraction(0))
        if track.stream.type == "audio" and late > _HEARD:
            seconds = f"{float(late):.3g} s"
            job.note(f"audio stream {index} plays {seconds} early: sound begins at 0 in AVI")


def _size(segment: Path) -> tuple[int, int]:
    with opened_segment(segment) as container:
        context = container.streams.video[0].codec_context
        return context.width, context.height
