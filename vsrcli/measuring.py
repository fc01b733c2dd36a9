"""One measurement of speed and memory, each made in a process of its own."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from vsrcli.errors import DeviceError
from vsrcli.machine import peak_memory
from vsrcli.making import SEEN_AHEAD
from vsrcli.media.synthetic import MovingTexture
from vsrcli.networks.card import DEFAULT_MODEL, find_model
from vsrcli.networks.session import resolve_device
from vsrcli.networks.spmc import SpmcUpscaler
from vsrcli.options import UpscaleOptions
from vsrcli.overlap import Overlap
from vsrcli.stages import stage_times
from vsrcli.upscale import upscale

_LEAST_FRAMES = 3
"""Measured at least, after as many as it takes for the window and the caches to fill."""
_DRAWN = 12
"""Pictures in memory, shown there and back."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured."""

    device: str
    precision: str
    model: str | None
    """As in `UpscaleOptions`."""
    size: tuple[int, int]
    """Of the input, (width, height)."""
    scale: float
    frames: int
    """In a window."""

    def __str__(self) -> str:
        width, height = self.size
        return (
            f"{self.device} {self.precision} {width}x{height} x{self.scale:g} {self.frames} frames"
        )


@dataclass(frozen=True, slots=True)
class NetworkTime:
    """The network alone, from luma in memory to luma in memory."""

    seconds: float
    """Per frame: all of the time, by the number of frames."""
    memory: int | None
    """Peak of the process, in bytes; on a GPU not that of the GPU."""
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobTime:
    """A whole job, from file to file."""

    seconds: float
    """Per frame: all of the job, by the number of frames."""
    frames: int
    first_frame: float
    """Seconds until the first frame was finished."""
    memory: int | None
    """Peak of the process, in bytes; on a GPU not that of the GPU."""
    stages: Mapping[str, float]
    """Seconds per frame of each stage, see `vsrcli.stages`."""


def time_network(case: Case, seconds: float) -> NetworkTime:
    """Enlarge pictures for about `seconds`, as a job does: while one is enlarged, the motion of
    the next is estimated. Raises ModelError and DeviceError.
    """
    notes: list[str] = []
    device = resolve_device(case.device, notes.append)
    model = find_model(case.model or DEFAULT_MODEL, case.precision, device)
    upscaler = SpmcUpscaler(model, device, frames=case.frames, note=notes.append)
    texture = MovingTexture(case.size)
    drawn = [texture.luma(index) for index in range(_DRAWN)]
    lumas = cycle([*drawn, *drawn[-2:0:-1]])  # there and back: no cut between them
    with Overlap() as overlap:
        seen = overlap.ahead(map(upscaler.look, lumas), SEEN_AHEAD, "vsr-motion")
        for _ in range(upscaler.delay + 2):
            upscaler.fuse(next(seen))
        started, passed, frames = time.perf_counter(), 0.0, 0
        while frames < _LEAST_FRAMES or passed < seconds:
            upscaler.fuse(next(seen))
            frames, passed = frames + 1, time.perf_counter() - started
    return NetworkTime(passed / frames, peak_memory(), tuple(dict.fromkeys(notes)))


def time_job(case: Case, clip: Path, output: Path) -> JobTime:
    """Upscale `clip` into `output` as anybody would, with the default encoder.

    Raises what `upscale` raises.
    """
    options = UpscaleOptions(
        scale=case.scale,
        frames=case.frames,
        device=case.device,
        precision=case.precision,
        model=case.model,
        overwrite=True,
    )
    first: list[float] = []

    def progress(done: int, _: int | None) -> None:
        if done and not first:
            first.append(time.perf_counter() - started)

    with stage_times() as clock:
        started = time.perf_counter()
        done = upscale(clip, output, options, progress=progress)
        passed = time.perf_counter() - started
    stages = {stage: spent / done.frames for stage, spent in clock.seconds.items()}
    return JobTime(passed / done.frames, done.frames, first[0], peak_memory(), stages)


def apart(work: Callable[..., Result], *arguments: object) -> Result:
    """What `work` returns in a new process, so that its memory is its own.

    Raises what it raises, and DeviceError if the process is killed.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work_and_send, args=(sender, work, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        outcome: Any = receiver.recv()
    except EOFError:
        raise DeviceError(
            "the measuring process was killed, probably for want of memory; choose a smaller size"
        ) from None
    finally:
        process.terminate()  # it has nothing left to do, unless this one is interrupted
        process.join()
        receiver.close()
    if isinstance(outcome, Exception):
        raise outcome
    found: Result = outcome
    return found


def _work_and_send(
    sender: Connection, work: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    try:
        outcome = work(*arguments)
    except Exception as failure:
        outcome = failure
    sender.send(outcome)
