"""Segments of a job are made here, whoever asks for them: this process, another, or a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count, starmap
from threading import Lock
from typing import TypeVar

from vsrcli.enlarge import FrameEnlarger, Luma
from vsrcli.errors import CheckError, OutputError
from vsrcli.job import Job
from vsrcli.media.encoders import USUAL_PIXELS
from vsrcli.media.folder import JobFolder
from vsrcli.media.hidden import without_hidden
from vsrcli.media.planes import Frame
from vsrcli.media.reader import Reader
from vsrcli.media.segment_times import check_segment, read_times
from vsrcli.media.segments import WARM_UP, Segment, cut
from vsrcli.media.writer import SegmentWriter
from vsrcli.networks.ensemble import Ensemble
from vsrcli.networks.spmc import Seen, SpmcUpscaler
from vsrcli.notes import Note
from vsrcli.overlap import Overlap
from vsrcli.windows import reach

S = TypeVar("S")
Tick = Callable[[], None]
"""Called when one more frame is finished."""

_READ_AHEAD = 4
"""LR frames: decoders deliver in bursts."""
SEEN_AHEAD = 2
"""LR frames with their flows, the one being looked at included: while motion is estimated, fusion
runs, and each fills the moments in which the other has work for one core only."""
_ENLARGED_AHEAD = 2
"""HR frames, the one in the network included: so the encoder finds one waiting, at the least cost
of memory. Of pictures larger than 3840x2160 none waits while another is made: the network
takes longer than the encoder, and the luma of one takes 127 MiB at 7680x4320."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading the source has shown so far, and copying what is not video from it."""

    first: int | None = None
    """Index in the source of the first frame; None if no frame was in the range."""
    concealed: int = 0
    left_out: int = 0
    mended: int = 0
    truncated: bool = False
    packets_left_out: int = 0


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one segment."""

    frames: int
    """0: the source ends before it, and `reading` is complete."""
    reading: Reading
    notes: tuple[str, ...] = ()
    """What was found on the way, if nobody listened to it there."""


class SourceFrames:
    """The frames of a job's source, and what reading them has shown.

    Each comes with whether it lies in the range asked for (True) or is context just outside of it:
    a part of a video becomes what it would be in the whole.
    """

    def __init__(self, job: Job, note: Note) -> None:
        options = job.options
        self._first: int | None = None
        self._after = reach(options.frames)[1]
        self._reader = Reader(
            job.info.path,
            info=job.info,
            start=options.start,
            end=options.end,
            max_frames=options.max_frames,
            deinterlace=options.deinterlace,
            on_error=options.on_error,
            note=note,
        )

    def __enter__(self) -> SourceFrames:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.__exit__()

    def __iter__(self) -> Iterator[tuple[Frame, bool]]:
        for frame, wanted in self._reader.with_context(WARM_UP, self._after):
            if wanted and self._first is None:
                self._first = frame.index
            yield frame, wanted

    @property
    def reading(self) -> Reading:
        """What has been seen so far."""
        reader = self._reader
        lost = reader.concealed, reader.left_out, reader.mended
        return Reading(self._first, *lost, reader.truncated)


class SegmentMaker:
    """Makes segments of one job; a context manager.

    In any order, but cheapest in increasing order: the source is then read only once. The network
    is opened when it is first needed.
    """

    def __init__(self, job: Job, *, threads: int, note: Notes, tick: Tick = lambda: None) -> None:
        """`threads` compute the network, 0 for every core; `tick` counts the job's own frames."""
        self._job, self._threads = job, threads
        self._note, self._tick = note, tick
        self._folder = JobFolder(job.output)
        self._enlarger: FrameEnlarger[list[Seen]] | None = None
        self._stack = ExitStack()
        self._source: SourceFrames | None = None
        self._segments: Iterator[Segment] = iter(())
        self._next = 0

    def __enter__(self) -> SegmentMaker:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def make(self, number: int) -> Made:
        """Make segment `number` unless it is there already.

        Raises InputError, OutputError, ModelError, DeviceError, UsageError; call again to retry.
        """
        if self._source is None or number < self._next:
            self._rewind()
        try:
            frames = self._frames_of(number)
        except BaseException:
            self._source = self._enlarger = None  # both are somewhere in the middle
            raise
        assert self._source is not None
        return Made(frames, self._source.reading)

    def _rewind(self) -> None:
        self._stack.close()
        self._source = self._stack.enter_context(SourceFrames(self._job, self._note))
        after = reach(self._job.options.frames)[1]
        self._segments = cut(self._source, self._job.segment_frames, after)
        self._next = 0

    def _frames_of(self, number: int) -> int:
        for segment in self._segments:
            self._next = segment.number + 1
            if segment.number < number:
                for _ in segment.frames:
                    pass
                continue
            if self._is_finished(number):
                return self._pass_over(segment)
            return self._encode(segment)
        return 0

    def _is_finished(self, number: int) -> bool:
        """Whether a segment is there already, as it was written."""
        path = self._folder.segment(number)
        if not path.exists():
            return False
        try:
            check_segment(path)
        except OutputError:
            self._note.aside(f"{path}: is damaged, and is made again")
            return False
        return True

    def _pass_over(self, segment: Segment) -> int:
        frames = 0
        for _, own in segment.frames:
            if own:
                frames += 1
                self._tick()
        return frames

    def _encode(self, segment: Segment) -> int:
        job, frames = self._job, 0
        self._enlarger = self._enlarger or open_enlarger(job, self._threads, self._note)
        path = self._folder.segment(segment.number)
        with (
            SegmentWriter(path, job.info, job.size, job.goal.settings, self._note) as out,
            enlarged(
                segment.frames, self._enlarger, transparent=job.transparent
            ) as enlarged_frames,
        ):
            for frame in enlarged_frames:
                out.write(frame)
                frames += 1
                self._tick()
        return frames


