"""`upscale`: a video in; the same video out, enlarged, with everything else it holds.

path -> probe -> plan; frames -> segments -> network and resampler -> one file a segment -> joined,
with what is copied from the source -> verified -> renamed into place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vsrcli.enlarge import FrameEnlarger
from vsrcli.errors import CheckError, InputError
from vsrcli.job import Job, Note, UpscalePlan, identity_of, prepare
from vsrcli.media.assemble import assemble
from vsrcli.media.images import ImageWriter
from vsrcli.media.planes import Frame
from vsrcli.media.reader import Reader
from vsrcli.media.segments import JobFolder, cut, segment_length
from vsrcli.media.writer import SegmentWriter
from vsrcli.networks.spmc import SpmcUpscaler
from vsrcli.options import UpscaleOptions
from vsrcli.windows import reach

__all__ = ["Job", "Note", "UpscalePlan", "UpscaleResult", "prepare", "run", "upscale"]

Progress = Callable[[int, int | None], None]
"""Called with the frames done and how many there are (None: not known)."""


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


def run(job: Job, *, progress: Progress, note: Note) -> UpscaleResult:
    """Do a prepared job, or what is left of it."""
    started = time.monotonic()
    told = _once(note, strict=job.options.strict)
    counter = _Counter(job.plan.frames, progress)
    reader = Reader(
        job.info.path,
        info=job.info,
        start=job.options.start,
        end=job.options.end,
        max_frames=job.options.max_frames,
        deinterlace=job.options.deinterlace,
        note=told,
    )
    with reader:
        write = _write_pictures if job.pictures else _write_video
        write(job, counter.begin(reader), counter, told)
    return UpscaleResult(
        source=str(job.info.path),
        output=str(job.output),
        size=job.size,
        frames=counter.done,
        skipped=counter.first or 0,
        concealed=reader.concealed,
        truncated=reader.truncated,
        seconds=round(time.monotonic() - started, 3),
        model=job.model.name,
        precision=job.model.precision,
        device=str(job.device),
        dropped=job.plan.dropped,
    )


def _write_video(job: Job, frames: Iterator[Frame], counter: _Counter, note: Note) -> None:
    options = job.options
    with JobFolder(job.output).open(identity_of(job), restart=options.restart) as folder:
        segments = _encode(job, frames, folder, counter, note)
        if not segments:
            raise _nothing(job)
        assemble(
            segments,
            job.info,
            job.output,
            job.streams,
            start=options.start,
            end=options.end if options.max_frames is None else Fraction(0),
            overwrite=options.overwrite,
            note=note,
        )
        folder.remove()


def _encode(
    job: Job, frames: Iterator[Frame], folder: JobFolder, counter: _Counter, note: Note
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
                counter.finish(own)
            continue
        enlarger = enlarger or _enlarger(job, note)
        with SegmentWriter(path, job.info, job.size, job.settings, job.layout, note) as writer:
            for frame in _enlarged(segment.frames, enlarger):
                writer.write(frame)
                counter.finish()
    return segments


def _write_pictures(job: Job, frames: Iterator[Frame], counter: _Counter, note: Note) -> None:
    writer = ImageWriter(
        job.output,
        job.layout,
        job.info.tags,
        (job.info.width, job.info.height),
        overwrite=job.options.overwrite,
        note=note,
    )
    with writer:
        for frame in _enlarged(((frame, True) for frame in frames), _enlarger(job, note)):
            writer.write(frame)
            counter.finish()
        if not counter.done:
            raise _nothing(job)


def _enlarged(frames: Iterable[tuple[Frame, bool]], enlarger: FrameEnlarger) -> Iterator[Frame]:
    for frame, own in frames:
        yield from enlarger.push(frame, wanted=own)
    yield from enlarger.flush()


def _nothing(job: Job) -> InputError:
    return InputError(f"{job.info.path}: no frame lies in the chosen range; change it")


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


class _Counter:
    """Counts the frames of a job and reports them."""

    def __init__(self, expected: int | None, progress: Progress) -> None:
        self.done = 0
        self.first: int | None = None
        """Index in the source of the first frame."""
        self._expected, self._progress = expected, progress

    def begin(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """FRAMES, the first of them noted."""
        for frame in frames:
            if self.first is None:
                self.first = frame.index
                self._progress(0, self._expected)
            yield frame

    def finish(self, own: bool = True) -> None:
        """One more frame is done, unless it is but context."""
        if own:
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
