"""Codec headers where a container wants them."""

from __future__ import annotations

from typing import Any

from av.bitstream import BitStreamFilterContext

_REPEATED = frozenset({"mpeg4", "mpeg1video", "mpeg2video"})
"""Codings whose header stands apart in a segment and that no muxer puts back by itself."""


class InBandHeaders:
    """Repeats the header before every key frame, for containers that keep none of their own."""

    def __init__(self, stream: Any, muxer: str) -> None:
        codec = stream.codec_context.codec.canonical_name
        self._filter = None
        if needs_start_codes(codec, muxer):
            self._filter = BitStreamFilterContext("h264_mp4toannexb", in_stream=stream)
        elif muxer in ("mpegts", "avi") and codec in _REPEATED and stream.codec_context.extradata:
            self._filter = BitStreamFilterContext("dump_extra", in_stream=stream)

    def __call__(self, packet: Any) -> Any:
        """Return the packet for the container."""
        return self._filter.filter(packet)[0] if self._filter else packet


def needs_start_codes(codec: str, muxer: str) -> bool:
    """Tell whether the muxer wants H.264 as a byte stream but does not convert it by itself."""
    return codec == "h264" and muxer == "avi"
