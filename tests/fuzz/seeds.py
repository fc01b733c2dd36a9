"""Files to damage: small ones of many kinds made on the spot, and real ones if there are any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clips import ClipSpec, write_clip
from vsrcli.errors import VsrError
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader

AWKWARD = Path(__file__).parents[3] / "shared" / "data" / "awkward"
_LARGEST = 120_000
"""Bytes of a real file that is still quick to read some thousand times."""
_SMALL: dict[str, Any] = {"size": (48, 32), "frames": 12}
_KINDS: dict[str, dict[str, Any]] = {
    "h264.mp4": {"audio": ("aac",), "subtitles": ("Hi",), "options": {"bf": "2"}},
    "h264.mkv": {"audio": ("flac",), "subtitles": ("Hi",), "cover": True},
    "h264.ts": {"audio": ("mp2",)},
    "h264.flv": {"audio": ("aac",)},
    "fragmented.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "hevc.mp4": {"codec": "libx265", "size": (64, 64)},
    "vp9.webm": {"codec": "libvpx-vp9", "audio": ("libopus",)},
    "mpeg4.avi": {"codec": "mpeg4", "audio": ("mp2",)},
    "mpeg2.ts": {"codec": "mpeg2video", "audio": ("mp2",)},
    "interlaced.mkv": {"codec": "mpeg2video", "interlaced": True},
    "ffv1.nut": {"codec": "ffv1", "pix_fmt": "yuv422p10le"},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le", "frames": 4},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "png.mov": {"codec": "png", "pix_fmt": "rgb24", "frames": 3},
}


@dataclass(frozen=True, slots=True)
class Seed:
    """A whole file."""

    name: str
    data: bytes
    frames: int | None
    """How many there are, where that is known."""


def seeds(folder: Path) -> Iterator[Seed]:
    """All seeds; those made on the spot are written to FOLDER. Kinds that cannot be made: none."""
    for name, fields in _KINDS.items():
        spec = ClipSpec(**(_SMALL | fields))
        try:
            path = write_clip(folder / name, spec)
        except Exception:  # an encoder this FFmpeg lacks
            continue
        # A transport stream has no length: what is cut off its ends leaves no trace.
        yield Seed(name, path.read_bytes(), None if path.suffix == ".ts" else spec.frames)
    yield Seed("raw.y4m", _y4m(), None)  # it has no length either
    for path in sorted(AWKWARD.glob("*")) if AWKWARD.is_dir() else ():
        if path.suffix != ".csv" and path.stat().st_size <= _LARGEST and _small(path):
            yield Seed(path.name, path.read_bytes(), _count(path))


def _small(path: Path) -> bool:
    """Whether its pictures are; true of what cannot be read."""
    try:
        info = probe(path)
    except VsrError:
        return True
    return info.width * info.height <= 360 * 240


def _count(path: Path) -> int | None:
    """How many frames a real file has; None where cutting off some leaves no trace, or of none."""
    if path.suffix == ".ts":
        return None
    try:
        with Reader(path) as frames:
            return sum(1 for _ in frames)
    except VsrError:
        return None


def _y4m() -> bytes:
    picture = b"FRAME\n" + bytes(range(256)) * 9
    return b"YUV4MPEG2 W48 H32 F25:1 Ip A1:1 C420jpeg\n" + 3 * picture
