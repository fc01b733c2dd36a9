"""Whether sound and data come out of a container again: tried on packets, before the work.

A muxer takes some that it fails at in the end, or that nobody finds again: sound that is not what
its source calls it (layer II called MP3 in MP4, E-AC-3 called AC-3 in NUT), and data of which it
does not write what they are (what iPhones record beside the pictures, in QuickTime).
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av

from vsrcli.media.tracks import CopiedTrack, Ordered

_PACKETS = 8
"""Of each stream."""
_PATIENCE = 10
"""Seconds of the source in which they are looked for."""
_NO_DESCRIPTION = b"\0\0\0\x10stsd"
"""Of the samples of a track (ISO/IEC 14496-12, 8.5.2): a box without any."""


def first_packets(source: Any) -> dict[int, list[Any]]:
    """The first packets of every stream of sound of an open SOURCE, by its index.

    Without those that are not to be heard, as they are not copied.
    """
    found: dict[int, list[Any]] = {stream.index: [] for stream in source.streams.audio}
    begin = None
    try:
        for packet in source.demux() if found else ():
            if packet.dts is not None:
                time = packet.dts * Fraction(packet.time_base)
                begin = time if begin is None else begin
                if time > begin + _PATIENCE:
                    break
            own = found.get(packet.stream_index)
            if own is None or not packet.size or packet.is_discard or len(own) == _PACKETS:
                continue
            own.append(packet)
            if all(len(each) == _PACKETS for each in found.values()):
                break
    except av.FFmpegError:  # damaged, which is told where it is read
        pass
    return found


def comes_back(muxer: str, stream: Any, packets: list[Any]) -> bool:
    """Whether PACKETS of a STREAM of the source can be written and are found again as one stream.

    True if there are none to tell by. They are moved to begin at 0.
    """
    if not packets:
        return True
    file = io.BytesIO()
    begin = next((packet.dts for packet in packets if packet.dts is not None), 0)
    try:
        with av.open(file, "w", format=muxer) as output:
            track = CopiedTrack(output, stream)
            output.start_encoding()
            ordered = Ordered(output, muxer, Fraction(0))
            for packet in packets:
                packet.pts = None if packet.pts is None else packet.pts - begin
                packet.dts = None if packet.dts is None else packet.dts - begin
                for made in track.send(packet):
                    ordered.copy(made, track.stream)
        file.seek(0)
        with av.open(file, "r") as written:
            read = written.demux() if written.streams else ()
            return {packet.stream_index for packet in read if packet.size} == {0}
    except (av.FFmpegError, ValueError, IndexError):  # the last: streams that begin on the way
        return False


def is_described(muxer: str, stream: Any) -> bool:
    """Whether a muxer of MP4 or QuickTime writes what the data of a STREAM are.

    Of those whose description it does not know, it writes none, and the track means nothing.
    """
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=muxer) as output:
            packet = av.Packet(bytes(4))
            packet.stream = output.add_stream_from_template(stream, opaque=True)
            packet.pts, packet.dts, packet.time_base = 0, 0, Fraction(1, 1000)
            output.mux(packet)
    except (av.FFmpegError, ValueError):
        return False
    return _NO_DESCRIPTION not in file.getvalue()
