"""`upscale`: a video in; the same video out, enlarged, with everything else it holds.

path -> probe -> plan; frames -> segments -> network and resampler -> one file a segment -> joined,
with what is copied from the source -> verified -> renamed into place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import vsrcli
from vsrcli.enlarge import FrameEnlarger
from vsrcli.errors import CheckError, InputError
from vsrcli.media.assemble import assemble, check_output
from vsrcli.media.encoders import EncoderSettings, choose_codec, choose_pix_fmt, fit_container
from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.planes import Frame
from vsrcli.media.probe import MediaInfo, probe
from vsrcli.media.reader import Reader
from vsrcli.media.segments import JobFolder, Segment, cut, identity, segment_length
from vsrcli.media.streams import StreamPlan, plan_streams
from vsrcli.media.writer import SegmentWriter
from vsrcli.networks.card import DEFAULT_MODEL, Model, find_model
from vsrcli.networks.session import Device, resolve_device, usable_cores
from vsrcli.networks.spmc import SpmcUpscaler
from vsrcli.options import UpscaleOptions, target_size
from vsrcli.windows import reach

Progress = Callable[[int, int | None], None]
"""Called with the frames done and how many there are (None: not known)."""
Note = Callable[[str], None]
"""Called with one line the user should know."""

# Close to visually lossless: an enlarged video should not lose again what was just recovered.
_DEFAULT_CRF = {"libx264": 17, "libx264rgb": 17, "libx265": 20, "libsvtav1": 24, "libvpx-vp9": 24}


@dataclass(frozen=True, slots=True)
class UpscalePlan:
    """What `upscale` is going to do."""

    source: str
    output: str
    size_in: tuple[int, int]
    size_out: tuple[int, int]
    frames: int | None
    """How many frames, if the file says so; an estimate."""
    window: int
    model: str
    precision: str
    device: str
    tile: str
    codec: str
    encoder_options: dict[str, str]
    pix_fmt: str
    kept: tuple[str, ...]
    """Streams that are copied."""
    converted: tuple[tuple[str, str], ...]
    """Streams the container holds only in another coding, and which."""
    dropped: tuple[tuple[str, str], ...]
    """Streams the container cannot hold, and why."""


@dataclass(frozen=True, slots=True)
class UpscaleResult:
    """What `upscale` did."""

    source: str
    output: str
    size: tuple[int, int]
    frames: int
    skipped: int
    """Frames of the source before the first of the output."""
    concealed: int
    """Damaged frames that were replaced by the last good one."""
    truncated: bool
    """Whether the source ended before it said it would."""
    seconds: float
    model: str
    precision: str
    device: str
    dropped: tuple[tuple[str, str], ...]

    @property
    def frames_per_second(self) -> float:
        """Output frames each second of the whole job."""
        return self.frames / max(self.seconds, 1e-9)


@dataclass(frozen=True, slots=True)
class Job:
    """A checked request: what is read, what runs on what, what is written."""

    info: MediaInfo
    output: Path
    options: UpscaleOptions
    layout: PixelLayout
    size: tuple[int, int]
    device: Device
    model: Model
    settings: EncoderSettings
    streams: StreamPlan
    plan: UpscalePlan


def upscale(
    source: str | Path,
    output: str | Path,
    options: UpscaleOptions | None = None,
    *,
    progress: Progress = lambda done, total: None,
    note: Note = lambda text: None,
) -> UpscaleResult:
    """Enlarge the video `source` into `output` and return what was done.

    The output appears under its name only when it is complete and verified. What is finished of an
    interrupted job waits in `OUTPUT.vsr/`; the same call goes on from there. Raises UsageError,
    InputError, OutputError, DeviceError, ModelError, and CheckError with `strict`.
    """
    job = prepare(Path(source), Path(output), options or UpscaleOptions(), note=note)
    return run(job, progress=progress, note=note)


def prepare(source: Path, output: Path, options: UpscaleOptions, *, note: Note) -> Job:
    """Check everything that can be checked before the work begins; writes nothing."""
    info = probe(source, rate=options.rate)
    check_output(source, output, overwrite=options.overwrite)
    layout = layout_of(info.pix_fmt)
    sideways = info.rotation % 180 == 90
    size = target_size(options, info.width, info.height, layout, sideways=sideways)
    if options.size is not None and info.width * size[1] != info.height * size[0]:
        info = _keep_shape(info, size)
        note(f"{output}: the pixels are not square any more, so that the picture keeps its shape")
    settings = _encoder_settings(output, options, layout)
    device = resolve_device(options.device, note)
    model = find_model(options.model or DEFAULT_MODEL, options.precision, device)
    streams = plan_streams(info, output, audio=options.audio)
    for line in streams.notes:
        if options.strict:
            raise CheckError(f"{output}: {line}; choose another container or leave out --strict")
        note(line)
    plan = _plan(info, output, options, layout, size, device, model, settings, streams)
    return Job(info, output, options, layout, size, device, model, settings, streams, plan)


def run(job: Job, *, progress: Progress, note: Note) -> UpscaleResult:
    """Do a prepared job, or what is left of it."""
    started = time.monotonic()
    options = job.options
    told = _once(note, strict=options.strict)
    reader = Reader(
        job.info.path,
        info=job.info,
        start=options.start,
        end=options.end,
        max_frames=options.max_frames,
        deinterlace=options.deinterlace,
        note=told,
    )
    with JobFolder(job.output).open(_identity(job), restart=options.restart) as folder, reader:
        numbers = _Numbers(job.plan.frames, progress)
        segments = _encode(job, numbers.count(reader), folder, numbers.finished, told)
        if not segments:
            raise InputError(f"{job.info.path}: no frame lies in the chosen range; change it")
        assemble(
            segments,
            job.info,
            job.output,
            job.streams,
            start=options.start,
            end=options.end if options.max_frames is None else Fraction(0),
            overwrite=options.overwrite,
            note=told,
        )
        folder.remove()
    return UpscaleResult(
        source=str(job.info.path),
        output=str(job.output),
        size=job.size,
        frames=numbers.done,
        skipped=numbers.first or 0,
        concealed=reader.concealed,
        truncated=reader.truncated,
        seconds=round(time.monotonic() - started, 3),
        model=job.model.name,
        precision=job.model.precision,
        device=str(job.device),
        dropped=job.plan.dropped,
    )


def _encode(
    job: Job,
    frames: Iterator[Frame],
    folder: JobFolder,
    finished: Callable[[], None],
    note: Note,
) -> list[Path]:
    """Make every segment that is not there yet; return them all, in order."""
    after = reach(job.options.frames)[1]
    enlarger: FrameEnlarger | None = None
    segments = []
    for segment in cut(frames, segment_length(job.info.rate), after):
        path = folder.segment(segment.number)
        segments.append(path)
        if path.exists():
            for _, own in segment.frames:
                if own:
                    finished()
            continue
        enlarger = enlarger or _enlarger(job, note)
        with SegmentWriter(path, job.info, job.size, job.settings, job.layout, note) as writer:
            for frame in _enlarged(segment, enlarger):
                writer.write(frame)
                finished()
    return segments


def _enlarged(segment: Segment, enlarger: FrameEnlarger) -> Iterator[Frame]:
    for frame, own in segment.frames:
        yield from enlarger.push(frame, wanted=own)
    yield from enlarger.flush()


def _enlarger(job: Job, note: Note) -> FrameEnlarger:
    upscaler = SpmcUpscaler(
        job.model,
        job.device,
        frames=job.options.frames,
        threads=job.options.threads,
        tile=job.options.tile,
        note=note,
    )
    return FrameEnlarger(upscaler, job.size)


class _Numbers:
    """Counts the frames of a job and reports them."""

    def __init__(self, expected: int | None, progress: Progress) -> None:
        self.done = 0
        self.first: int | None = None
        """Index in the source of the first frame."""
        self._expected, self._progress = expected, progress

    def count(self, frames: Reader) -> Iterator[Frame]:
        for frame in frames:
            if self.first is None:
                self.first = frame.index
                self._progress(0, self._expected)
            yield frame

    def finished(self) -> None:
        self.done += 1
        total = self._expected
        self._progress(self.done, None if total is None else max(total, self.done))


def _once(note: Note, *, strict: bool) -> Note:
    """`note` that says nothing twice (every segment finds the same); `strict` makes it an error."""
    said: set[str] = set()

    def tell(text: str) -> None:
        if strict:
            raise CheckError(f"{text}; leave out --strict to accept that")
        if text not in said:
            said.add(text)
            note(text)

    return tell


def _encoder_settings(
    output: Path, options: UpscaleOptions, layout: PixelLayout
) -> EncoderSettings:
    codec = choose_codec(output, options.codec, layout)
    chosen = dict(options.encoder_options)
    crf = options.crf if options.crf is not None else _DEFAULT_CRF.get(codec)
    if crf is not None and not chosen.keys() & {"crf", "qp", "b", "cq", "lossless"}:
        chosen["crf"] = f"{crf:g}"
        if codec == "libvpx-vp9":
            chosen["b"] = "0"  # without it the crf is only a bound on a bit rate
    if options.preset is not None:
        chosen["preset"] = options.preset
    threads = options.threads or usable_cores()
    settings = EncoderSettings(codec, tuple(chosen.items()), options.pix_fmt, threads)
    return fit_container(settings, output)


def _keep_shape(info: MediaInfo, size: tuple[int, int]) -> MediaInfo:
    """With the SAR that shows a picture of `size` in the input's shape, as FFmpeg's scaler does."""
    return replace(
        info, sar=(info.sar or 1) * Fraction(info.width * size[1], info.height * size[0])
    )


def _plan(
    info: MediaInfo,
    output: Path,
    options: UpscaleOptions,
    layout: PixelLayout,
    size: tuple[int, int],
    device: Device,
    model: Model,
    settings: EncoderSettings,
    streams: StreamPlan,
) -> UpscalePlan:
    pix_fmt = settings.pix_fmt or choose_pix_fmt(settings.codec, layout, size)[0]
    return UpscalePlan(
        source=str(info.path),
        output=str(output),
        size_in=(info.width, info.height),
        size_out=size,
        frames=_expected_frames(info, options),
        window=options.frames,
        model=model.name,
        precision=model.precision,
        device=str(device),
        tile=str(options.tile),
        codec=settings.codec,
        encoder_options=dict(settings.options),
        pix_fmt=pix_fmt,
        kept=tuple(f"{stream.type} {stream.index} ({stream.codec})" for stream in streams.kept),
        converted=tuple(
            (f"{stream.type} {stream.index} ({stream.codec})", codec)
            for stream, codec in streams.converted
        ),
        dropped=tuple(
            (f"{stream.type} {stream.index} ({stream.codec})", why)
            for stream, why in streams.dropped
        ),
    )


def _expected_frames(info: MediaInfo, options: UpscaleOptions) -> int | None:
    frames = info.frames
    if frames is not None and info.rate and (options.start or options.end is not None):
        first = round((options.start or 0) * info.rate)
        last = frames if options.end is None else min(frames, round(options.end * info.rate))
        frames = max(0, last - first)
    if options.max_frames is not None:
        frames = options.max_frames if frames is None else min(frames, options.max_frames)
    return frames


def _identity(job: Job) -> dict[str, object]:
    """All that the bytes of a segment depend on."""
    options, cards = job.options, (job.model.motion, job.model.compose, job.model.fusion)
    return {
        "version": vsrcli.__version__,
        "input": identity(job.info.path),
        "size": job.size,
        "frames": options.frames,
        "start": options.start,
        "end": options.end,
        "max-frames": options.max_frames,
        "rate": options.rate,
        "device": str(job.device),
        "tile": options.tile,
        "model": [identity(card.path) for card in cards],
        "codec": job.settings.codec,
        "encoder options": sorted(job.settings.options),
        "pix-fmt": job.plan.pix_fmt,
        "threads": job.settings.threads,
        "deinterlacing": options.deinterlace,
    }