def finished_frames(folder: JobFolder) -> list[int | None]:
    """How many frames every segment has that is in the folder; None of one that is not, or is cut.

    Their content is not looked at; `SegmentMaker` does that.
    """
    found: list[int | None] = []
    for path in folder.finished():
        with suppress(OutputError):
            frames = len(read_times(path).pts)
            while folder.segment(len(found)) < path:
                found.append(None)
            found.append(frames)
    return found


def make_all(job: Job, *, note: Notes, tick: Tick) -> Iterator[Made]:
    """Make all segments in this process, in order; the last one has no frames."""
    with SegmentMaker(job, threads=job.options.threads, note=note, tick=tick) as maker:
        for number in count():
            made = maker.make(number)
            yield made
            if not made.frames:
                return


@contextmanager
def enlarged(
    frames: Iterable[tuple[Frame, bool]], enlarger: FrameEnlarger[S], *, transparent: bool
) -> Iterator[Iterator[Frame]]:
    """The enlarged frames of one clip, without those that are but context (False).

    Of `transparent` ones, what is hidden is done without: here, as it takes time, which frames that
    are but passed over are spared.
    Threads of their own read `frames`, estimate motion and fuse ahead; the rest is done as the
    frames are taken. Outside the block none of them runs.
    """
    if transparent:
        frames = ((without_hidden(frame), own) for frame, own in frames)
    with Overlap() as overlap:
        read = overlap.ahead(frames, _READ_AHEAD, "vsr-read")
        seen = overlap.ahead(_looked_at(read, enlarger), SEEN_AHEAD, "vsr-motion")
        width, height = enlarger.size
        depth = _ENLARGED_AHEAD if width * height <= USUAL_PIXELS else 1
        lumas = overlap.ahead(_with_luma(seen, enlarger), depth, "vsr-fusion")
        yield starmap(enlarger.finish, lumas)


def _looked_at(
    frames: Iterable[tuple[Frame, bool]], enlarger: FrameEnlarger[S]
) -> Iterator[tuple[Frame, S, bool]]:
    for frame, own in frames:
        yield frame, enlarger.look(frame), own


def _with_luma(
    frames: Iterable[tuple[Frame, S, bool]], enlarger: FrameEnlarger[S]
) -> Iterator[tuple[Frame, Luma]]:
    for frame, seen, own in frames:
        yield from enlarger.advance(frame, seen, wanted=own)
    yield from enlarger.conclude()


def open_enlarger(job: Job, threads: int, note: Notes) -> FrameEnlarger[list[Seen]]:
    """The job's network on its device. Raises ModelError and DeviceError."""
    upscaler = SpmcUpscaler(
        job.model,
        job.device,
        frames=job.options.frames,
        threads=threads,
        tile=job.options.tile,
        note=note.aside,
    )
    return FrameEnlarger(Ensemble(upscaler, job.options.tta), job.size)


class Notes:
    """Tells of what is lost, and of what is not; nothing twice: every segment finds the same.

    Reading, the network and encoding tell of what they find in threads of their own.
    """

    def __init__(self, note: Note, *, strict: bool, said: Iterable[str] = ()) -> None:
        """With `strict` a loss is an error. What was SAID before is not said again."""
        self._note, self._strict = note, strict
        self._said = set(said)
        self._lock = Lock()

    def __call__(self, text: str) -> None:
        """Something of the source is lost. Raises CheckError if that is not accepted."""
        if self._strict:
            raise CheckError(f"{text}; leave out --strict to accept that")
        self.aside(text)

    def aside(self, text: str) -> None:
        """Nothing is lost but time; or it was judged already, where it happened."""
        with self._lock:
            if text not in self._said:
                self._said.add(text)
                self._note(text)
