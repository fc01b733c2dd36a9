"""Frames -> a segment: one closed file with nothing but encoded video and its exact times.

The packets lie, in decoding order and merely counted, in whatever container holds the coding best;
their times stand behind it (`segment_times`).
"""

from __future__ import annotations

import contextlib
import errno
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import av.logging
from av.container.core import Flags

from vsrcli.errors import OutputError
from vsrcli.media.containers import unwritable
from vsrcli.media.encoder_options import encoder_options
from vsrcli.media.encoders import EncoderSettings, keeps_times
from vsrcli.media.formats import layout_of
from vsrcli.media.opening import Coding, add_video, form_of, tags_to_make
from vsrcli.media.planes import UNSPECIFIED, ColourTags, Frame
from vsrcli.media.probe import MediaInfo
from vsrcli.media.repack import Repacker, assumed_matrix
from vsrcli.media.rgb import known_tags, wrong_colours
from vsrcli.media.segment_times import SegmentTimes, append_times
from vsrcli.notes import Note, ignore

_TAG_OPTIONS = {
    "colorspace": "matrix",
    "color_primaries": "primaries",
    "color_trc": "transfer",
    "color_range": "range",
    "chroma_sample_location": "chroma_location",
}
"""FFmpeg's encoder options for colour tags."""


def encoding_losses(info: MediaInfo, size: tuple[int, int], settings: EncoderSettings) -> list[str]:
    """What `SegmentWriter`, called alike, is going to note. Raises UsageError as it does."""
    found: list[str] = []
    coding = Coding.of(info, size, settings, found.append)
    _note_colours(info, coding, found.append)
    encoder_options(settings, info.hdr, coding.tags, found.append, pix_fmt=coding.pix_fmt)
    return found


def written_tags(info: MediaInfo, size: tuple[int, int], settings: EncoderSettings) -> ColourTags:
    """Return the tags that `SegmentWriter`, called alike, gives to the video.

    Those for which the user's options stand in are unspecified. Raises UsageError as it does.
    """
    tags = Coding.of(info, size, settings, ignore).tags
    given = {_TAG_OPTIONS[key] for key, _ in settings.options if key in _TAG_OPTIONS}
    return replace(tags, **{word: getattr(ColourTags(), word) for word in given})


