"""What a file holds, found out by opening it and decoding its first frame."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.logging
from av.codec.codec import Properties
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from ..errors import InputError
from .conform import FirstField
from .cropping import Crop, crop_in
from .exif import display_matrix, orientation_of
from .formats import PixelLayout, layout_of
from .hdr import HdrMetadata, hdr_of
from .length import own_duration
from .opacity import gif_opaque, pictures_opaque
from .planes import LINEAR, UNSPECIFIED, ColourTags, tags_of
from .process_wide import ffmpeg_heard
from .sources import Source, find_source, has_alpha_beside, main_video, opened
from .stills import first_frame
from .tags import stream_title

DEFAULT_RATE = Fraction(25)
"""Frames per second of what does not say its own, pictures above all, as FFmpeg assumes."""

_HIGHEST_RATE = 240
"""Rates above are mostly the clock of a container that keeps no rate (FLV, Matroska: 1000)."""
_FINEST_RATE = 100_000
_IDENTITY = (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
_PICTURE_CODECS = frozenset({"apng", "jpegxl", "mjpeg", "png", "tiff", "webp"})
_IN_PASSES = ("png", "apng")
"""Codings whose pictures may come in passes (Adam7), which FFmpeg marks as if they had fields."""
_TELL_OF_FIELDS = ("ffv1", "rawvideo", "v210")
"""Lossless codings whose frames FFmpeg marks as interlaced where they are."""
_CHROMA_LOCATIONS = ("left", "center", "topleft", "top", "bottomleft", "bottom")
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
EXTRAS = {
    "A53_CC": "closed captions inside of the pictures",
    "DYNAMIC_HDR_PLUS": "HDR10+ metadata",
    "DYNAMIC_HDR_VIVID": "HDR Vivid metadata",
    "DOVI_METADATA": "Dolby Vision metadata",
    "AMBIENT_VIEWING_ENVIRONMENT": "the light that the video is to be seen in",
    "S12M_TIMECODE": "time codes inside of the pictures",
    "AFD": "the active format description",
    "STEREO3D": "the layout of two views in one picture",
    "SPHERICAL": "the projection of a spherical picture",
    "ICC_PROFILE": "the colour profile (ICC)",
    "EXIF": "EXIF",
    "ALPHA_APART": "the transparency, which is a picture apart (HEIC, AVIF),",
    "XMP_APART": "XMP",
}
"""FFmpeg's names of side data, and what people call it; the last two are none, see `_apart`."""
IN_FRAMES = tuple(name for name in EXTRAS if name not in ("STEREO3D", "SPHERICAL"))
"""Extras that get lost with the frames; the others a container may keep."""
_IN_CONTAINER = {"ICC_PROFILE": "ICC Profile", "EXIF": "EXIF metadata"}
"""Extras that a container has for all frames, and how FFmpeg describes them."""
_STILLS = frozenset({"avif", "avis", "heic", "heix", "mif1", "msf1"})
_APART = {
    "ALPHA_APART": (
        b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
        b"urn:mpeg:hevc:2015:auxid:1\0",
    ),
    "XMP_APART": (b"application/rdf+xml\0",),
}
"""What auxiliary pictures and items say that they are (ISO/IEC 23000-22, 23008-12)."""
_HEAD = 1 << 20
"""Bytes in which a HEIC or AVIF says what its pictures are."""
_TILES = re.compile(r"^ +Stream group #.*: Tile Grid: .*\(default\)", re.MULTILINE)
"""How FFmpeg describes that what a file shows is a picture of tiles, each of them a stream."""


@dataclass(frozen=True, slots=True)
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
    depth: int
    """Bits per sample."""
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
    extras: tuple[str, ...]
    """What comes with the first frame beside its samples: keys of `EXTRAS`."""
    display_matrix: tuple[int, ...] | None
    """FFmpeg's nine integers; None for none or the identity."""
    rotation: int
    """Degrees clockwise that a player turns the picture: 0, 90, 180, 270 or in between."""
    interlaced: bool
    """Whether the first frame is, or all are by the container."""
    fields: bool
    """Whether the stream says it has fields; frame by frame it need not."""
    video_index: int
    """Index of the video stream that is read."""
    streams: tuple[StreamInfo, ...]
    chapters: int
    metadata: dict[str, str]
    sequence: bool
    """Whether the frames are picture files."""
    opaque: bool = False
    """Whether alpha, which the pixel format has, is known to be full everywhere."""
    crop: Crop | None = None
    """What the container has players cut off the decoded frames."""
    hdr: HdrMetadata = HdrMetadata()
    """Of the first decoded frame."""
    first_field: FirstField | None = None
    """Which field is shown first where the container alone says that there are any."""

    @property
    def layout(self) -> PixelLayout:
        """How the planes of the frames are to be read, without alpha where all is opaque."""
        layout = layout_of(self.pix_fmt)
        return layout.opaque if self.opaque else layout

    @property
    def may_have_fields(self) -> bool:
        """Whether a frame may have fields; if so, unless `first_field` is known, it says so."""
        return self.first_field is not None or not (self.sequence or self.codec in _IN_PASSES)

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
        frame = first_frame(container, stream, source.name)
        return _describe(source, container, stream, frame, description)


