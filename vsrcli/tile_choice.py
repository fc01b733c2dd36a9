"""Tiles of a job in segments: one size for all that is made of it, whoever makes it and when.

What the network computes depends in its last bits on the size of the tiles, and what fits depends
on the memory that happens to be free. So "auto" is decided once, when a job begins, and stands in
its folder: resumed, shared or in one go, it ends in the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from vsrcli.errors import OutOfMemoryError
from vsrcli.job import Job
from vsrcli.making import Made
from vsrcli.media.folder import JobFolder
from vsrcli.networks.free_memory import available_memory
from vsrcli.networks.tiles import choose_edge, smaller_edge
from vsrcli.notes import Note

_NAME = "tile"


def make_in_tiles(
    job: Job, folder: JobFolder, make: Callable[[Job], Iterable[Made]], note: Note
) -> list[Made]:
    """All that `make` makes of the job, with tiles of the size its `folder` was begun with.

    When memory runs out all the same, the segments that are not finished are made with half the
    size, which is then the job's. Raises as `make` does, and OutOfMemoryError if even the smallest
    tile, or the one the user chose, is too large; OutputError if the folder cannot be written.
    """
    if job.options.tile != "auto":
        return list(make(job))
    fitting = _fitting(job)
    edge = folder.decided(_NAME, fitting)
    if _tightness(fitting) < _tightness(edge):
        size = "whole frames" if edge is None else f"tiles of {edge} pixels"
        note(f"there is less memory than when this job was begun, with {size}; --restart adapts")
    while True:
        try:
            return list(make(_with_edge(job, edge)))
        except OutOfMemoryError:
            edge = smaller_edge(job.model.fusion, *_padded(job), edge)
            if edge is None:
                raise
        folder.decide(_NAME, edge)
        note(f"out of memory on {job.device}: going on with tiles of {edge} pixels")


def _fitting(job: Job) -> int | None:
    """Edge of the tiles that fit into the memory there is; None: whole frames do."""
    memory = available_memory(job.device)
    share = None if memory is None else memory // job.options.workers
    return choose_edge(job.model.fusion, *_padded(job), job.options.frames, share)


def _padded(job: Job) -> tuple[int, int]:
    """Height and width of what the network is given."""
    multiple = job.model.fusion.multiple_of
    height, width = job.info.height, job.info.width
    return height + -height % multiple, width + -width % multiple


def _tightness(edge: int | None) -> float:
    return float("inf") if edge is None else edge


def _with_edge(job: Job, edge: int | None) -> Job:
    return replace(job, options=replace(job.options, tile="off" if edge is None else edge))
