"""`upscale`: a video in; the same video out, enlarged, with everything else it holds.

path -> probe -> plan; frames -> segments -> network and resampler -> one file a segment -> joined,
with what is copied from the source -> verified -> renamed into place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import compress, takewhile
from pathlib import Path

from vsrcli.declared import given
from vsrcli.errors import InputError, OutOfMemoryError
from vsrcli.goal import may_replace
from vsrcli.job import Job, identity_of, prepare
from vsrcli.making import (
    Made,
    Notes,
    Reading,
    SourceFrames,
    enlarged,
    finished_frames,
    make_all,
    open_enlarger,
)
from vsrcli.media.animation import animate
from vsrcli.media.assemble import assemble
from vsrcli.media.folder import FORGOT, JobFolder
from vsrcli.media.identity import check_unchanged, identity
from vsrcli.media.images import ImageWriter, picture_tags
from vsrcli.media.planes import Frame
from vsrcli.media.spool import naming, readable_again
from vsrcli.media.writer import written_tags
from vsrcli.media.y4m import Y4mWriter, standard_output
from vsrcli.notes import Note, Progress, ignore
from vsrcli.options import UpscaleOptions
from vsrcli.tile_choice import make_in_tiles


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
    left_out: int
    """Damaged frames that were not replaced."""
    mended: int
    """Frames of which damage took a part, which FFmpeg's decoder made up."""
    packets_left_out: int
    """Damaged packets of copied streams that the output's container did not take."""
    truncated: bool
    """Whether the source ended before it said it would, or lacks parts nobody could count."""
    resumed: int
    """Frames of the output that an earlier run, which was interrupted, had finished and that were
    kept: what turns out damaged is made again."""
    seconds: float
    """Of this run."""
    model: str
    precision: str
    device: str
    dropped: tuple[tuple[str, str], ...]

    @property
    def frames_per_second(self) -> float:
        """Output frames that were made each second of this run."""
        return max(0, self.frames - self.resumed) / max(self.seconds, 1e-9)

    @property
    def damaged(self) -> bool:
        """Whether the output lacks anything because the source was damaged."""
        lost = self.concealed or self.left_out or self.packets_left_out
        return bool(lost or self.mended or self.truncated)


def upscale(
    source: str | Path,
    output: str | Path,
    options: UpscaleOptions | None = None,
    *,
    progress: Progress = ignore,
    note: Note = ignore,
) -> UpscaleResult:
    """Enlarge the video `source` into `output` and return what was done.

    `source` "-" is standard input; `output` "-" writes y4m to standard output. `progress` is called
    in the caller's thread, `note` in any, but never twice at the same time.

    The output appears under its name only when it is complete and verified. What is finished of an
    interrupted job waits in `OUTPUT.vsr/`; the same call goes on from there. Raises UsageError,
    InputError, OutputError, DeviceError, ModelError, and CheckError with `strict`.
    """
    source, output = given("source", source), given("output", output)
    with readable_again(source, output) as kept:
        note = naming(source, kept, note)
        job = prepare(kept, output, options or UpscaleOptions(), note=note)
        return replace(run(job, progress=progress, note=note), source=str(source))


def run(job: Job, *, progress: Progress, note: Note) -> UpscaleResult:
    """Do a prepared job, or what is left of it. Raises as `upscale` does."""
    started = time.monotonic()
    told = Notes(note, strict=job.options.strict, said=job.told)
    counter = _Counter(job.plan.frames, progress)
    try:
        reading = _WORK[job.goal.form](job, counter, told)
    except MemoryError:
        raise _too_large(job) from None
    return UpscaleResult(
        source=str(job.info.path),
        output=str(job.output),
        size=job.plan.size_out,
        frames=counter.done,
        skipped=reading.first or 0,
        concealed=reading.concealed,
        left_out=reading.left_out,
        mended=reading.mended,
        packets_left_out=reading.packets_left_out,
        truncated=reading.truncated,
        resumed=counter.resumed,
        seconds=round(time.monotonic() - started, 3),
        model=job.model.name,
        precision=job.model.precision,
        device=str(job.device),
        dropped=job.plan.dropped,
    )


def _write_segments(job: Job, counter: _Counter, note: Notes) -> Reading:
    options = job.options
    plan = identity_of(job)
    folder = JobFolder(job.output)
    overwrite = may_replace(job.output, options)
    with folder.open(plan, restart=options.restart):
        if folder.forgot:
            note.aside(f"{folder.path}: {FORGOT}")
        before = finished_frames(folder)
        marks = list(map(folder.mark, range(len(before))))
        counter.begin(before)
        if counter.resumed:
            note.aside(f"{job.output.name}: {counter.resumed} frames were made before")
        made = make_in_tiles(job, folder, lambda job: _segments(job, counter, note), note.aside)
        # Whoever made one again, and however often: it is another file.
        kept = [folder.mark(number) == mark for number, mark in enumerate(marks)]
        counter.resumed = sum(frames or 0 for frames in compress(before, kept))
        if not made[0].frames:
            raise _nothing(job)

        def check() -> None:
            check_unchanged(job.info.path, str(plan["input"]), "use --restart")

        def publishing(finished: Path) -> None:
            check()  # the rest of it was read meanwhile
            folder.publishing(finished)

        check()
        segments = [folder.segment(number) for number in range(len(made) - 1)]
        lost = _join(job, segments, note, publishing, overwrite=overwrite)
        folder.remove()
    return replace(made[-1].reading, packets_left_out=lost)