class SegmentWriter:
    """Encodes frames into one segment file, which appears under its name only when complete.

    A context manager: leaving it normally closes, syncs and renames the file; leaving it by an
    exception removes what was written.
    """

    pix_fmt: str
    """What the encoder is given."""

    def __init__(
        self,
        path: Path,
        info: MediaInfo,
        size: tuple[int, int],
        settings: EncoderSettings,
        note: Note = ignore,
        *,
        counted: bool = False,
    ) -> None:
        """Open the encoder for frames of `size` (width, height).

        `info` gives their layout, time base, rate, SAR, colour tags and HDR metadata. `note` is
        told what the encoder cannot keep, in the same words for every segment of a job. The encoder
        learns no times of frames that are `counted`; the file has them all the same. Raises
        UsageError for an encoder, option, value or pixel format that does not exist, DeviceError
        when a hardware encoder does not open, OutputError when the file cannot be written.
        """
        self._path, self._size, self._layout = path, size, info.layout
        # Of a name of its own: a worker that was given up for lost may be at the same segment.
        self._partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        self._base, self._timed = info.time_base, keeps_times(settings.codec) and not counted
        coding = Coding.of(info, size, settings, note, counted=counted)
        self._rate, self._clock = coding.rate, coding.clock
        self.pix_fmt = coding.pix_fmt
        _note_colours(info, coding, note)
        self._frames: dict[int, tuple[int, int]] = {}  # encoder's PTS -> PTS and duration
        self._pts: list[int] = []
        self._durations: list[int] = []
        self._container = self._create(settings.codec)
        try:
            self._stream = add_video(self._container, info, coding, settings, note)
        except BaseException:
            self._discard()
            raise
        source = known_tags(info.tags, (info.width, info.height))
        target = tags_to_make(self._stream.codec_context, coding, settings, info.layout)
        self._repack = Repacker(source, coding.pix_fmt, target)

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            self._finish()
        except BaseException:
            self._discard()
            raise

    def write(self, frame: Frame) -> None:
        """Encode the next frame; its PTS must be above that of the one before.

        Raises OutputError when the disk is full or the encoder fails.
        """
        if (frame.width, frame.height) != self._size or frame.layout != self._layout:
            raise ValueError("the frame differs in size or layout from the segment")
        if frame.time_base != self._base:
            raise ValueError("the frame differs in its time base from the segment")
        before = next(reversed(self._frames.values()))[0] if self._frames else None
        if before is not None and frame.pts <= before:
            raise ValueError(f"PTS {frame.pts} after {before}: they must increase")
        picture = self._repack(frame)
        # ProRes and PNG say them in every picture as well, where the user's options do not reach.
        context = self._stream.codec_context
        picture.colorspace, picture.color_primaries = context.colorspace, context.color_primaries
        picture.color_trc = context.color_trc
        if self._timed:  # from 0 on: a segment's bytes do not depend on where it lies
            first = next(iter(self._frames.values()))[0] if self._frames else frame.pts
            picture.pts = frame.pts - first
        else:
            picture.pts, picture.duration, picture.time_base = len(self._frames), 1, self._clock
        self._frames[picture.pts] = (frame.pts, frame.duration)
        self._encode(picture)

    def _create(self, codec: str) -> Any:
        form = form_of(codec)
        try:
            for pattern in (f".{self._path.name}.part", f".{self._path.name}.*.part"):
                for left in self._path.parent.glob(pattern):
                    left.unlink(missing_ok=True)  # whoever is at it still fails at the end
            self._partial.touch()  # FFmpeg would report a bad folder at the first packet only
            container: Any = av.open(str(self._partial.absolute()), "w", format=form)
            container.flags |= Flags.bitexact.value  # no random identifiers
            return container
        except (OSError, av.FFmpegError) as failure:
            raise unwritable(self._path, failure) from None

    def _encode(self, picture: av.VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(picture):
                times = self._frames.get(packet.pts)
                if times is None:
                    raise OutputError(f"{self._stream.codec_context.name}: lost track of a frame")
                self._pts.append(times[0])
                self._durations.append(times[1])
                # Encoders' decoding times may collide once rounded to the container's clock.
                packet.pts = packet.dts = len(self._pts) - 1
                packet.time_base = 1 / self._rate
                self._container.mux(packet)
        except av.FFmpegError as failure:
            raise self._failed(failure) from None

    def _failed(self, failure: Exception) -> OutputError:
        number = getattr(failure, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOENT):
            return unwritable(self._path, failure)
        name = self._stream.codec_context.name
        reason = getattr(failure, "strerror", failure)
        width, height = self._size
        return OutputError(f"{name}: failed to encode a {width}x{height} frame ({reason})")

    def _finish(self) -> None:
        self._encode(None)
        if len(self._pts) != len(self._frames):
            name = self._stream.codec_context.name
            lost = len(self._frames) - len(self._pts)
            raise OutputError(f"{name}: dropped {lost} frames; change its rate control options")
        times = SegmentTimes(
            self._base,
            tuple(self._pts),
            tuple(self._durations),
            self._stream.codec_context.codec_tag.strip("\0"),
        )
        try:
            self._container.close()
            append_times(self._partial, times)
            self._partial.replace(self._path)
        except (OSError, av.FFmpegError) as failure:
            raise unwritable(self._path, failure) from None

    def _discard(self) -> None:
        with contextlib.suppress(av.FFmpegError, OSError, ValueError):
            self._container.close()
        with contextlib.suppress(OSError):
            self._partial.unlink(missing_ok=True)


def _note_colours(info: MediaInfo, coding: Coding, note: Note) -> None:
    """Tell of colours that come out wrong, or will be shown otherwise than those of the source.

    Untagged ones may if they stay so: players choose the matrix of untagged video by its size,
    which has just changed.
    """
    old, new = info.layout.kind, layout_of(coding.pix_fmt).kind
    if new == "rgb":
        for line in wrong_colours(info.layout, info.tags):
            note(line)
    # RGB has no matrix, or was made by the one assumed.
    untagged = coding.tags.matrix == UNSPECIFIED and old == new == "yuv"
    old_size = info.width, info.height
    if untagged and any(
        assumed_matrix(old_size, high) != assumed_matrix(coding.size, high) for high in (577, 720)
    ):
        note(
            "the colour matrix stays untagged, and at the new size players will take it for "
            "BT.709; -e colorspace=smpte170m tags it as BT.601"
        )
