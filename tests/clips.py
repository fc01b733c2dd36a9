"""Small media made on the spot: moving texture, and every odd property a file can have."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from vsrcli.media.conform import FirstField
from vsrcli.media.formats import layout_of
from vsrcli.media.planes import ColourTags, Frame, to_video_frame

VELOCITY = (0.37, -0.21)
"""How far the texture moves from frame to frame, in pixels to the right and down."""
AUDIO_RATE = 48000


def texture(
    width: int,
    height: int,
    time: float,
    seed: int = 0,
    step: int = 1,
    velocity: tuple[float, float] = VELOCITY,
) -> NDArray[np.float32]:
    """Return float [height, width] in 0..1: band-limited waves that move by `velocity` a frame.

    `step` samples every step-th pixel, as a subsampled plane would.
    """
    rng = np.random.default_rng(seed)
    x = np.arange(width) * step - velocity[0] * time
    y = np.arange(height) * step - velocity[1] * time
    rows, columns = [], []
    for _ in range(9):
        reach = 0.02 + 0.3 * rng.random() ** 1.5  # cycles per pixel, below Nyquist
        angle, phase = 2 * np.pi * rng.random(2)
        across, down = 2 * np.pi * reach * np.array([np.cos(angle), np.sin(angle)])
        strength = 0.012 / (0.1 + reach)
        # sin(across x + down y + phase), written as a product of rows and columns for speed
        rows += [strength * np.cos(down * y + phase), strength * np.sin(down * y + phase)]
        columns += [np.sin(across * x), np.cos(across * x)]
    waves = np.array(rows, np.float32).T @ np.array(columns, np.float32)
    return np.clip(0.5 + waves, 0.0, 1.0)


def detailed(height: int, width: int) -> NDArray[np.float32]:
    """[height, width]: stripes, blobs and edges of several sizes, in 0.1..0.9.

    Other than `texture`, whose gratings may look the same a period further, it tells how it moves.
    """
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    generator = np.random.default_rng(7)
    picture = np.zeros((height, width))
    for _ in range(24):
        angle, period = generator.uniform(0, np.pi), generator.uniform(7, 40)
        phase_shift = generator.uniform(0, 6)
        wave = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) * 2 * np.pi / period)
        picture += np.tanh(3 * wave * np.cos(phase_shift + rows * columns / height / 400))
    picture = (picture - picture.min()) / np.ptp(picture)
    return (0.1 + 0.8 * picture).astype(np.float32)


def make_frame(
    pix_fmt: str,
    width: int,
    height: int,
    time: float = 0.0,
    *,
    interlaced: bool = False,
    first_field: FirstField = "tff",
    lag: float = 0.5,
    seed: int = 0,
    velocity: tuple[float, float] = VELOCITY,
    **values: Any,
) -> Frame:
    """Return a textured frame in the planar equivalent of `pix_fmt`; `values` are Frame fields.

    The second field of an INTERLACED one is LAG frames later than the first.
    """
    layout = layout_of(pix_fmt)
    low, high = (1 / 16, 15 / 16) if layout.kind != "rgb" else (0.0, 1.0)
    planes = []
    for number, (rows, columns) in enumerate(layout.shapes(width, height)):
        step = max(1, round(width / columns))
        plane = texture(columns, rows, time, seed + number, step, velocity)
        if interlaced:
            later = texture(columns, rows, time + lag, seed + number, step, velocity)
            second = 1 if first_field == "tff" else 0
            plane[second::2] = later[second::2]
        scaled = (low + plane * (high - low)) * (2**layout.depth - 1)
        planes.append(np.rint(scaled).astype(layout.dtype))
    fields: dict[str, Any] = {
        "pts": 0,
        "duration": 1,
        "time_base": Fraction(1, 25),
        "tags": ColourTags(),
        "index": 0,
    }
    return Frame(tuple(planes), layout, **(fields | values))


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """What `write_clip` puts into a file; the defaults give a plain H.264 clip."""

    size: tuple[int, int] = (64, 48)
    frames: int = 12
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    rate: Fraction | int = 25
    pts: Sequence[int] | None = None
    """One per frame in `time_base` units, for variable frame rates."""
    time_base: Fraction | None = None
    tags: ColourTags = ColourTags()
    sar: Fraction | None = None
    display_matrix: Sequence[int] | None = None
    interlaced: bool = False
    """Two fields to a frame."""
    first_field: FirstField = "tff"
    pulldown: bool = False
    """These are of a film, whose frames are of two and three fields in turns."""
    velocity: tuple[float, float] = VELOCITY
    seed: int = 0
    format: str | None = None
    container_options: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    video_metadata: Mapping[str, str] = field(default_factory=dict)
    audio: Sequence[str] = ()
    """One codec per track, for example ("aac", "flac")."""
    subtitles: Sequence[str] = ()
    """One text per track, shown from 0.1 s for 0.2 s."""
    chapters: Sequence[tuple[Fraction, Fraction, str]] = ()
    """(start, end, title), in seconds."""
    attachments: Sequence[tuple[str, str, bytes]] = ()
    """(name, MIME type, content)."""
    cover: bool = False
    """A picture as attached cover art, put before the main video."""

    @property
    def base(self) -> Fraction:
        """Time base of the video stream."""
        return self.time_base or 1 / Fraction(self.rate)

    @property
    def times(self) -> list[int]:
        """PTS of every frame in `base` units."""
        if self.pts is not None:
            return list(self.pts)
        step = 1 / (self.rate * self.base)
        return [round(i * step) for i in range(self.frames)]


def source_frames(spec: ClipSpec) -> list[Frame]:
    """Return the pictures of a clip before encoding."""
    times, base = spec.times, spec.base
    last = times[-1] - times[-2] if len(times) > 1 else round(1 / (spec.rate * base))
    ends = [*times[1:], times[-1] + max(1, last)] if times else []
    return [
        make_frame(
            spec.pix_fmt,
            *spec.size,
            **_moments(index, spec),
            interlaced=spec.interlaced,
            first_field=spec.first_field,
            velocity=spec.velocity,
            seed=spec.seed,
            pts=pts,
            duration=max(1, end - pts),
            time_base=base,
            tags=spec.tags,
            index=index,
        )
        for index, (pts, end) in enumerate(zip(times, ends, strict=True))
    ]


def _moments(index: int, spec: ClipSpec) -> dict[str, float]:
    """When the first field of a frame was taken, and by how much later the second."""
    if not spec.pulldown:
        return {"time": index}
    cycle, place = divmod(index, 5)
    first, second = ((0, 0), (1, 1), (1, 2), (2, 3), (3, 3))[place]
    return {"time": 4 * cycle + first, "lag": second - first}


def write_clip(path: Path, spec: ClipSpec) -> Path:
    """Encode a clip; a `path` with a printf pattern becomes a sequence of pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path, spec) as output:
        output.metadata.update(spec.metadata)
        cover = _add_cover(output, path) if spec.cover else None
        video = _add_video(output, spec)
        audio = [_add_audio(output, codec) for codec in spec.audio]
        texts = [_add_subtitle(output, path) for _ in spec.subtitles]
        for name, mime, content in spec.attachments:
            output.add_attachment(name, mime, content)
        if spec.chapters:
            output.set_chapters([_chapter(i, c) for i, c in enumerate(spec.chapters)])
        if cover is not None:
            _write_cover(output, *cover)
        for stream, text in zip(texts, spec.subtitles, strict=True):
            output.mux(_subtitle(stream, text, path))
        for picture in _pictures(spec):
            output.mux(video.encode(picture))
        output.mux(video.encode())
        seconds = spec.frames / Fraction(spec.rate)
        for stream in audio:
            output.mux(_tone(stream, round(seconds * AUDIO_RATE)))
    return path