def _describe(
    source: Source,
    container: InputContainer,
    stream: VideoStream,
    frame: av.VideoFrame,
    description: str,
) -> MediaInfo:
    time_base = Fraction(stream.time_base or Fraction(1, 90000))
    duration = _duration(container, stream)
    rate = _rate(stream, duration)
    codec = stream.codec_context.codec.canonical_name
    matrix = _display_matrix(frame, codec)
    crop = crop_in(description, (frame.width, frame.height))
    width, height = (crop or Crop(0, 0, 0, 0)).of(frame.width, frame.height)
    first_field = _first_field(stream.codec_context)
    return MediaInfo(
        path=source.path,
        format=container.format.name,
        codec=codec,
        width=width,
        height=height,
        pix_fmt=frame.format.name,
        depth=layout_of(frame.format.name).depth,
        rate=rate,
        time_base=time_base,
        start_pts=frame.pts,
        duration=duration,
        frames=_frame_count(container, stream, duration, rate),
        tags=_tags(frame, stream, _chroma_location(description)),
        sar=_fraction(stream.sample_aspect_ratio),
        extras=(
            *_extras(frame, codec, description),
            *_apart(source.path, container),
        ),
        hdr=_hdr(frame, codec),
        display_matrix=matrix,
        rotation=rotation_of(matrix),
        interlaced=first_field is not None or (frame.interlaced_frame and codec not in _IN_PASSES),
        fields=stream.codec_context.field_order > 1,
        video_index=stream.index,
        streams=tuple(_stream_info(s) for s in container.streams),
        chapters=len(container.chapters()),
        metadata=dict(container.metadata),
        sequence=False,
        opaque=container.format.name == "gif" and gif_opaque(source.path, frame),
        crop=crop,
        first_field=first_field,
    )


def _first_field(context: Any) -> FirstField | None:
    """The field shown first, by the container, where neither coding nor decoder tells of fields.

    Codings that keep what they are given, Huffyuv, Ut Video or PNG, hold rows and know no more; of
    Motion JPEG the decoder weaves two fields without a word.
    """
    codec = context.codec
    losses = codec.properties & (Properties.LOSSLESS | Properties.LOSSY).value
    holds_rows = losses == Properties.LOSSLESS.value and codec.name not in _TELL_OF_FIELDS
    if not holds_rows and codec.name not in ("mjpeg", "mjpegb"):
        return None
    # In the last two FFmpeg writes, and reads of raw video, the field stored first as shown first.
    orders: dict[int, FirstField] = {2: "tff", 3: "bff", 4: "tff", 5: "bff"}
    return orders.get(int(context.field_order))


def _tags(frame: av.VideoFrame, stream: VideoStream, chroma_location: int) -> ColourTags:
    """The tags of a frame.

    The decoders that read alpha beside pictures say nothing of a VP8's colours, the container does.
    """
    tags = tags_of(frame, chroma_location)
    if not has_alpha_beside(stream):
        return tags
    own: Any = stream.codec_context
    return replace(
        tags,
        matrix=_stated(tags.matrix, own.colorspace),
        primaries=_stated(tags.primaries, own.color_primaries),
        transfer=_stated(tags.transfer, own.color_trc),
    )


def _stated(tag: int, container: int) -> int:
    return int(container) if tag == UNSPECIFIED and container else tag


def _probe_pictures(source: Source, rate: Fraction) -> MediaInfo:
    first = source.pictures[0]
    with opened(first) as container:
        stream = main_video(container, str(first))
        description = _of_stream(_description(container), stream.index)
        chroma_location = _chroma_location(description)
        frame = first_frame(container, stream, str(first))
        codec = stream.codec_context.codec.canonical_name
        matrix = _picture_matrix(first, frame, codec)
        count = len(source.pictures)
        return MediaInfo(
            path=source.path,
            format="image2",
            codec=codec,
            width=frame.width,
            height=frame.height,
            pix_fmt=frame.format.name,
            depth=layout_of(frame.format.name).depth,
            rate=rate,
            time_base=1 / rate,
            start_pts=0,
            duration=count / rate,
            frames=count,
            tags=_picture_tags(frame, codec, chroma_location),
            sar=_fraction(stream.sample_aspect_ratio),
            extras=(),
            display_matrix=matrix,
            rotation=rotation_of(matrix),
            interlaced=False,
            fields=False,
            video_index=0,
            streams=(StreamInfo(0, "video", codec, None, None, False),),
            chapters=0,
            metadata={},
            sequence=True,
            opaque=pictures_opaque(source.pictures, frame),
        )


