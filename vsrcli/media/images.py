"""Frames -> picture files, one or numbered."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from vsrcli.errors import UsageError
from vsrcli.media.colour import RGB, SMPTE170M
from vsrcli.media.containers import unwritable
from vsrcli.media.formats import PixelLayout
from vsrcli.media.picture_files import CODECS, PictureNames, too_many
from vsrcli.media.picture_tags import PictureTags, of_size, read_tags, with_tags, without_room
from vsrcli.media.planes import FULL_RANGE, ColourTags, Frame
from vsrcli.media.probe import MediaInfo
from vsrcli.media.recode import resited
from vsrcli.media.repack import Repacker
from vsrcli.media.resample import CENTRE, chroma_location
from vsrcli.media.rgb import RgbFrames, known_tags, wrong_colours
from vsrcli.media.safely import check_free, target_of
from vsrcli.media.scratch import scratch_folder
from vsrcli.media.sources import find_source
from vsrcli.media.turned import turned, turned_layout
from vsrcli.notes import Note, ignore
from vsrcli.turning import Turning

_OPTIONS = {
    "mjpeg": {"qmin": "2", "qmax": "2"},  # quantiser scale of 31: near lossless
    "libwebp": {"quality": "95"},
    "tiff": {"compression_algo": "deflate"},
}
# At quality 20, which is effort here, it takes a third of the time of the usual 75.
_LOSSLESS_WEBP = {"lossless": "1", "quality": "20"}
"""With loss it is always 4:2:0. So it has about three quarters of a PNG's bytes, 4 to 6 times those
of quality 95."""


class ImageWriter:
    """Writes a frame as a picture, or frames as numbered ones.

    They appear under their names when all are complete.

    A context manager: leaving it normally renames the files out of a hidden folder beside them;
    leaving it by an exception removes what was written. PNG, TIFF: 8 or 16 bits, gray or RGB, with
    alpha; JPEG: BT.601 full range at the source's chroma resolution; WebP: 8 bits, with little loss
    of 4:2:0 and gray, without any of the rest.
    """

    files: list[Path]
    """What was written, in order."""

    def __init__(
        self,
        names: PictureNames,
        layout: PixelLayout,
        tags: ColourTags,
        source_size: tuple[int, int],
        *,
        sar: Fraction | None = None,
        turning: Turning | None = None,
        tags_of: Callable[[int], PictureTags] = lambda index: PictureTags(),
        overwrite: bool = False,
        note: Note = ignore,
    ) -> None:
        """Prepare to write frames of `layout`, turned by `turning`, under `names`.

        `sar` is the sample aspect ratio of the frames; None: nobody knows.
        `tags_of` gives what to put into the picture of the frame with an index. `tags` and
        `source_size` (width, height) tell the matrix between Y'CbCr and RGB. Raises UsageError for
        an unknown kind of picture, OutputError if the folder cannot be written.
        """
        codec, first = names.codec, names.of(0, 0)
        if codec is None:
            known = " ".join(CODECS)
            raise UsageError(f"{first}: unknown kind of picture; use one of {known}")
        self.files = []
        self._names, self._overwrite = names, overwrite
        self._turning, self._layout = turning or Turning(), turned_layout(layout, turning)
        self._sar = 1 / sar if sar and self._turning.transposed else sar
        self._codec, self._pix_fmt = codec, picture_format(codec, self._layout)
        # Before it is turned: of turned chroma nothing says where it lies.
        rgb = layout.kind == "yuv" and codec != "mjpeg" and self._turning != Turning()
        self._in_rgb = RgbFrames(layout, tags, source_size) if rgb else None
        source = known_tags(tags, source_size)
        self._location = chroma_location(source)
        if codec == "mjpeg":  # as JFIF has it, and once it is turned nothing says where it lay
            source = replace(source, chroma_location=CENTRE)
        self._repack = Repacker(source, self._pix_fmt, _picture_tags(codec, tags))
        self._tags_of, self._note = tags_of, note
        self._lost: set[str] = set()
        for line in picture_losses(codec, layout, tags, sar):
            note(line)
        self._stack = ExitStack()
        try:
            names.folder.mkdir(parents=True, exist_ok=True)
            scratch = scratch_folder(names.folder, ".pictures.")
            self._folder = self._stack.enter_context(scratch)
        except OSError as failure:
            raise unwritable(first, failure) from None

    def __enter__(self) -> ImageWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._stack:
            if kind is None:
                self._publish()

    def write(self, frame: Frame) -> Path:
        """Write the next picture and return where it will be.

        Raises OutputError if that file exists already (unless `overwrite`) or the disk is full,
        UsageError if there was to be only one.
        """
        if self.files and self._names.single:
            raise too_many(self._names.output, "there are more frames")
        path = self._names.of(len(self.files), frame.index)
        check_free(path, overwrite=self._overwrite)
        try:
            options = _encoder_options(self._codec, self._layout)
            colours = self._in_rgb(frame) if self._in_rgb else frame
            if self._codec == "mjpeg":
                colours = resited(colours, self._location, CENTRE)
            picture = self._repack(turned(colours, self._turning))
            data = encode_picture(self._codec, picture, options, self._sar)
            data = self._with_tags(data, frame, (picture.width, picture.height))
            (self._folder / path.name).write_bytes(data)
        except (OSError, av.FFmpegError) as failure:
            raise unwritable(path, failure) from None
        self.files.append(path)
        return path

    def _with_tags(self, data: bytes, frame: Frame, size: tuple[int, int]) -> bytes:
        tags = of_size(self._tags_of(frame.index), size)
        for line in tag_losses(tags, self._codec, frame.layout):
            if line not in self._lost:  # told of the first of many
                self._lost.add(line)
                self._note(f"{tags.name}: {line}")
        return with_tags(data, self._codec, tags, colour=_is_coloured(self._codec, frame.layout))

    def _publish(self) -> None:
        for path in self.files:
            try:
                shutil.move(self._folder / path.name, target_of(path))
            except OSError as failure:
                raise unwritable(path, failure) from None


def picture_tags(info: MediaInfo) -> Callable[[int], PictureTags]:
    """Return what gives the tags of the picture that each frame was read from; none of a video."""
    pictures = find_source(info.path).pictures if info.sequence else ()
    return lambda index: read_tags(pictures[index]) if index < len(pictures) else PictureTags()


def tag_losses(tags: PictureTags, codec: str, layout: PixelLayout) -> list[str]:
    """What of TAGS a picture of a CODEC, made of a frame of `layout`, does not get."""
    return [*tags.lost, *without_room(tags, codec, colour=_is_coloured(codec, layout))]


def _is_coloured(codec: str, layout: PixelLayout) -> bool:
    """FFmpeg's encoders for JPEG and WebP are given colour, whatever there is."""
    return layout.kind != "gray" or codec in ("mjpeg", "libwebp")


