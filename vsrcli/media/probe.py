"""What a file holds, found out by opening it and decoding its first frame."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeAlias

import av
import av.logging
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vsrcli.errors import InputError
from vsrcli.media.conform import FirstField
from vsrcli.media.cropping import Crop, crop_in
from vsrcli.media.exif import display_matrix, orientation_of
from vsrcli.media.extras import apart, extras_of
from vsrcli.media.fields import first_field
from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.hdr import HdrMetadata, hdr_of
from vsrcli.media.opacity import pictures_opaque, video_opaque
from vsrcli.media.planes import CHROMA_LOCATIONS, LINEAR, UNSPECIFIED, ColourTags, tags_of
from vsrcli.media.process_wide import ffmpeg_heard
from vsrcli.media.rates import above_zero, duration_of, frame_count, rate_of
from vsrcli.media.resample import CENTRE, LEFT
from vsrcli.media.sources import Source, find_source, main_video, opened
from vsrcli.media.stills import first_frame
from vsrcli.media.tags import stream_title
from vsrcli.media.telecine import CYCLE, KEPT

Pictures: TypeAlias = Literal["frames", "fields", "film"]
"""What interlaced frames become: a picture each, one of every field, or the film in them."""
DEFAULT_RATE = Fraction(25)
"""Frames per second of what does not say its own, pictures above all, as FFmpeg assumes."""

_IDENTITY = (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
_PICTURE_CODECS = frozenset({"apng", "jpegxl", "mjpeg", "png", "tiff", "webp"})
_AMID = frozenset({"flv1", "h261", "h263i", "rv10", "rv20", "webp"})
"""Codings with chroma amid its luma of which FFmpeg does not say so: H.261, what was made of H.263,
and what libwebp makes, as JFIF has it."""
LEVEL_422 = frozenset({"dnxhd", "h264", "hevc"})
"""Codings whose 4:2:2, of full range too, has chroma level with luma's even columns (ITU-T H.264
and H.265, figure 6-2)."""
_IN_PASSES = ("png", "apng")
"""Codings whose pictures may come in passes (Adam7), which FFmpeg marks as if they had fields."""
_MADE: dict[Pictures, tuple[Fraction, int]] = {
    "frames": (Fraction(1), 1),
    "fields": (Fraction(2), 2),
    "film": (Fraction(KEPT, CYCLE), KEPT),
}
"""Pictures made of a frame, and their ticks in one of the file's."""
_FINEST_SAR = 1 << 16
"""What encoders have room for, and more than anybody can see."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream of a container."""

    index: int
    type: str
    """"video", "audio", "subtitle", "data" or "attachment"."""
    codec: str
    """FFmpeg's name of the codec, "unknown" if it has none."""
    language: str | None
    title: str | None
    attached_picture: bool
    """Cover art."""
    flags: tuple[str, ...] = ()
    """What it is meant for, as FFmpeg calls it: "forced", "comment" ..."""