@contextmanager
def _opened(path: Path, spec: ClipSpec) -> Iterator[Any]:
    form = spec.format or ("image2" if "%" in path.name else None)
    options = dict(spec.container_options)
    if path.suffix == ".mp4":  # the default of 1 ms rounds start offsets
        options.setdefault("movie_timescale", str(spec.base.denominator))
    with av.open(str(path), "w", format=form, container_options=options) as output:
        yield output


def _add_video(output: Any, spec: ClipSpec) -> Any:
    options = {"preset": "ultrafast", "crf": "18"} if "x26" in spec.codec else {}
    if spec.codec.startswith("libvpx"):
        options = {"auto-alt-ref": "0", "deadline": "realtime", "cpu-used": "8", "crf": "20"}
    if spec.codec == "libx265":
        options["x265-params"] = "log-level=none"
        if spec.frames < 3:  # x265 takes DTS from a frame further on, and else makes some up
            options["x265-params"] += ":bframes=0"
    stream = output.add_stream(
        spec.codec,
        rate=Fraction(spec.rate),
        width=spec.size[0],
        height=spec.size[1],
        pix_fmt=spec.pix_fmt,
        time_base=spec.base,
        options=options | dict(spec.options),
    )
    context = stream.codec_context
    context.thread_type, context.thread_count = "FRAME", 1
    context.flags |= av.codec.context.Flags.frame_duration
    if spec.interlaced:
        context.flags |= av.codec.context.Flags.interlaced_dct
        context.flags |= av.codec.context.Flags.interlaced_me
    context.colorspace, context.color_range = spec.tags.matrix, spec.tags.range
    context.color_primaries, context.color_trc = spec.tags.primaries, spec.tags.transfer
    if spec.sar:
        context.sample_aspect_ratio = spec.sar
    if spec.display_matrix:
        stream.set_display_matrix(spec.display_matrix)
    stream.metadata.update(spec.video_metadata)
    return stream


