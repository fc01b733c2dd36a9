"""Where pictures come from: a file FFmpeg opens, or picture files that together make a video."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
from av.codec.context import Flags
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vsrcli.errors import InputError
from vsrcli.media.conform import FirstField
from vsrcli.media.containers import METADATA
from vsrcli.media.misread import misread
from vsrcli.media.tiff import refused_tiff

PICTURE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".tga", ".ppm", ".pgm", ".pbm"),
    *(".pnm", ".pam", ".exr", ".hdr", ".dpx", ".jp2", ".j2k", ".jxl", ".qoi", ".pcx", ".sgi"),
    *(".xbm", ".xpm", ".pfm", ".dds"),
)
"""Files that hold one picture."""
VIDEO_SUFFIXES = (
    *(".264", ".265", ".266", ".3g2", ".3gp", ".apng", ".asf", ".avi", ".divx", ".dv", ".f4v"),
    *(".flv", ".gif", ".h264", ".h265", ".hevc", ".ivf", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v"),
    *(".mk3d", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".obu"),
    *(".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".vvc", ".webm", ".wmv", ".wtv"),
    ".y4m",
)
"""Files in a folder or an archive that are taken for videos."""

_ADDRESS = re.compile(r"(?:https?|ftp|rt[ms]p)s?:/", re.IGNORECASE)
"""Begins what is to be had over a network; of its two slashes a path keeps one."""
_NUMBER = re.compile(r"%0?(\d*)d")
_OPENED_WITH = {
    # Else "%03d" in the path of a picture, its folders included, is taken for a pattern. Giving
    # FFmpeg an open file would do as well, but what that names may be anywhere in the network.
    "pattern_type": "none",
    # A playlist (HLS) whose recording was broken off has no end: FFmpeg would take it for a
    # broadcast, begin with the last but two of its segments, and wait for more.
    "live_start_index": "0",
    "max_reload": "1",
}
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass(frozen=True, slots=True)
class Source:
    """Either one media file, or the picture files of a sequence in their order."""

    path: Path
    """As the user named it."""
    pictures: tuple[Path, ...] = ()
    """Empty for a media file."""
    numbers: tuple[int, ...] = ()
    """Of the pictures, where they are called by number, as in `name%04d.png`."""

    @property
    def name(self) -> str:
        """Return the path for messages, on one line."""
        return str(self.path).replace("\n", "?")


def find_source(path: str | Path) -> Source:
    """Return what `path` names: a video, a picture, a folder of them, or `name%04d.png`.

    Raises InputError where there is nothing to read.
    """
    source = Source(Path(path))
    try:
        return _find(source)
    except (OSError, ValueError) as error:  # no permission, or no possible name
        reason = getattr(error, "strerror", None) or "its name is not valid"
        raise InputError(f"{source.name} cannot be read: {reason}") from None


def _find(source: Source) -> Source:
    path = source.path
    if path.is_dir():
        files = list(path.iterdir())
        pictures = sorted(filter(_is_picture, files), key=_natural)
        if not pictures:
            what = "pictures; name a file in it" if files else "videos or pictures; name another"
            raise InputError(f"{source.name} is a folder without {what}")
        return Source(path, tuple(pictures))
    if path.exists():
        if not path.stat().st_size and path.is_file():
            raise InputError(f"{source.name} is empty")
        still = _is_picture(path) and not _is_animated(source)
        return Source(path, (path,)) if still else source
    if _ADDRESS.match(source.name):
        what = "is an address, and only files are read; download it first"
        raise InputError(f"{source.name} {what}")
    if _NUMBER.search(path.name):
        return _numbered(source)
    raise _missing(path, source.name)


def _missing(path: Path, name: str) -> InputError:
    if path.is_symlink():
        return InputError(f"{name} is a link to {path.readlink()}, which does not exist")
    return InputError(f"{name} does not exist")


def _is_to_be_read(path: Path) -> bool:
    """Whether what lies in a folder is an input if its name is that of one: a file that is not
    hidden, or a link that leads nowhere, which may not be passed over as if there were nothing.
    """
    if path.name.startswith("."):
        return False
    return path.is_file() or (path.is_symlink() and not path.exists())


def files_in(folder: Path, suffixes: Container[str]) -> list[Path]:
    """The inputs with one of the SUFFIXES that lie in FOLDER, by name. Raises InputError."""
    try:
        files = sorted(folder.iterdir())
    except OSError as failure:
        raise InputError(f"{folder}: cannot be read ({failure.strerror})") from None
    return [path for path in files if path.suffix.lower() in suffixes and _is_to_be_read(path)]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and _is_to_be_read(path)


def _is_animated(source: Source) -> bool:
    """Whether a picture file holds several: an animated PNG, which FFmpeg reads as a video.

    Raises InputError for an animated WebP, which it does not read.
    """
    with source.path.open("rb") as file:
        head = file.read(1 << 16)
    if head[8:16] == b"WEBPVP8X" and head[20:21] and head[20] & 2:
        raise InputError(
            f"{source.name} is an animated WebP, which FFmpeg does not read; make it an animated "
            "PNG, a GIF or a video first"
        )
    animation, pixels = head.find(b"acTL"), head.find(b"IDAT")
    return head.startswith(b"\x89PNG") and 0 < animation < (pixels if pixels > 0 else len(head))


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key: digits compare as numbers, so that 2.png stands before 10.png."""
    pieces = re.split(r"(\d+)", path.name)
    return [(int(p), p) if p.isdecimal() else (-1, p.casefold()) for p in pieces]


