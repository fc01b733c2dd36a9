"""The encoder of a video: with what it is opened, and what it says when it is not."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

import av
import av.logging

from vsrcli.errors import DeviceError, UsageError
from vsrcli.media.containers import holds_video
from vsrcli.media.encoder_options import encoder_options
from vsrcli.media.encoders import (
    HANDED_ON,
    EncoderSettings,
    check_pix_fmt,
    choose_pix_fmt,
    counting_rate,
    encoder,
    is_hardware,
    keeps_times,
    kinds_taken,
)
from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.hdr import HdrMetadata
from vsrcli.media.planes import CHROMA_LOCATIONS, UNSPECIFIED, ColourTags
from vsrcli.media.probe import DEFAULT_RATE, LEVEL_422, MediaInfo
from vsrcli.media.process_wide import ffmpeg_heard
from vsrcli.media.repack import CONVERTIBLE, target_tags
from vsrcli.media.resample import LEFT
from vsrcli.notes import Note, ignore

_PAYLOADS = ("matroska", "mov", "nut")
"""Containers for segments, the first that can hold the coding is taken."""
_PLAIN_SIZES = ((128, 96), (1920, 1080))
_NO_NAME = re.compile("Error setting (preset|profile)")
"""How FFmpeg says that x264, and of presets x265, has none of such a name, or no profile for 8 bits
of 4:2:0, which go with all. x264 prints a line of its own then, past FFmpeg's logging."""
_NOT_TAKEN = re.compile("Error parsing option|Unknown option|Invalid value for|bad (option|value)")
"""How FFmpeg warns of those that the encoder does not take, before it goes on without them."""


@dataclass(frozen=True, slots=True)
class Coding:
    """What an encoder is opened with beside the user's settings."""

    size: tuple[int, int]
    rate: Fraction
    clock: Fraction
    pix_fmt: str
    tags: ColourTags

    @classmethod
    def of(
        cls,
        info: MediaInfo,
        size: tuple[int, int],
        settings: EncoderSettings,
        note: Note,
        *,
        counted: bool = False,
    ) -> Coding:
        """Choose it for frames of `info`, but of `size`; `note` is told what they lose.

        Frames that are `counted` have no times for the encoder.
        """
        rate = info.nominal_rate
        if not keeps_times(settings.codec):
            rate = counting_rate(settings.codec, rate)
            counted = True
        clock = 1 / rate if counted else info.time_base
        pix_fmt = _chosen_pix_fmt(settings, info.layout, size, note)
        tags = target_tags(info.tags, info.layout, pix_fmt, settings.codec)
        return cls(size, rate, clock, pix_fmt, tags)


def check_encoder(info: MediaInfo, size: tuple[int, int], settings: EncoderSettings) -> None:
    """Open the encoder as `SegmentWriter`, called alike, and close it again.

    Raises UsageError and DeviceError as it does.
    """
    coding = Coding.of(info, size, settings, ignore)
    with av.open(io.BytesIO(), "w", format=form_of(settings.codec)) as container:
        add_video(container, info, coding, settings, ignore)


def check_options(settings: EncoderSettings) -> None:
    """Raise UsageError for options that the encoder opens with for no video at all.

    Plain ones of all kinds that it takes, small and large, are tried. What depends on the video,
    or on a device, is for `check_encoder` to find.
    """
    form_of(settings.codec)
    if is_hardware(encoder(settings.codec)):
        return
    refusal: UsageError | None = None
    opens = False
    for size, pix_fmt in product(_PLAIN_SIZES, kinds_taken(settings.codec)):
        found = _refusal(settings, size, pix_fmt)
        if found is None:
            return
        if _NO_NAME.search(str(found)):
            raise found
        refusal = refusal or found
        opens = opens or _refusal(EncoderSettings(settings.codec), size, pix_fmt) is None
    if refusal is not None and opens:  # else it is not the options
        raise refusal


def check_device(codec: str) -> None:
    """Raise DeviceError for a hardware encoder that opens for no plain video at all."""
    if not is_hardware(encoder(codec)):
        return
    failure: DeviceError | None = None
    for size, pix_fmt in product(_PLAIN_SIZES, kinds_taken(codec)):
        try:
            _refusal(EncoderSettings(codec), size, pix_fmt)
        except DeviceError as found:
            failure = failure or found
        else:
            return
    if failure is not None:
        raise failure


def _refusal(settings: EncoderSettings, size: tuple[int, int], pix_fmt: str) -> UsageError | None:
    """Why the encoder does not open for plain video; None if it does."""
    coding = Coding(size, DEFAULT_RATE, 1 / DEFAULT_RATE, pix_fmt, ColourTags())
    context: Any = av.CodecContext.create(settings.codec, "w")
    context.width, context.height = size
    context.pix_fmt, context.time_base, context.framerate = pix_fmt, coding.clock, coding.rate
    try:
        context.options = encoder_options(
            settings, HdrMetadata(), coding.tags, ignore, pix_fmt=pix_fmt
        )
        _open(context, settings, coding, "any video")
    except UsageError as failure:
        return failure
    return None


def _chosen_pix_fmt(
    settings: EncoderSettings, layout: PixelLayout, size: tuple[int, int], note: Note
) -> str:
    if settings.pix_fmt is not None:
        check_pix_fmt(settings.codec, settings.pix_fmt)
        return settings.pix_fmt
    chosen, message = choose_pix_fmt(settings.codec, layout, size)
    if message:
        note(message)
    return chosen


