"""What each output container is called by FFmpeg, and what it can hold."""

from __future__ import annotations

import contextlib
import errno
import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from vsrcli.errors import OutputError, UsageError

MUXERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".ts": "mpegts",
    ".m2ts": "mpegts",
    ".mts": "mpegts",
    ".flv": "flv",
    ".nut": "nut",
}
NAMES = {
    "mp4": "MP4",
    "mov": "QuickTime",
    "matroska": "Matroska",
    "webm": "WebM",
    "avi": "AVI",
    "mpegts": "MPEG-TS",
    "flv": "FLV",
    "nut": "NUT",
}
QUICKTIME = ("mp4", "mov")
EBML = ("matroska", "webm")
TURNING = (*QUICKTIME, *EBML)
"""Those that can say that the picture is to be turned."""

# The MPEG-TS muxer takes any codec, and writes what it does not know as private data that no
# demuxer recognises: the codecs it has a stream type or descriptor for.
TRANSPORT_STREAM = frozenset(
    {
        *("h264", "hevc", "vvc", "mpeg1video", "mpeg2video", "mpeg4"),
        *("aac", "aac_latm", "mp1", "mp2", "mp3", "ac3", "eac3", "dts", "truehd", "opus", "s302m"),
        *("dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle", "klv", "timed_id3", "scte_35"),
    }
)
MISREAD = {
    ".ts": frozenset({"truehd"}),  # it has a type of stream on Blu-ray alone
    ".avi": frozenset({"dts", "eac3", "vorbis"}),  # the length of their packets is not known
}
"""Sound that a kind of file is written with, but not read: as another coding, or at wrong times."""

METADATA: dict[str, Any] = (
    {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "surrogateescape"}
)
"""Tags that are not UTF-8 pass through: PyAV 18 would refuse a file over one, 19 does not."""


def muxer_of(output: Path) -> str:
    """Return FFmpeg's name for the container `output` is to be; raises UsageError if unknown."""
    try:
        return MUXERS[output.suffix.lower()]
    except KeyError:
        known = " ".join(MUXERS)
        raise UsageError(
            f"{output}: unknown kind of video file; use one of {known}, or name pictures, such as "
            "out.png or out/%04d.png"
        ) from None


@contextlib.contextmanager
def in_memory(muxer: str) -> Iterator[Any]:
    """A container in memory to ask the muxer what it can hold; nothing of it is kept."""
    container = av.open(io.BytesIO(), "w", format=muxer)
    try:
        yield container
    finally:
        with contextlib.suppress(av.FFmpegError, ValueError):  # some kinds may not be empty
            container.close()


def holds_video(muxer: str, codec: str) -> bool:
    """Tell whether `muxer` can hold what the encoder or codec named `codec` makes."""
    if muxer == "mpegts":
        return canonical(codec) in TRANSPORT_STREAM
    with in_memory(muxer) as container:
        try:
            container.add_mux_stream(codec, rate=25, width=64, height=64)
            if muxer not in EBML:  # Matroska wants real codec data before it writes a header
                container.start_encoding()
        except (av.FFmpegError, ValueError):
            return False
    return True


def holds_raw(muxer: str, pix_fmt: str, size: tuple[int, int]) -> bool:
    """Tell whether raw frames of a pixel format and `size` come out of `muxer` as they went in.

    Some kinds write what they have no name for, and nothing reads it. Tried on a small picture.
    """
    file = io.BytesIO()
    frame = av.VideoFrame(size[0] % 16 + 16, size[1] % 16 + 16, pix_fmt)
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    try:
        with av.open(file, "w", format=muxer) as container:
            stream: Any = container.add_stream("rawvideo", 25)
            stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, pix_fmt
            container.mux([*stream.encode(frame), *stream.encode(None)])
        file.seek(0)
        with av.open(file, "r") as container:
            read = next(container.decode(video=0))
    except (av.FFmpegError, ValueError, StopIteration):
        return False
    return read.format.name == pix_fmt


def canonical(codec: str) -> str:
    """Return the name of the coding an encoder makes: "h264" for "libx264"."""
    return str(av.Codec(codec, "w").canonical_name)


def unwritable(path: Path, failure: Exception) -> OutputError:
    """Return the error to raise when writing `path` failed with an OS or FFmpeg error."""
    number = getattr(failure, "errno", None)
    reason = getattr(failure, "strerror", None) or str(failure)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return OutputError(f"{path}: the disk is full; free some space and run the command again")
    if number == errno.ENOENT:
        return OutputError(f"{path}: its folder does not exist; create it or choose another")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"{path}: may not be written ({reason}); choose another folder")
    return OutputError(f"{path}: cannot be written ({reason})")
