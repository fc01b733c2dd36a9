"""The segments of one job made by the workers of a Dask cluster, on folders they all share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

from vsrcli.errors import DeviceError, UsageError
from vsrcli.job import Job, Note
from vsrcli.making import Made, SegmentMaker, once
from vsrcli.networks.card import Model
from vsrcli.networks.session import usable_cores
from vsrcli.workers import gather

_RETRIES = 3
"""New attempts at a segment whose worker was lost; Dask begins them by itself."""
_PATIENCE_S = 10


def make_on_cluster(
    job: Job, address: str, *, note: Note, progress: Callable[[int], None]
) -> Iterator[Made]:
    """Make all segments on the cluster of the scheduler at `address`; an empty one comes last.

    Input, output folder and model must have the same absolute paths everywhere. Raises UsageError
    without Dask, DeviceError if the scheduler does not answer or has no workers or loses too many,
    and as `SegmentMaker.make` does.
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
        task = _Task(_absolute(job))
        done = 0
        executor = client.get_executor(retries=_RETRIES, pure=False)
        try:
            for made in gather(executor, task, 0, workers + 1, lambda: None):
                for text in made.notes:
                    note(text)
                done += made.frames
                progress(done)
                yield made
        except dask.KilledWorker:
            raise DeviceError(f"--cluster {address}: lost too many workers; run again") from None


class _Task:
    """Makes a segment on a worker, which remembers nothing between two of them."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, number: int) -> Made:
        notes: list[str] = []
        job = self._job
        told = once(notes.append, strict=job.options.strict)
        threads = job.options.threads or max(1, usable_cores() // _tasks_at_once())
        with SegmentMaker(job, threads=threads, note=told) as maker:
            return replace(maker.make(number), notes=tuple(notes))


def _tasks_at_once() -> int:
    import distributed

    dask: Any = distributed
    return int(dask.get_worker().state.nthreads)


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