def picture_losses(
    codec: str, layout: PixelLayout, tags: ColourTags, sar: Fraction | None
) -> list[str]:
    """What pictures of a CODEC cannot keep of frames of `layout`, `tags` and an aspect ratio."""
    found = wrong_colours(layout, tags)
    kind = {"mjpeg": "JPEG", "libwebp": "WebP", "tiff": "TIFF"}.get(codec)
    if kind and tags.unlike_srgb:
        found.append(f"{kind} cannot say that its colours are {tags.unlike_srgb}; choose .png")
    if codec in ("mjpeg", "libwebp") and layout.depth > 8:
        found.append(
            f"{kind} cannot keep {layout.depth} bits (written with 8); choose .png or .tif"
        )
    if layout.alpha and codec == "mjpeg":
        found.append("JPEG cannot keep transparency; choose .png")
    if sar not in (None, 1) and codec == "libwebp":
        found.append(f"WebP has square pixels: the aspect ratio of {sar} is lost; choose .png")
    return found


def _encoder_options(codec: str, layout: PixelLayout) -> dict[str, str]:
    """FFmpeg's options for pictures of frames of `layout`."""
    fine = layout.kind == "rgb" or (layout.kind == "yuv" and min(layout.log2_chroma) < 1)
    return _LOSSLESS_WEBP if codec == "libwebp" and fine else _OPTIONS.get(codec, {})


def encode_picture(
    codec: str, picture: av.VideoFrame, options: dict[str, str], sar: Fraction | None
) -> bytes:
    """Return one picture as the bytes of a file; `picture` is in a format of the encoder.

    PNG, JPEG and TIFF say the sample aspect ratio `sar`; None: nothing is said.
    """
    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height = picture.width, picture.height
    context.pix_fmt = picture.format.name
    context.time_base = Fraction(1, 25)
    if sar is not None:
        context.sample_aspect_ratio = sar
    context.thread_count = 1  # threads hold frames back
    context.color_range = picture.color_range
    context.color_primaries, context.color_trc = picture.color_primaries, picture.color_trc
    context.options = dict(options)
    picture.pts, picture.time_base = 0, Fraction(1, 25)
    return b"".join(bytes(packet) for packet in [*context.encode(picture), *context.encode(None)])


def picture_format(codec: str, layout: PixelLayout) -> str:
    """Return the pixel format in which a picture keeps most of `layout`."""
    if codec == "mjpeg":
        if layout.kind != "yuv":
            return "yuvj444p"
        chroma = {(0, 0): "444", (1, 0): "422", (1, 1): "420"}.get(layout.log2_chroma, "444")
        return f"yuvj{chroma}p"
    if codec == "libwebp":
        return "bgra"
    deep, big = layout.depth > 8, "be" if codec == "png" else "le"
    if layout.kind == "gray":
        if layout.alpha:
            return f"ya16{big}" if deep else "ya8"
        return f"gray16{big}" if deep else "gray"
    if layout.alpha:
        return f"rgba64{big}" if deep else "rgba"
    return f"rgb48{big}" if deep else "rgb24"


def _picture_tags(codec: str, tags: ColourTags) -> ColourTags:
    """JPEG is BT.601 at full range (JFIF); the others are RGB.

    A PNG says so (cICP) if its video, of these `tags`, is of high dynamic range, wide gamut or
    linear light.
    """
    made = ColourTags(SMPTE170M if codec == "mjpeg" else RGB, range=FULL_RANGE)
    if codec == "png" and tags.unlike_srgb:
        return replace(made, primaries=tags.primaries, transfer=tags.transfer)
    return made