def _numbered(source: Source) -> Source:
    match = _NUMBER.search(source.path.name)
    assert match is not None
    before, after = source.path.name[: match.start()], source.path.name[match.end() :]
    width = int(match[1] or 1)
    digits = rf"\d{{{width},}}"
    wanted = re.compile(re.escape(before) + f"({digits})" + re.escape(after))
    found: dict[int, Path] = {}
    if source.path.parent.is_dir():
        for file in sorted(source.path.parent.iterdir()):
            if name := wanted.fullmatch(file.name):
                number = int(name[1])
                # Of f1.png and f01.png, f%d.png is the former.
                if number not in found or name[1] == f"{number:0{width}d}":
                    found[number] = file
    if not found:
        raise InputError(f"no file matches {source.name}; check the folder and the digits")
    numbers = tuple(sorted(found))
    return Source(source.path, tuple(found[number] for number in numbers), numbers)


@contextmanager
def opened(file: Path) -> Iterator[InputContainer]:
    """Open one file with FFmpeg and close it at the end.

    Raises InputError if it cannot be opened, is no media file, or a picture that FFmpeg reads
    wrongly.
    """
    name = str(file).replace("\n", "?")
    with ExitStack() as stack:
        try:
            if refused := refused_tiff(file) or misread(file):
                raise InputError(f"{name} {refused}")
            # A name such as "a:b.mp4" would be taken for a protocol unless the path is absolute.
            container = av.open(str(file.absolute()), "r", options=_OPENED_WITH, **METADATA)
        except PermissionError:
            raise InputError(f"{name} cannot be read: permission denied") from None
        except (av.FFmpegError, OSError, ValueError) as failure:
            # What is not there may be a file that this one names: a playlist does.
            if isinstance(failure, FileNotFoundError) and not file.exists():
                raise _missing(file, name) from None
            message = f"{name} is not a video FFmpeg can open, or is damaged or incomplete"
            raise InputError(message) from None
        yield stack.enter_context(container)


def main_video(container: InputContainer, name: str, number: int | None = None) -> VideoStream:
    """Return the video stream to read: FFmpeg's choice, but never cover art.

    With a `number`, the one after so many others. Raises InputError if there is none, or no decoder
    for it.
    """
    covers = Disposition.attached_pic | Disposition.timed_thumbnails
    videos = [s for s in container.streams.video if not s.disposition & covers]
    if not videos:
        only = "only cover art, no video" if container.streams.video else "no video stream"
        raise InputError(f"{name} has {only}")
    if number is not None:
        stream = videos[min(number, len(videos) - 1)]
    else:
        best = container.streams.best("video")
        stream = next((s for s in videos if best is not None and s.index == best.index), videos[0])
    if stream.codec_context is None:
        what = "a video in a coding that this FFmpeg has no decoder for"
        raise InputError(f"{name} has {what}, or is damaged or incomplete")
    return stream


def has_alpha_beside(stream: VideoStream) -> bool:
    """Tell whether Matroska or WebM says that alpha lies beside the pictures of a stream."""
    # A header's own field has this name; FFmpeg's muxer adds a tag in capitals, which hides it.
    return any(key.lower() == "alpha_mode" and v == "1" for key, v in stream.metadata.items())


def is_counted(container: InputContainer, stream: VideoStream) -> bool:
    """Whether a stream has but decoding times, and is shown picture by picture at these.

    AVI and ASF have no others. Those of H.264 that FFmpeg makes up are a frame late, and where
    there are B-frames in the order of decoding.
    """
    return container.format.name in ("avi", "asf") and stream.codec_context.name == "h264"


def is_shown_late(container: InputContainer) -> bool:
    """Whether the pictures of a counted stream are shown when the decoder gives them.

    Decoding times in ASF are those of a clock that sound goes by too, and the first pictures are
    decoded ahead of it. AVI counts from the first.
    """
    return container.format.name == "asf"


def decoder_of(
    stream: VideoStream, threads: int = 0, first_field: FirstField | None = None
) -> VideoCodecContext:
    """Return the decoder for a stream, not yet open; `threads` 0 lets FFmpeg choose.

    WebM keeps alpha beside the picture, which only libvpx's decoders read. Of two fields of Motion
    JPEG the one shown first becomes the rows that the `first_field` says.
    """
    context: Any = stream.codec_context
    alpha = _ALPHA_DECODERS.get(context.name)
    if alpha in av.codecs_available and has_alpha_beside(stream):
        context = av.CodecContext.create(alpha, "r")
    if context.name == "mjpeg" and first_field:
        bottom = first_field == "bff"
        # By this tag FFmpeg takes the first field for the bottom one, whatever the pictures say.
        if bottom != (context.codec_tag == "MJPG"):
            context.codec_tag = "MJPG" if bottom else "mjpg"
    context.thread_type, context.thread_count = "AUTO", threads
    context.flags |= Flags.unaligned  # else what is cut off at the left is rounded down
    return cast(VideoCodecContext, context)
