"""Pictures that are decoded one by one: those of a sequence, and the first of a video."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import av.logging
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vsrcli.errors import InputError
from vsrcli.media.clock import Jump
from vsrcli.media.decoding import OnError
from vsrcli.media.endings import is_cut
from vsrcli.media.exif import display_matrix, orientation_of
from vsrcli.media.formats import FLOAT, layout_of
from vsrcli.media.planes import from_video_frame, to_video_frame, unassociated
from vsrcli.media.process_wide import ffmpeg_heard
from vsrcli.media.sources import decoder_of, is_counted, is_shown_late, main_video, opened
from vsrcli.media.tiff import is_associated
from vsrcli.media.timeline import Timed
from vsrcli.media.turned import turned
from vsrcli.turning import turning_of

_LENIENT = ("mjpeg",)
"""Decoders that give what there is of a picture, and the rest gray, without a word."""
_PATIENCE = 2000
"""Packets to try before giving up on the first frame."""
_DAMAGED = "it is damaged, empty or encrypted"
_TOO_LARGE = re.compile(r"Picture size (\d+x\d+) is invalid")
"""How FFmpeg says that a picture has more than about 268 million pixels."""


class PictureDecoder:
    """Decodes picture files in their order, one tick each; iterate once.

    One that EXIF has turned otherwise than the first is turned as that one is held.
    """

    def __init__(self, pictures: tuple[Path, ...], on_error: OnError = "conceal") -> None:
        self.concealed = 0
        self.left_out = 0
        self.mended = 0
        self.truncated = self.ends_early = False
        self.leap = Fraction(0)
        self.jumps: Sequence[Jump] = ()
        self.cut: list[Path] = []
        """Pictures of which only a part was there."""
        self._pictures = pictures
        self._on_error = on_error

    def __iter__(self) -> Iterator[Timed[av.VideoFrame]]:
        """Yield the frames; an unreadable picture is handled as damage in a video is."""
        last: av.VideoFrame | None = None
        held = orientation_of(self._pictures[0])
        for number, picture in enumerate(self._pictures):
            try:
                last = _straight(self._decoded(picture), picture)
                last = _held_so(last, orientation_of(picture), held)
            except InputError:
                if last is None or self._on_error == "stop":
                    raise
                if self._on_error == "skip":
                    self.left_out += 1
                    continue
                self.concealed += 1
            yield Timed(last, number, 1)

    def _decoded(self, picture: Path) -> av.VideoFrame:
        """The frame of a picture, whatever of it is there. Raises InputError, at a part if told to
        stop at damage or leave it out.
        """
        cut = is_cut(picture)
        if cut and self._on_error != "conceal":
            going_on = "--on-error conceal goes on all the same"
            raise InputError(f"{picture} is damaged, and lacks a part; {going_on}")
        if not cut:
            with opened(picture) as container:
                stream = main_video(container, str(picture))
                strict = stream.codec_context.name in _LENIENT
                try:
                    return first_frame(container, stream, str(picture), strict=strict)
                except InputError:
                    if not strict or self._on_error != "conceal":
                        raise
        with opened(picture) as container:
            stream = main_video(container, str(picture))
            frame = first_frame(container, stream, str(picture))
        self.cut.append(picture)
        self.truncated = True
        return frame


def _straight(frame: av.VideoFrame, picture: Path) -> av.VideoFrame:
    """FRAME of a PICTURE, with colour that is not multiplied by alpha.

    That of OpenEXR always is, and FFmpeg gives it as it is stored.
    """
    if not layout_of(frame.format.name).alpha:
        return frame
    multiplied = FLOAT.fullmatch(frame.format.name) or is_associated(picture)
    return unassociated(frame) if multiplied else frame


def _held_so(frame: av.VideoFrame, own: int, wanted: int) -> av.VideoFrame:
    """FRAME, which is upright when turned as EXIF's orientation OWN says, held as WANTED says."""
    if own == wanted:
        return frame
    turning, other = (turning_of(display_matrix(each)) for each in (own, wanted))
    assert turning is not None and other is not None
    return to_video_frame(turned(turned(from_video_frame(frame), turning), other.inverse))


def first_frame(
    container: InputContainer, stream: VideoStream, name: str, *, strict: bool = False
) -> av.VideoFrame:
    """Decode the first frame of a stream; InputError if there is none, STRICT no whole one."""
    decoder, counted = decoder_of(stream, threads=1), is_counted(container, stream)
    late = counted and is_shown_late(container)
    if strict:
        decoder.options = {"err_detect": "explode"}
    failed: tuple[av.Packet[VideoStream], av.FFmpegError] | None = None
    with suppress(av.FFmpegError):
        for number, packet in enumerate(container.demux(stream)):
            if counted:
                packet.pts = packet.dts
            try:
                for frame in decoder.decode(packet if packet.size else None):
                    if late and frame.dts is not None:
                        frame.pts = frame.dts
                    return frame
            except av.FFmpegError as failure:
                failed = failed or (packet, failure)
            if number > _PATIENCE:
                break
    why = _why(decoder, *failed) if failed else _DAMAGED
    raise InputError(f"no frame of {name} could be decoded; {why}")


def _why(
    decoder: VideoCodecContext, packet: av.Packet[VideoStream], failure: av.FFmpegError
) -> str:
    """Why DECODER made nothing of a PACKET, as far as can be told."""
    if isinstance(failure, MemoryError):
        return "there is too little memory for it, or it is damaged"
    decoder.flush_buffers()
    with ffmpeg_heard(av.logging.ERROR) as said, suppress(av.FFmpegError):
        decoder.decode(packet)
    size = next((found[1] for *_, text in said if (found := _TOO_LARGE.search(text))), None)
    if size:
        return f"a picture of {size} is larger than FFmpeg reads: cut it into parts"
    return _DAMAGED
