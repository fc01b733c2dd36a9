"""Helpers of the writing tests: frames into segments, and segments into an output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from tests.clips import make_frame
from vsrcli.media.assemble import assemble
from vsrcli.media.encoders import EncoderSettings, fit_container
from vsrcli.media.formats import planar_equivalent
from vsrcli.media.planes import Frame
from vsrcli.media.probe import MediaInfo
from vsrcli.media.reader import Reader
from vsrcli.media.streams import plan_streams
from vsrcli.media.writer import SegmentWriter

FAST: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "bf": "3", "x264-params": "b-adapt=0:scenecut=0"},
    "libx264rgb": {"preset": "ultrafast", "qp": "0"},
    "libx265": {"preset": "ultrafast", "x265-params": "bframes=3:b-adapt=0"},
    "libsvtav1": {"preset": "11"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}


def settings(codec: str, **options: str) -> EncoderSettings:
    """Fast settings that still reorder frames where the codec can."""
    return EncoderSettings(codec, tuple((FAST.get(codec, {}) | options).items()), threads=1)


def frames_at(
    pts: Sequence[int], base: Fraction, pix_fmt: str, size: tuple[int, int]
) -> list[Frame]:
    """Textured frames at the given times; the last lasts as long as the one before it."""
    ends = [*pts[1:], pts[-1] + (pts[-1] - pts[-2] if len(pts) > 1 else 1)]
    return [
        make_frame(pix_fmt, *size, time=i, pts=p, duration=e - p, time_base=base, index=i)
        for i, (p, e) in enumerate(zip(pts, ends, strict=True))
    ]


def write_segment(
    path: Path,
    info: MediaInfo,
    frames: Sequence[Frame],
    encoder: EncoderSettings,
    note: Any = print,
) -> Path:
    """Encode frames into one segment."""
    first = frames[0]
    size = (first.width, first.height)
    info = replace(info, pix_fmt=first.layout.pix_fmt, opaque=False)
    with SegmentWriter(path, info, size, encoder, note) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def remake(
    info: MediaInfo,
    output: Path,
    encoder: EncoderSettings,
    *,
    length: int = 5,
    frames: Sequence[Frame] | None = None,
    note: Callable[[str], None] = lambda message: None,
    audio: bool = True,
    **options: Any,
) -> Path:
    """Do what `upscale` does, without enlarging: frames, segments of `length`, output."""
    frames = list(Reader(info.path, info=info)) if frames is None else frames
    encoder = fit_container(encoder, output)
    folder = output.parent / "segments"
    folder.mkdir(exist_ok=True)
    segments = [
        write_segment(folder / f"{output.name}{k:04d}.nut", info, frames[k : k + length], encoder)
        for k in range(0, len(frames), length)
    ]
    plan = plan_streams(info, output, audio=audio)
    for line in plan.notes:
        note(line)
    assemble(segments, info, output, plan, note=note, **options)
    return output


def later(path: Path, target: Path, seconds: int | Fraction, kinds: str = "video audio") -> Path:
    """Copy a file with the packets of some kinds of stream so many seconds later."""
    with av.open(str(path)) as source, av.open(str(target), "w") as output:
        made = [output.add_stream_from_template(s, opaque=True) for s in source.streams]
        for packet in (packet for packet in source.demux() if packet.size):
            if packet.stream.type in kinds.split():
                move = round(seconds / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts + move
                packet.dts = None if packet.dts is None else packet.dts + move
            packet.stream = made[packet.stream_index]
            output.mux(packet)
    return target


def packets(path: Path, kind: str, number: int = 0) -> list[tuple[int | None, int | None, bytes]]:
    """PTS, duration and content of the packets of the n-th stream of a kind, covers apart."""
    with av.open(str(path)) as container:
        cover = av.stream.Disposition.attached_pic
        streams = [s for s in container.streams if s.type == kind and not s.disposition & cover]
        demuxed = container.demux(streams[number])
        return [(p.pts, p.duration, bytes(p)) for p in demuxed if p.size]


def decode(path: Path) -> list[av.VideoFrame]:
    """All frames of the main video."""
    with av.open(str(path)) as container:
        return list(container.decode(container.streams.best("video")))


__all__ = [
    "decode",
    "frames_at",
    "later",
    "packets",
    "planar_equivalent",
    "remake",
    "settings",
    "write_segment",
]
