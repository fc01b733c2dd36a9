"""Which field is shown first in video of which the decoder marks no frame as interlaced."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from av.codec.codec import Properties
from av.video.stream import VideoStream

from vsrcli.media.conform import FirstField
from vsrcli.media.process_wide import no_warnings
from vsrcli.media.sources import opened

_TELL_OF_FIELDS = ("ffv1", "rawvideo", "v210")
"""Lossless codings whose frames FFmpeg marks as interlaced where they are."""
_SILENT_OF_FIELDS = ("mjpeg", "mjpegb", "aic", "cfhd")
"""Other codings whose decoder does not tell of fields, or (CineForm) not which is shown first."""
_BY_POLARITY: dict[bytes, FirstField] = {b"AVI1\1": "tff", b"AVI1\2": "bff"}
"""How a segment (APP0) of a JPEG in an AVI begins that is a top or a bottom field."""


def first_field(path: Path, stream: VideoStream, height: int) -> FirstField | None:
    """The field of a file's stream shown first, where neither its frames nor its coding tell of any
    that there are. Decoded, frames are `height` rows high.

    Codings that keep what they are given, Huffyuv, Ut Video or PNG, hold rows and know no more.
    """
    context: Any = stream.codec_context
    codec = context.codec
    losses = codec.properties & (Properties.LOSSLESS | Properties.LOSSY).value
    holds_rows = losses == Properties.LOSSLESS.value and codec.name not in _TELL_OF_FIELDS
    if not holds_rows and codec.name not in _SILENT_OF_FIELDS:
        return None
    # In the last two FFmpeg writes, and reads of raw video, the field stored first as shown first.
    orders: dict[int, FirstField] = {2: "tff", 3: "bff", 4: "tff", 5: "bff"}
    stated = orders.get(int(context.field_order))
    if stated is None and codec.name == "mjpeg":
        return _of_two_pictures(path, stream, height)
    return stated


def _of_two_pictures(path: Path, stream: VideoStream, height: int) -> FirstField | None:
    """The first field of Motion JPEG in packets of two pictures, lower than a frame: its fields."""
    from PIL import Image  # not for other videos, which would begin later by its import

    with opened(path) as container:
        packet = next(container.demux(container.streams[stream.index]))
    try:
        with no_warnings(), Image.open(io.BytesIO(bytes(packet)), formats=("JPEG",)) as picture:
            field, segments = picture.height, getattr(picture, "applist", ())
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    if field >= height:
        return None
    stated = (_BY_POLARITY.get(content[:5]) for _, content in segments)
    as_ffmpeg: FirstField = "bff" if stream.codec_context.codec_tag == "MJPG" else "tff"
    return next(filter(None, stated), as_ffmpeg)