_MEANT = [flag for flag in Disposition if flag.name not in ("default", "attached_pic")]
_TILES = re.compile(r"^ +Stream group #.*: Tile Grid: .*\(default\)", re.MULTILINE)
"""How FFmpeg describes that what a file shows is a picture of tiles, each of them a stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What is known of a video before it is read to its end."""

    path: Path
    format: str
    """FFmpeg's demuxer, for example "mov,mp4,m4a,3gp,3g2,mj2"; "image2" for pictures."""
    codec: str
    width: int
    height: int
    """Of the first decoded frame, in pixels, as far as it is shown, before rotation."""
    pix_fmt: str
    """Of the first decoded frame, as the decoder gives it."""
    rate: Fraction | None
    """Average frames per second; variable-rate files differ from it frame by frame."""
    time_base: Fraction
    start_pts: int | None
    """Of the first decoded frame, in `time_base` units; None where the file has no timestamps."""
    duration: Fraction | None
    """Of the video, in seconds, as declared."""
    frames: int | None
    """Declared or estimated, for progress bars; never exact."""
    tags: ColourTags
    sar: Fraction | None
    """Sample aspect ratio; None where the file says nothing."""
    extras: tuple[str, ...] = ()
    """What comes with the first frame beside its samples: keys of `EXTRAS`."""
    display_matrix: tuple[int, ...] | None
    """FFmpeg's nine integers; None for none or the identity."""
    interlaced: bool = False
    """Whether the first frame is, or all are by the container."""
    fields: bool = False
    """Whether the stream says it has fields; frame by frame it need not."""
    video_index: int
    """Index of the video stream that is read."""
    streams: tuple[StreamInfo, ...]
    chapters: int = 0
    metadata: dict[str, str] = field(default_factory=dict)
    sequence: bool
    """Whether the frames are picture files."""
    opaque: bool = False
    """Whether alpha, which the pixel format has, is known to be full everywhere."""
    crop: Crop | None = None
    """What the container has players cut off the decoded frames."""
    hdr: HdrMetadata = HdrMetadata()
    """Of the first decoded frame."""
    first_field: FirstField | None = None
    """Which field is shown first where the decoder does not say that there are any."""
    pictures: Pictures = "frames"
    """What interlaced frames become: times, rate and number are those of the pictures."""

    @property
    def layout(self) -> PixelLayout:
        """How the planes of the frames are to be read, without alpha where all is opaque."""
        layout = layout_of(self.pix_fmt)
        return layout.opaque if self.opaque else layout

    @property
    def rotation(self) -> int:
        """Degrees clockwise, 0 to 359, by which a player turns the picture."""
        if self.display_matrix is None:
            return 0
        return round(math.degrees(math.atan2(self.display_matrix[1], self.display_matrix[0]))) % 360

    @property
    def depth(self) -> int:
        """Bits per sample."""
        return self.layout.depth

    @property
    def may_have_fields(self) -> bool:
        """Whether a frame may have fields; if so, unless `first_field` is known, it says so."""
        return self.first_field is not None or not (self.sequence or self.codec in _IN_PASSES)

    def made_into(self, pictures: Literal["fields", "film"]) -> MediaInfo:
        """The same with other PICTURES: as many more or fewer, in ticks as much shorter."""
        each, ticks = _MADE[pictures]
        return replace(
            self,
            rate=each * self.nominal_rate,
            time_base=self.time_base / ticks,
            start_pts=None if self.start_pts is None else ticks * self.start_pts,
            frames=None if self.frames is None else round(each * self.frames),
            fields=True,
            pictures=pictures,
        )

    @property
    def pictures_per_frame(self) -> Fraction:
        """Pictures that are made of a frame, in the mean."""
        return _MADE[self.pictures][0]

    @property
    def frame_ticks(self) -> int:
        """The usual duration of a frame of the file, in ticks of the file."""
        each, ticks = _MADE[self.pictures]
        return max(1, round(each / (self.nominal_rate * self.time_base * ticks)))

    @property
    def nominal_rate(self) -> Fraction:
        """Frames per second where a rate there must be: 25 where the file does not say its own."""
        return self.rate or DEFAULT_RATE

    def sar_at(self, width: int, height: int) -> Fraction:
        """Sample aspect ratio that shows a picture of another size in this one's shape.

        As FFmpeg's scaler sets it; pixels of unknown shape are taken to be square.
        """
        sar = (self.sar or 1) * Fraction(self.width * height, self.height * width)
        return sar.limit_denominator(_FINEST_SAR)


def probe(
    path: str | Path, *, rate: Fraction | None = None, number: int | None = None
) -> MediaInfo:
    """Return what `path` holds; `rate` is the one of a picture sequence (default 25).

    `number` tells how many other videos come before the one that is meant; None: see `main_video`.

    Raises InputError, in one sentence, if the path is missing, is a folder without pictures,
    is no video, or if no frame of it can be decoded.
    """
    source = find_source(path)
    if source.pictures:
        return _probe_pictures(source, rate or DEFAULT_RATE)
    with opened(source.path) as container:
        stream = main_video(container, source.name, number)
        whole = _description(container)
        if _TILES.search(whole):
            what = "a picture put together of tiles (HEIC, AVIF), of which FFmpeg gives one alone"
            raise InputError(f"{source.name} is {what}; convert it to PNG or JPEG first")
        description = _of_stream(whole, stream.index)
        stated = _container_tags(stream)
        frame = first_frame(container, stream, source.name)
        return _describe(source, container, stream, frame, stated, description)