def _picture_tags(frame: av.VideoFrame, codec: str, chroma_location: int) -> ColourTags:
    """The tags of a picture; a Radiance HDR holds light, of which FFmpeg does not tell."""
    tags = tags_of(frame, chroma_location)
    return replace(tags, transfer=LINEAR) if codec == "hdr" else tags


def rotation_of(matrix: tuple[int, ...] | None) -> int:
    """Return the degrees clockwise, 0 to 359, by which a display matrix turns the picture."""
    if matrix is None:
        return 0
    return round(math.degrees(math.atan2(matrix[1], matrix[0]))) % 360


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


def _extras(frame: av.VideoFrame, codec: str, description: str) -> tuple[str, ...]:
    if codec in _PICTURE_CODECS:  # see _display_matrix
        return ()
    kept = [n for n, w in _IN_CONTAINER.items() if re.search(rf"^ +{w}:", description, re.M)]
    try:
        names = [name for name in EXTRAS if name not in (*_IN_CONTAINER, *_APART)]
        data = [name for name in names if frame.side_data.get(name) is not None]
    except ValueError:  # see _display_matrix
        data = []
    return (*data, *kept)


def _apart(path: Path, container: InputContainer) -> tuple[str, ...]:
    """Tell of alpha in a HEIC or AVIF, which FFmpeg gives as one more video or not at all, and XMP,
    of which it does not tell.
    """
    if container.metadata.get("major_brand") not in _STILLS or not path.is_file():
        return ()
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return tuple(name for name, kinds in _APART.items() if any(kind in head for kind in kinds))


def _hdr(frame: av.VideoFrame, codec: str) -> HdrMetadata:
    return HdrMetadata() if codec in _PICTURE_CODECS else hdr_of(frame)  # see _display_matrix


def _turned(clockwise: int) -> tuple[int, ...]:
    angle = math.radians(clockwise)
    cosine, sine = round(math.cos(angle) * 65536), round(math.sin(angle) * 65536)
    return (cosine, sine, 0, -sine, cosine, 0, 0, 0, 1 << 30)


def _fraction(value: Any) -> Fraction | None:
    """Return PyAV's rational, which may be None or 0, as a Fraction above 0."""
    return Fraction(value) if value and value > 0 else None


def _duration(container: InputContainer, stream: VideoStream) -> Fraction | None:
    if own := own_duration(stream):
        return own
    if container.duration and container.duration > 0:
        return Fraction(container.duration, av.time_base)
    return None


def _rate(stream: VideoStream, duration: Fraction | None) -> Fraction | None:
    stated = [_fraction(r) for r in (stream.average_rate, stream.guessed_rate, stream.base_rate)]
    known = [r for r in stated if r is not None]
    if slow := [r for r in known if r <= _HIGHEST_RATE]:
        return slow[0]
    if stream.frames and duration:
        # Odd counts and clocks make fractions FFmpeg has no room for.
        rate = (stream.frames / duration).limit_denominator(_FINEST_RATE)
        return rate if 0 < rate < 1000 else None
    return known[0] if known and known[0] < 1000 else None


def _frame_count(
    container: InputContainer,
    stream: VideoStream,
    duration: Fraction | None,
    rate: Fraction | None,
) -> int | None:
    if "mp4" in container.format.name and len(stream.index_entries) > stream.frames:
        return _frames_in_fragments(stream, duration)
    if stream.frames:
        return stream.frames
    tags = stream.metadata.items()
    stated = [v for k, v in tags if k.startswith("NUMBER_OF_FRAMES") and v.isdecimal()]
    if stated:
        return int(stated[0])
    return max(1, round(duration * rate)) if duration and rate else None


def _frames_in_fragments(stream: VideoStream, duration: Fraction | None) -> int:
    """Estimate the frames of an MP4 in fragments, of which FFmpeg may have read but the first."""
    index = stream.index_entries
    steps = len(index) - 1
    span = (index[-1].timestamp - index[0].timestamp) * Fraction(stream.time_base or 0)
    return max(len(index), round(steps / span * duration)) if duration and span > 0 else len(index)


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
            return str(container.dumps_format())  # type: ignore[attr-defined]
        finally:
            av.logging.set_libav_level(av.logging.INFO)


def _of_stream(description: str, index: int) -> str:
    """The part of `_description` that is about one stream."""
    streams = re.split(r"^(?= +Stream #0:)", description, flags=re.MULTILINE)
    return next((s.lstrip(" ") for s in streams if re.match(rf" +Stream #0:{index}\b", s)), "")


def _chroma_location(description: str) -> int:
    """Return AVCHROMA_LOC_* of a stream as FFmpeg describes it, 0 if unspecified."""
    line = re.match(r"Stream #0:.*Video: (.*)", description)
    # As "yuv422p10le(tv, top first, left)": "top first" is the order of fields.
    words = [word.strip() for word in re.split(r"[,()]", line[1])] if line else []
    return next((n for n, w in enumerate(_CHROMA_LOCATIONS, 1) if w in words), 0)
