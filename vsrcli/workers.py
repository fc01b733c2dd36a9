"""The segments of one job made by several processes.

Every segment is made by `SegmentMaker` with the same encoder settings, so it does not matter by
whom. Each process reads the whole source: decoding small frames costs next to nothing beside the
network, and frames counted from the start are the same frames for all.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from multiprocessing.connection import wait
from typing import Any

from vsrcli.errors import DeviceError
from vsrcli.job import Job
from vsrcli.making import Made, Notes, SegmentMaker, make_all
from vsrcli.networks.session import usable_cores

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")
"""What ends a job in order; not all are on Windows."""
_ATTEMPTS = 3
"""So often may processes die (memory runs out, somebody kills one) before a segment is finished."""
_POLL_S = 0.2


def make_in_processes(job: Job, *, note: Notes, progress: Callable[[int], None]) -> Iterator[Made]:
    """Make all segments in `job.options.workers` processes; give them in order, an empty one last.

    In fewer, if there are fewer segments than that, so that none of the cores is idle. `progress`
    is told how many frames are done. Raises as `SegmentMaker.make` does, and DeviceError if
    processes die again and again.
    """
    job = _shared_out(job)
    if job.options.workers == 1:
        ticks = count(1)
        yield from make_all(job, note=note, tick=lambda: progress(next(ticks)))
        return
    number = done = lost = 0
    while True:
        try:
            with _processes(job) as (executor, ticks):
                poll = partial(_report, progress, done, ticks)
                for made in gather(executor, _make, number, 2 * job.options.workers, poll):
                    for text in made.notes:
                        note.aside(text)
                    yield made
                    number, done, lost = number + 1, done + made.frames, 0
            return
        except BrokenProcessPool:
            lost += 1
            if lost == _ATTEMPTS:
                raise DeviceError(
                    "processes were killed again and again, probably for want of memory: use fewer "
                    '--workers; a script must call upscale under `if __name__ == "__main__":`'
                ) from None
            note.aside("a process was killed; what it was at is made again")


def _shared_out(job: Job) -> Job:
    """The job with no more workers than segments, as far as their number is known."""
    if job.plan.frames is None:
        return job
    segments = max(1, -(-job.plan.frames // job.segment_frames))
    workers = min(job.options.workers, segments)
    return replace(job, options=replace(job.options, workers=workers))


def _report(progress: Callable[[int], None], before: int, ticks: Any) -> None:
    progress(before + ticks.value)


def gather(
    executor: Executor,
    make: Callable[[int], Made],
    first: int,
    at_once: int,
    poll: Callable[[], None],
) -> Iterator[Made]:
    """Give what `make` returns for `first` and every number after it, up to the first empty one.

    `at_once` calls are under way; `poll` is called while waiting.
    """
    numbers = count(first)
    pending: deque[Future[Made]] = deque()
    while True:
        while len(pending) < at_once:
            with _uninterrupted():  # processes are started when there is work for them
                pending.append(executor.submit(make, next(numbers)))
        made = _awaited(pending.popleft(), poll)
        poll()
        yield made
        if not made.frames:
            for future in pending:
                future.cancel()
            return


def _awaited(future: Future[Made], poll: Callable[[], None]) -> Made:
    while True:
        try:
            return future.result(timeout=_POLL_S)
        except TimeoutError:
            if future.done():  # it is the call's own
                raise
            poll()


@contextmanager
def _processes(job: Job) -> Iterator[tuple[Executor, Any]]:
    """An executor, and the number of frames its processes have finished. Raises DeviceError."""
    context = multiprocessing.get_context("spawn")  # the libraries' threads do not outlive a fork
    threads = job.options.threads or max(1, usable_cores() // job.options.workers)
    others = set(multiprocessing.active_children())
    try:
        with _blocked("SIGHUP"):  # for multiprocessing's tracker, which starts here: all are told
            ticks = context.Value("Q", 0)
        executor = ProcessPoolExecutor(
            job.options.workers, context, initializer=_begin, initargs=(job, threads, ticks)
        )
    except OSError as failure:  # /dev/shm is full or read-only, or there are no semaphores
        reason = failure.strerror or str(failure)
        raise DeviceError(
            f"processes cannot share memory on this machine ({reason}); use --workers 1"
        ) from None
    try:
        yield executor, ticks
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """What would end the job waits until the block is left.

    A terminal sends Ctrl-C to all processes. One that begins in the block never sees it: it would
    end in a traceback, as it would if its parent left off telling it what it has to do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    numbers = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    # What is ignored stays so, for the processes too: under nohup, that a terminal is closed.
    told = {number: signal.getsignal(number) for number in numbers}
    handlers = {number: how for number, how in told.items() if how not in (signal.SIG_IGN, None)}
    for number in handlers:
        signal.signal(number, lambda which, _: waiting.append(which))
    try:
        with _blocked("SIGINT"):
            yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for caught in waiting[:1]:
            signal.raise_signal(caught)


@contextmanager
def _blocked(name: str) -> Iterator[None]:
    """A signal does not reach this thread, nor the processes it starts, where that can be had."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {getattr(signal, name)})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_maker: SegmentMaker
_notes: list[str]


def _begin(job: Job, threads: int, ticks: Any) -> None:
    """Prepare a process: it ends with its parent, who alone listens to Ctrl-C."""
    global _maker, _notes
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def tick() -> None:
        with ticks.get_lock():
            ticks.value += 1

    _notes = []
    told = Notes(_notes.append, strict=job.options.strict)
    _maker = SegmentMaker(job, threads=threads, note=told, tick=tick)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _make(number: int) -> Made:
    made = _maker.make(number)
    notes = tuple(_notes)
    _notes.clear()
    return replace(made, notes=notes)
