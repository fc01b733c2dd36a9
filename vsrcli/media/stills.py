"""Pictures that are decoded one by one: those of a sequence, and the first of a video."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from ..errors import InputError
from .decoding import OnError
from .sources import decoder_of, main_video, opened
from .timeline import Timed

_PATIENCE = 2000
"""Packets to try before giving up on the first frame."""


class PictureDecoder:
    """Decodes picture files in their order, one tick each; iterate once."""

    def __init__(self, pictures: tuple[Path, ...], on_error: OnError = "conceal") -> None:
        self.concealed = 0
        self.left_out = 0
        self.truncated = False
        self._pictures = pictures
        self._on_error = on_error

    def __iter__(self) -> Iterator[Timed[av.VideoFrame]]:
        """Yield the frames; an unreadable picture is handled as damage in a video is."""
        last: av.VideoFrame | None = None
        for number, picture in enumerate(self._pictures):
            try:
                with opened(picture) as container:
                    stream = main_video(container, str(picture))
                    last = first_frame(container, stream, str(picture))
            except InputError:
                if last is None or self._on_error == "stop":
                    raise
                if self._on_error == "skip":
                    self.left_out += 1
                    continue
                self.concealed += 1
            yield Timed(last, number, 1)


def first_frame(container: InputContainer, stream: VideoStream, name: str) -> av.VideoFrame:
    """Decode the first frame of a stream; InputError if there is none."""
    decoder = decoder_of(stream, threads=1)
    with suppress(av.FFmpegError):
        for number, packet in enumerate(container.demux(stream)):
            with suppress(av.FFmpegError):
                for frame in decoder.decode(packet if packet.size else None):
                    return frame
            if number > _PATIENCE:
                break
    raise InputError(f"no frame of {name} could be decoded; it is damaged, empty or encrypted")