def _describe(
    source: Source,
    container: InputContainer,
    stream: VideoStream,
    frame: av.VideoFrame,
    stated: ColourTags,
    description: str,
) -> MediaInfo:
    # The product is a Fraction: PyAV 19 has a rational of its own.
    time_base = 1 * (stream.time_base or Fraction(1, 90000))
    duration = duration_of(container, stream)
    rate = rate_of(stream, duration)
    codec = stream.codec_context.codec.canonical_name
    crop = crop_in(description, (frame.width, frame.height))
    width, height = (crop or Crop(0, 0, 0, 0)).of(frame.width, frame.height)
    shown_first = first_field(source.path, stream, frame.height)
    extras = () if codec in _PICTURE_CODECS else extras_of(frame, description)
    return MediaInfo(
        path=source.path,
        format=container.format.name,
        codec=codec,
        width=width,
        height=height,
        pix_fmt=frame.format.name,
        rate=rate,
        time_base=time_base,
        start_pts=frame.pts,
        duration=duration,
        frames=frame_count(container, stream, duration, rate),
        tags=_tags(frame, stated, _siting(description, codec, frame)),
        sar=above_zero(stream.sample_aspect_ratio),
        extras=(*extras, *apart(source.path, container)),
        hdr=_hdr(frame, codec),
        display_matrix=_display_matrix(frame, codec),
        interlaced=shown_first is not None or (frame.interlaced_frame and codec not in _IN_PASSES),
        fields=stream.codec_context.field_order > 1,
        video_index=stream.index,
        streams=tuple(_stream_info(s) for s in container.streams),
        chapters=len(container.chapters()),
        metadata=dict(container.metadata),
        sequence=False,
        opaque=video_opaque(source.path, codec, frame),
        crop=crop,
        first_field=shown_first,
    )


def _container_tags(stream: VideoStream) -> ColourTags:
    """What the container says of the colours; decoders overwrite it with what they know."""
    own: Any = stream.codec_context
    return ColourTags(int(own.colorspace), int(own.color_primaries), int(own.color_trc))


def _tags(frame: av.VideoFrame, stated: ColourTags, chroma_location: int) -> ColourTags:
    """The tags of a frame; where its coding says nothing, what the container has `stated`.

    The decoders of HEVC, VP9, ProRes and of alpha beside pictures put "unspecified" in its place.
    """
    tags = tags_of(frame, chroma_location)
    return replace(
        tags,
        matrix=_known(tags.matrix, stated.matrix),
        primaries=_known(tags.primaries, stated.primaries),
        transfer=_known(tags.transfer, stated.transfer),
    )


def _known(tag: int, stated: int) -> int:
    return stated if tag == UNSPECIFIED and stated else tag


def _probe_pictures(source: Source, rate: Fraction) -> MediaInfo:
    first = source.pictures[0]
    with opened(first) as container:
        stream = main_video(container, str(first))
        description = _of_stream(_description(container), stream.index)
        frame = first_frame(container, stream, str(first))
        codec = stream.codec_context.codec.canonical_name
        count = len(source.pictures)
        return MediaInfo(
            path=source.path,
            format="image2",
            codec=codec,
            width=frame.width,
            height=frame.height,
            pix_fmt=frame.format.name,
            rate=rate,
            time_base=1 / rate,
            start_pts=0,
            duration=count / rate,
            frames=count,
            tags=_picture_tags(frame, codec, _siting(description, codec, frame)),
            sar=above_zero(stream.sample_aspect_ratio),
            display_matrix=_picture_matrix(first, frame, codec),
            video_index=0,
            streams=(StreamInfo(0, "video", codec, None, None, False),),
            sequence=True,
            opaque=pictures_opaque(source.pictures, frame),
        )


