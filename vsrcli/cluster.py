"""The segments of one job made by the workers of a Dask cluster, on folders they all share."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from threading import Lock
from typing import Any

from vsrcli.errors import DeviceError, UsageError, VsrError
from vsrcli.job import Job
from vsrcli.making import Made, Notes, Reading, SegmentMaker
from vsrcli.networks.card import Model
from vsrcli.networks.session import usable_cores
from vsrcli.workers import gather

_RETRIES = 3
"""New attempts at a segment whose worker was lost; Dask begins them by itself."""
_PATIENCE_S = 10
_REPORT_EVERY_S = 1.0


def make_on_cluster(
    job: Job, address: str, *, note: Notes, progress: Callable[[int], None]
) -> Iterator[Made]:
    """Make all segments on the cluster of the scheduler at `address`; an empty one comes last.

    Input, output folder and model must have the same absolute paths everywhere. `progress` is told
    how many frames are done, those of unfinished segments included. Raises UsageError without
    Dask, DeviceError if the scheduler does not answer or has no workers or loses too many, and as
    `SegmentMaker.make` does.
    """
    try:
        import distributed
    except ImportError:
        raise UsageError("--cluster needs Dask; pip install 'vsr[cluster]'") from None
    dask: Any = distributed  # its types say nothing
    try:
        client = dask.Client(address, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as failure:
        reason = str(failure).splitlines()[0] if str(failure) else type(failure).__name__
        raise DeviceError(f"--cluster {address}: no scheduler answers ({reason})") from None
    with closing(client):
        workers = sum(client.nthreads().values())
        if not workers:
            raise DeviceError(f"--cluster {address}: has no workers; start some")
        task = _Task(_absolute(job), f"vsr-{uuid.uuid4().hex}")
        ticks = _Ticks(progress)
        workers_left = _WorkersLeft(client, address, note)
        client.subscribe_topic(task.name, ticks.take)
        executor = client.get_executor(retries=_RETRIES, pure=False)

        def poll() -> None:
            ticks.report()
            workers_left.look()

        try:
            for number, made in enumerate(gather(executor, task, 0, workers + 1, poll)):
                for text in made.notes:
                    note.aside(text)
                ticks.finish(number, made.frames)
                yield made
        except dask.KilledWorker:
            raise DeviceError(f"--cluster {address}: lost too many workers; run again") from None
        except Exception as failure:
            if isinstance(failure, VsrError) or client.status == "running":
                raise
            what = "the scheduler was lost; the same command goes on from what is finished"
            raise DeviceError(f"--cluster {address}: {what}") from None
        finally:
            with suppress(Exception):  # lost workers, or a lost scheduler, need not forget
                client.unsubscribe_topic(task.name)
                client.run(_forget, task.name)


class _Ticks:
    """Adds up the frames of finished segments and what workers tell of the others."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress
        self._finished: dict[int, int] = {}
        self._begun: dict[int, int] = {}

    def take(self, event: tuple[float, tuple[int, int]]) -> None:
        """Take the message of a worker; called by Dask in a thread of its own."""
        number, frames = event[1]
        self._begun[number] = frames

    def finish(self, number: int, frames: int) -> None:
        """Take a whole segment."""
        self._finished[number] = frames
        self.report()

    def report(self) -> None:
        """Tell how many frames are done."""
        self._progress(sum({**self._begun, **self._finished}.values()))


class _WorkersLeft:
    """Tells when no worker is left, while Dask waits for new ones."""

    def __init__(self, client: Any, address: str, note: Notes) -> None:
        self._client, self._note = client, note
        self._text = f"--cluster {address}: has no workers any more; the job waits for new ones"
        self._looked = time.monotonic()

    def look(self) -> None:
        """Look now and then; call it often."""
        if time.monotonic() - self._looked < _PATIENCE_S:
            return
        with suppress(Exception):  # a lost scheduler is told by the futures
            if not self._client.nthreads():
                self._note.aside(self._text)
        self._looked = time.monotonic()


class _Task:
    """Makes a segment on a worker."""

    def __init__(self, job: Job, name: str) -> None:
        self._job = job
        self.name = name
        """Of the job on this cluster, and of the topic its workers report to."""

    def __call__(self, number: int) -> Made:
        if self.name in _over:  # begun ahead, and cancelled too late
            return Made(0, Reading())
        maker = _taken(self.name, number) or _Maker(self._job, self.name)
        made = maker.make(number)
        _give_back(maker)
        return made


class _Maker:
    """A `SegmentMaker` on a worker, with what it has to tell."""

    def __init__(self, job: Job, name: str) -> None:
        self.name = name
        self.next = 0
        """Segments before this one it could make only by reading the source again."""
        self._notes: list[str] = []
        self._number = self._frames = 0
        self._reported = time.monotonic()
        self._stack = ExitStack()
        told = Notes(self._notes.append, strict=job.options.strict)
        threads = job.options.threads or max(1, usable_cores() // _tasks_at_once())
        self._maker = self._stack.enter_context(
            SegmentMaker(job, threads=threads, note=told, tick=self._tick)
        )

    def make(self, number: int) -> Made:
        """Make a segment; a maker that failed is not to be used again."""
        self._number, self._frames = number, 0
        try:
            made = self._maker.make(number)
        except BaseException:
            self.close()
            raise
        self.next = number + 1
        notes = tuple(self._notes)
        self._notes.clear()
        return replace(made, notes=notes)

    def close(self) -> None:
        """Close the source."""
        self._stack.close()

    def _tick(self) -> None:
        self._frames += 1
        if time.monotonic() - self._reported >= _REPORT_EVERY_S:
            self._reported = time.monotonic()
            _worker().log_event(self.name, (self._number, self._frames))


_idle: list[_Maker] = []
"""Makers of a worker's last job, between two segments: they go on reading where they are."""
_over: set[str] = set()
"""Jobs that need nothing any more."""
_lock = Lock()


def _taken(name: str, number: int) -> _Maker | None:
    """The idle maker that is nearest to segment `number` of a job; those of other jobs end."""
    with _lock:
        for other in [maker for maker in _idle if maker.name != name]:
            _idle.remove(other)
            other.close()
        able = [maker for maker in _idle if maker.next <= number]
        if not able:
            return None
        best = max(able, key=lambda maker: maker.next)
        _idle.remove(best)
        return best


def _give_back(maker: _Maker) -> None:
    with _lock:
        _idle.append(maker)
        if maker.name in _over or len(_idle) > _tasks_at_once():
            _idle.pop(-1 if maker.name in _over else 0).close()


def _forget(name: str) -> None:
    """End the makers of a job; runs on every worker when it is over."""
    with _lock:
        _over.add(name)
        for maker in [maker for maker in _idle if maker.name == name]:
            _idle.remove(maker)
            maker.close()


def _worker() -> Any:
    import distributed

    dask: Any = distributed
    return dask.get_worker()


def _tasks_at_once() -> int:
    return int(_worker().state.nthreads)


def _absolute(job: Job) -> Job:
    """The job for processes that run in other folders."""
    model = Model(
        *(
            replace(card, path=card.path.absolute())
            for card in (job.model.motion, job.model.compose, job.model.fusion)
        )
    )
    info = replace(job.info, path=job.info.path.absolute())
    return replace(job, info=info, output=job.output.absolute(), model=model)