def _join(
    job: Job,
    segments: list[Path],
    note: Note,
    publishing: Callable[[Path], None],
    *,
    overwrite: bool,
) -> int:
    """Make the output of its segments; returns how many damaged packets were left out."""
    info, options, goal = job.info, job.options, job.goal
    if goal.form == "animation":
        animate(
            segments,
            info,
            job.output,
            goal.turning,
            overwrite=overwrite,
            note=note,
            publishing=publishing,
        )
        return 0
    return assemble(
        segments,
        info,
        job.output,
        goal.streams,
        start=options.start,
        end=options.end if options.max_frames is None else Fraction(0),
        tags=written_tags(info, job.size, goal.settings),
        overwrite=overwrite,
        note=note,
        publishing=publishing,
    )


def _segments(job: Job, counter: _Counter, note: Notes) -> Iterator[Made]:
    """Make all segments, alone or together; the last one has no frames."""
    counter.again()
    # What shares the work is not imported by those who do it alone, which is most.
    if job.options.cluster is not None:
        from vsrcli.cluster import make_on_cluster

        return make_on_cluster(job, job.options.cluster, note=note, progress=counter.at_least)
    if job.options.workers > 1:
        from vsrcli.workers import make_in_processes

        return make_in_processes(job, note=note, progress=counter.at_least)
    return make_all(job, note=note, tick=counter.finish)


def _write_pictures(job: Job, counter: _Counter, note: Notes) -> Reading:
    assert job.goal.names is not None
    writer = ImageWriter(
        job.goal.names,
        job.info.layout,
        job.info.tags,
        (job.info.width, job.info.height),
        sar=job.info.sar,
        turning=job.goal.turning,
        tags_of=picture_tags(job.info),
        overwrite=job.options.overwrite,
        note=note,
    )
    with writer:
        return _write_all(job, writer.write, counter, note)


def _write_y4m(job: Job, counter: _Counter, note: Notes) -> Reading:
    writer = Y4mWriter(standard_output(), job.info, job.size, job.info.layout, note)
    reading = _write_all(job, writer.write, counter, note)
    writer.finish()
    return reading


def _write_all(
    job: Job, write: Callable[[Frame], object], counter: _Counter, note: Notes
) -> Reading:
    """Enlarge all frames as one clip. Raises InputError if the source changes meanwhile."""
    counter.begin()
    before = identity(job.info.path)
    with SourceFrames(job, note) as frames:
        enlarger = open_enlarger(job, job.options.threads, note)
        with enlarged(frames, enlarger, transparent=job.transparent) as enlarged_frames:
            for frame in enlarged_frames:
                write(frame)
                counter.finish()
        if not counter.done:
            raise _nothing(job)
        check_unchanged(job.info.path, before, "run the command again")
        return frames.reading


_WORK = {
    "video": _write_segments,
    "animation": _write_segments,
    "pictures": _write_pictures,
    "y4m": _write_y4m,
}


def _too_large(job: Job) -> OutOfMemoryError:
    """What to say where the largest frames there are do not fit: the output's, or the network's."""
    scale, size = job.model.fusion.scale, job.size
    made = job.info.width * scale, job.info.height * scale
    what = "choose a smaller size"
    if made > size:
        size, what = made, "the network makes them for any size; cut the input into parts"
    width, height = size
    return OutOfMemoryError(
        f"{job.info.path}: too little memory for frames of {width}x{height}; {what}"
    )


def _nothing(job: Job) -> InputError:
    return InputError(f"{job.info.path}: no frame lies in the chosen range; change it")


class _Counter:
    """Counts the frames of a job and reports them."""

    def __init__(self, expected: int | None, progress: Progress) -> None:
        self.done = self.resumed = 0
        self._told = -1
        self._expected, self._progress = expected, progress

    def begin(self, made: Sequence[int | None] = ()) -> None:
        """Begin with the frames of every segment that is MADE already, None of others.

        Those up to the first that is not are reported at once: passing over them is none of the
        work that the time still needed is estimated by.
        """
        self.resumed = sum(filter(None, made))
        self.at_least(sum(frames or 0 for frames in takewhile(bool, made)))

    def again(self) -> None:
        """Count from 0, which is not reported again."""
        self.done = 0

    def finish(self) -> None:
        """One more frame is done."""
        self.at_least(self.done + 1)

    def at_least(self, done: int) -> None:
        """So many frames are done, or more if more were already."""
        self.done = max(done, self.done)
        if done > self._told:
            self._told = done
            total = self._expected
            self._progress(done, None if total is None else max(total, done))