def _pictures(spec: ClipSpec) -> Iterator[av.VideoFrame]:
    reformatter = VideoReformatter()
    for frame in source_frames(spec):
        picture = to_video_frame(frame)
        if picture.format.name != spec.pix_fmt:
            times = picture.pts, picture.duration, picture.time_base
            same = int(spec.tags.range) or 1
            picture = reformatter.reformat(
                picture, format=spec.pix_fmt, src_color_range=same, dst_color_range=same, threads=1
            )
            picture.pts, picture.duration, picture.time_base = times
        yield flagged_interlaced(picture, spec.first_field) if spec.interlaced else picture


def flagged_interlaced(picture: av.VideoFrame, first_field: FirstField = "tff") -> av.VideoFrame:
    """Return a picture marked as two fields."""
    graph = av.filter.Graph()
    form = f"video_size={picture.width}x{picture.height}:pix_fmt={picture.format.name}"
    buffer = graph.add("buffer", f"{form}:time_base={picture.time_base}")
    graph.link_nodes(buffer, graph.add("setfield", f"mode={first_field}"), graph.add("buffersink"))
    graph.configure()
    graph.push(picture)
    return graph.vpull()


def _add_audio(output: Any, codec: str) -> Any:
    return output.add_stream(codec, rate=AUDIO_RATE, layout="stereo")


def _tone(stream: Any, samples: int) -> list[Any]:
    """Encode a sine of `samples` samples."""
    wave = np.sin(np.arange(samples) * 2 * np.pi * 440 / AUDIO_RATE) * 8000
    packets: list[Any] = []
    resampler = av.AudioResampler(stream.format.name, "stereo", AUDIO_RATE)
    for start in range(0, samples, 1024):
        piece = np.repeat(wave[start : start + 1024].astype(np.int16), 2)[None]
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, start, Fraction(1, AUDIO_RATE)
        for ready in resampler.resample(frame):
            packets += stream.encode(ready)
    return packets + stream.encode()


def _add_subtitle(output: Any, path: Path) -> Any:
    return output.add_mux_stream("mov_text" if path.suffix in (".mp4", ".mov") else "subrip")


def _subtitle(stream: Any, text: str, path: Path) -> Any:
    content = text.encode()
    if path.suffix in (".mp4", ".mov"):
        content = len(content).to_bytes(2, "big") + content
    packet = av.Packet(content)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = 100
    packet.duration = 200
    return packet


def _chapter(number: int, chapter: tuple[Fraction, Fraction, str]) -> Any:
    start, end, title = chapter
    return {
        "id": number,
        "start": round(start * 1000),
        "end": round(end * 1000),
        "time_base": Fraction(1, 1000),
        "metadata": {"title": title},
    }


def _add_cover(output: Any, path: Path) -> tuple[Any, bytes] | None:
    """Attach a gray picture: Matroska keeps it as an attachment, MP4 as a video stream."""
    with io.BytesIO() as file:
        with av.open(file, "w", format="image2pipe") as still:
            stream = still.add_stream("mjpeg", rate=1, width=32, height=32, pix_fmt="yuvj420p")
            still.mux(stream.encode(to_video_frame(make_frame("yuvj420p", 32, 32))))
            still.mux(stream.encode())
        picture = file.getvalue()
    if path.suffix != ".mp4":
        output.add_attachment("cover.jpg", "image/jpeg", picture)
        return None
    stream = output.add_stream("mjpeg", rate=1, width=32, height=32, pix_fmt="yuvj420p")
    stream.disposition = av.stream.Disposition.attached_pic
    return stream, picture


def _write_cover(output: Any, stream: Any, picture: bytes) -> None:
    packet = av.Packet(picture)
    packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 90000), 0, 0
    output.mux(packet)


def shown_at(path: Path) -> list[Fraction]:
    """Seconds at which the pictures of a file are shown, from the first on."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    found = [Fraction(frame.pts or 0) * Fraction(frame.time_base or 0) for frame in frames]
    return [time - found[0] for time in found]