def form_of(codec: str) -> str:
    """Return the container for segments of what `codec` makes; raises UsageError if none can."""
    encoder(codec)
    # Of raw video the others take some pixel formats only.
    forms = ("nut",) if codec == "rawvideo" else _PAYLOADS
    form = next((f for f in forms if holds_video(f, codec)), None)
    if form is None:
        raise UsageError(f"{codec}: makes no video that can be stored; choose another codec")
    return form


def add_video(
    container: Any, info: MediaInfo, coding: Coding, settings: EncoderSettings, note: Note
) -> Any:
    """Add the video to a segment's container and open its encoder.

    Raises UsageError for settings that it does not take, DeviceError if a device is missing.
    """
    stream = container.add_stream(
        settings.codec,
        rate=coding.rate,
        width=coding.size[0],
        height=coding.size[1],
        pix_fmt=coding.pix_fmt,
        time_base=coding.clock,
    )
    context = stream.codec_context
    tags = coding.tags
    context.options = encoder_options(settings, info.hdr, tags, note, pix_fmt=coding.pix_fmt)
    # PyAV's default, slices, would make x264 spend twice the bits.
    context.thread_type = "AUTO"
    context.thread_count = settings.threads
    context.flags |= av.codec.context.Flags.frame_duration
    context.colorspace, context.color_range = tags.matrix, tags.range
    context.color_primaries, context.color_trc = tags.primaries, tags.transfer
    if info.sar:
        context.sample_aspect_ratio = info.sar
    size = coding.size
    _open(context, settings, coding, f"{size[0]}x{size[1]} {coding.pix_fmt}")
    if _from_rgb(info.layout, coding) and context.colorspace not in (UNSPECIFIED, *CONVERTIBLE):
        given = dict(settings.options).get("colorspace")
        raise UsageError(f"-e colorspace={given}: RGB cannot be converted to it; use bt709")
    return stream


def tags_to_make(
    context: Any, coding: Coding, settings: EncoderSettings, layout: PixelLayout
) -> ColourTags:
    """Return the tags to convert frames of `layout` to for the opened encoder `context`.

    Where RGB becomes Y'CbCr, the matrix and the range are those that the user's options named, and
    so is the siting of new chroma.
    """
    tags, given = coding.tags, dict(settings.options).get("chroma_sample_location")
    for number, name in enumerate(CHROMA_LOCATIONS):
        if given in (name, str(number)):
            tags = replace(tags, chroma_location=number)
    new = layout_of(coding.pix_fmt)
    if _from_rgb(layout, coding):
        matrix, span = context.colorspace, context.color_range
        if matrix == UNSPECIFIED:
            matrix = tags.matrix
        named = replace(tags, matrix=int(matrix), range=int(span) or tags.range)
        tags = target_tags(named, new, coding.pix_fmt, context.name)
    if new.log2_chroma == (1, 0) and encoder(settings.codec).canonical_name in LEVEL_422:
        tags = replace(tags, chroma_location=LEFT)
    return tags


def _from_rgb(layout: PixelLayout, coding: Coding) -> bool:
    return layout.kind == "rgb" and layout_of(coding.pix_fmt).kind == "yuv"


def _open(context: Any, settings: EncoderSettings, coding: Coding, what: str) -> None:
    """Open an encoder; WHAT is what it is to encode, for messages."""
    size, codec = coding.size, settings.codec
    said: list[tuple[int, str]] = []
    try:
        with _listening(codec, said):
            context.open()
    except (av.FFmpegError, ValueError) as failure:
        reason = getattr(failure, "strerror", None) or str(failure)
        if is_hardware(encoder(codec)):
            message = f"{codec}: does not open on this machine ({reason})"
            raise DeviceError(f"{message}; choose another codec") from None
        given = " ".join(f"{key}={value}" for key, value in settings.options) or "no options"
        if isinstance(failure, av.error.ExternalError):  # as x264, which tells nothing of it here
            reason += ", perhaps too little memory"
        reason = next((text for level, text in said if level <= av.logging.ERROR), reason)
        raise UsageError(f"{codec}: refuses {given} for {what} ({reason})") from None
    if unknown := ", ".join(context.options):
        see = f"ffmpeg -h encoder={codec}"
        raise UsageError(f"{codec}: has no option {unknown}; {see} lists them")
    passed = next((key for key, _ in settings.options if key in HANDED_ON), None)
    wrong = [text for _, text in said if _NOT_TAKEN.match(text)]
    if passed and wrong:
        raise UsageError(f"{codec}: does not take all of -e {passed} ({'; '.join(wrong)})")
    opened = (context.width, context.height, context.pix_fmt, context.time_base)
    if opened != (*size, coding.pix_fmt, coding.clock):
        given = " ".join(f"{key}={value}" for key, value in settings.options)
        raise UsageError(f"{codec}: -e cannot change the size, pixel format or times ({given})")


@contextlib.contextmanager
def _listening(codec: str, said: list[tuple[int, str]]) -> Iterator[None]:
    """Gather in `said` what FFmpeg says in the name of `codec`, warnings and errors, by level."""
    with ffmpeg_heard(av.logging.WARNING) as logs:
        try:
            yield
        finally:
            own = ((level, text) for level, name, text in logs if name == codec)
            said += [(level, text.strip().rstrip(".:")) for level, text in own]