def _picture_tags(frame: av.VideoFrame, codec: str, chroma_location: int) -> ColourTags:
    """The tags of a picture; FFmpeg does not tell that a Radiance HDR holds light."""
    tags = tags_of(frame, chroma_location)
    return replace(tags, transfer=LINEAR) if codec == "hdr" else tags


def _picture_matrix(path: Path, frame: av.VideoFrame, codec: str) -> tuple[int, ...] | None:
    """The matrix of EXIF's orientation, mirrored ones included, which PyAV does not tell."""
    matrix = display_matrix(orientation_of(path))
    return _display_matrix(frame, codec) if matrix == _IDENTITY else matrix


def _display_matrix(frame: av.VideoFrame, codec: str) -> tuple[int, ...] | None:
    if codec in _PICTURE_CODECS:  # PyAV 18 frees a picture's ICC profile twice once it is looked at
        return _turned(-frame.rotation) if frame.rotation else None
    try:
        data: Any = frame.side_data.get("DISPLAYMATRIX")
        matrix = struct.unpack("=9i", bytes(data)) if data else None
    except ValueError:  # side data newer than PyAV, such as EXIF, hides all the others
        matrix = _turned(-frame.rotation)
    return None if matrix == _IDENTITY else matrix


def _hdr(frame: av.VideoFrame, codec: str) -> HdrMetadata:
    return HdrMetadata() if codec in _PICTURE_CODECS else hdr_of(frame)  # see _display_matrix


def _turned(clockwise: int) -> tuple[int, ...]:
    angle = math.radians(clockwise)
    cosine, sine = round(math.cos(angle) * 65536), round(math.sin(angle) * 65536)
    return (cosine, sine, 0, -sine, cosine, 0, 0, 0, 1 << 30)


def _stream_info(stream: Any) -> StreamInfo:
    known = stream.type in ("video", "audio", "subtitle", "data", "attachment")
    context = stream.codec_context
    codec = context.codec.canonical_name if context is not None else getattr(stream, "name", None)
    return StreamInfo(
        index=stream.index,
        type=stream.type if known else "data",
        codec=codec or "unknown",
        language=stream.language,
        title=stream_title(stream.metadata),
        attached_picture=bool(stream.disposition & Disposition.attached_pic),
        flags=tuple(str(flag.name) for flag in _MEANT if flag & stream.disposition),
    )


def _description(container: InputContainer) -> str:
    """Return FFmpeg's description of a file, with the side data of streams, at debug level.

    It names what PyAV has no property for.
    """
    with ffmpeg_heard(av.logging.INFO):
        av.logging.set_libav_level(av.logging.DEBUG)
        try:
            return str(container.dumps_format())  # type: ignore[attr-defined, unused-ignore]
        finally:
            av.logging.set_libav_level(av.logging.INFO)


def _of_stream(description: str, index: int) -> str:
    """The part of `_description` that is about one stream."""
    streams = re.split(r"^(?= +Stream #0:)", description, flags=re.MULTILINE)
    return next((s.lstrip(" ") for s in streams if re.match(rf" +Stream #0:{index}\b", s)), "")


def _siting(description: str, codec: str, frame: av.VideoFrame) -> int:
    """Where chroma lies, as FFmpeg describes it, else as the coding has it; 0 if neither tells."""
    told = _chroma_location(description)
    if codec in _AMID:
        return told or CENTRE
    level = codec in LEVEL_422 and layout_of(frame.format.name).log2_chroma == (1, 0)
    return told or (LEFT if level else 0)


def _chroma_location(description: str) -> int:
    """Return AVCHROMA_LOC_* of a stream as FFmpeg describes it, 0 if unspecified."""
    line = re.match(r"Stream #0:.*Video: (.*)", description)
    # As "yuv422p10le(tv, top first, left)": "top first" is the order of fields.
    words = [word.strip() for word in re.split(r"[,()]", line[1])] if line else []
    return next((n for n, w in enumerate(CHROMA_LOCATIONS) if n and w in words), 0)
