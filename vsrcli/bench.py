"""`vsr bench`: how fast this machine is, for each of its devices and the model's precisions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from vsrcli.errors import DeviceError, InputError, ModelError, UsageError
from vsrcli.machine import Machine, this_machine
from vsrcli.measuring import Case, JobTime, NetworkTime, apart, time_job, time_network
from vsrcli.media.scratch import temporary_folder
from vsrcli.media.synthetic import write_moving_texture
from vsrcli.networks.card import DEFAULT_MODEL, PRECISIONS, find_model
from vsrcli.networks.session import CPU, Device, cuda_obstacle, resolve_device
from vsrcli.notes import Note, ignore
from vsrcli.options import MAX_SCALE
from vsrcli.windows import MAX_FRAMES

Progress = Callable[[int, int, Case], None]
"""Called before each row with how many are done, how many there are, and what comes next."""

STANDARD_SIZES = ((180, 144), (480, 270), (640, 360), (1280, 720))
STANDARD_SCALES = (2.0, 4.0)
STANDARD_FRAMES = (3, 5)
_POINTLESS = {"cpu": ("fp16",), "cuda": ("int8",)}
"""Precisions that a kind of device has no fast way to compute in."""
_SMALLEST = 16
_LEAST_FRAMES, _MOST_FRAMES = 4, 600
"""Of the clip for a whole job."""


@dataclass(frozen=True, slots=True)
class PaperTime:
    """A running time published in the SPMC paper."""

    method: str
    frames: int | None
    """In a window, where the paper says so."""
    seconds: float
    """For one frame, four times as large."""


PAPER = (
    PaperTime("BayesSR", None, 2 * 3600.0),
    PaperTime("MFSR", None, 10 * 60.0),
    PaperTime("DESR", None, 8 * 60.0),
    PaperTime("VSRNet", None, 40.0),
    PaperTime("SPMC", 5, 0.19),
    PaperTime("SPMC", 3, 0.14),
)
"""Tao, Gao, Liao, Wang, Jia, "Detail-revealing Deep Video Super-resolution", ICCV 2017: the paper's
figures on the paper's hardware, for SPMC an NVIDIA Titan X."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """Options of `bench`. What is left empty is chosen: a few rows, or all with `full`."""

    full: bool = False
    """All standard sizes, x2 and x4, windows of 3 and 5."""
    sizes: tuple[tuple[int, int], ...] = ()
    """Of the input, (width, height), both even."""
    scales: tuple[float, ...] = ()
    frames: tuple[int, ...] = ()
    """In a window."""
    precisions: tuple[str, ...] = ()
    """fp32, fp16, int8; all the model has and the device is made for if empty."""
    device: str | None = None
    """auto, cpu, cuda or cuda:N; None: every device there is."""
    model: str | None = None
    """A shipped model's name or the path of a model's files; None: the default model."""
    seconds: float = 6.0
    """For each row: half of it for the network alone, half for a whole job."""

    def __post_init__(self) -> None:
        for width, height in self.sizes:
            if min(width, height) < _SMALLEST or width % 2 or height % 2:
                raise UsageError(
                    f"--size {width}x{height}: must be even and at least {_SMALLEST} both ways"
                )
        for scale in self.scales:
            if not 1 < scale <= MAX_SCALE:
                raise UsageError(f"--scale {scale:g}: must be above 1 and at most {MAX_SCALE:g}")
        for frames in self.frames:
            if not 1 <= frames <= MAX_FRAMES:
                raise UsageError(f"--frames {frames}: must be from 1 to {MAX_FRAMES}")
        if not 0 < self.seconds < math.inf:
            raise UsageError(f"--seconds {self.seconds:g}: must be above 0, and finite")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRow:
    """What was measured for one device, precision, size, scale and window."""

    device: str
    precision: str
    width: int
    height: int
    """Of the input."""
    scale: float
    frames: int
    network_seconds: float | None = None
    """Per frame, the network alone: from luma in memory to luma in memory."""
    network_memory: int | None = None
    """Peak of a process that does only that, in bytes."""
    job_seconds: float | None = None
    """Per frame, a whole job from file to file."""
    job_frames: int | None = None
    job_memory: int | None = None
    """Peak of a process that does only that, in bytes."""
    first_frame_seconds: float | None = None
    """From the start of the job until its first frame was finished."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Seconds per frame of the whole job's stages, see `vsrcli.stages`."""
    failure: str | None = None
    """Why there are no figures."""
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, int, int, float, int]:
        """What makes two rows comparable."""
        return self.device, self.precision, self.width, self.height, self.scale, self.frames

    @property
    def further_seconds(self) -> float | None:
        """Per frame of the job after the first, before which all is opened: as in a long job."""
        if self.job_seconds is None or not self.job_frames or self.job_frames < 2:
            return None
        all_of_it = self.job_seconds * self.job_frames
        return (all_of_it - (self.first_frame_seconds or 0)) / (self.job_frames - 1)

    @property
    def shares(self) -> dict[str, float]:
        """The stages' parts of the job's time, from 0 to 1; more than 1 in all if they overlap."""
        if not self.job_seconds:
            return {}
        return {stage: seconds / self.job_seconds for stage, seconds in self.stages.items()}


@dataclass(frozen=True, slots=True)
class BenchReport:
    """All that was measured."""

    machine: Machine
    model: str
    rows: tuple[BenchRow, ...]


def bench(
    options: BenchOptions | None = None, *, progress: Progress = ignore, note: Note = ignore
) -> BenchReport:
    """Measure one row for each combination that `options` names.

    Raises UsageError, DeviceError (also if no row could be measured), ModelError, OutputError.
    """
    options = options or BenchOptions()
    cases = list(_cases(options, note))
    networks: dict[Case, NetworkTime] = {}
    rows: list[BenchRow] = []
    with temporary_folder() as folder:
        for done, case in enumerate(cases):
            progress(done, len(cases), case)
            rows.append(_measure(case, options.seconds, networks, folder))
    if all(row.failure for row in rows):
        raise DeviceError(f"nothing could be measured: {rows[0].failure}")
    return BenchReport(this_machine(), options.model or DEFAULT_MODEL, tuple(rows))


def earlier_rows(path: Path) -> tuple[BenchRow, ...]:
    """The rows of a report that `vsr bench --json` wrote into `path`.

    Raises InputError if there is no such report in it.
    """
    try:
        report: Any = json.loads(path.read_bytes())  # in UTF-16, if PowerShell wrote it
        known = {each.name for each in fields(BenchRow)}
        rows = tuple(
            BenchRow(**{name: value for name, value in row.items() if name in known})
            for row in report["rows"]
        )
        if not all(map(_is_sound, rows)):
            raise ValueError
        return rows
    except OSError as failure:
        raise InputError(f"{path} cannot be read: {failure.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise InputError(f"{path} is not what `vsr bench --json` prints") from None


def _is_sound(row: BenchRow) -> bool:
    """Whether the values of a ROW that was read are of the kinds they should be."""
    named = isinstance(row.device, str) and isinstance(row.precision, str)
    counts = all(type(value) is int and value > 0 for value in (row.width, row.height, row.frames))
    times = (row.network_seconds, row.job_seconds, row.first_frame_seconds)
    bytes_or_frames = (row.network_memory, row.job_memory, row.job_frames)
    measured = [value for value in (*times, *bytes_or_frames) if value is not None]
    return named and counts and all(map(_is_figure, (row.scale, *row.stages.values(), *measured)))


def _is_figure(value: object) -> bool:
    """Whether VALUE is a finite number of 0 or more."""
    return type(value) in (int, float) and 0 <= float(value) < math.inf  # type: ignore[arg-type]


def _cases(options: BenchOptions, note: Note) -> Iterator[Case]:
    sizes = options.sizes or (STANDARD_SIZES if options.full else STANDARD_SIZES[:2])
    scales = options.scales or (STANDARD_SCALES if options.full else STANDARD_SCALES[-1:])
    windows = options.frames or (STANDARD_FRAMES if options.full else STANDARD_FRAMES[-1:])
    for device in _devices(options.device, note):
        for precision in _precisions(options, device):
            for size in sizes:
                for frames in windows:
                    for scale in scales:
                        yield Case(str(device), precision, options.model, size, scale, frames)


def _devices(name: str | None, note: Note) -> list[Device]:
    """The device asked for, or every one that works."""
    if name is not None:
        return [resolve_device(name, note)]
    devices = [CPU]
    while cuda_obstacle(len(devices) - 1) is None:
        devices.append(Device("cuda", len(devices) - 1))
    return devices


def _precisions(options: BenchOptions, device: Device) -> list[str]:
    """The precisions asked for, or those the model has and `device` is made for."""
    model = options.model or DEFAULT_MODEL
    if options.precisions:
        return [find_model(model, each, device).precision for each in options.precisions]
    find_model(model, "auto", device)  # says what is wrong with a model that has no files at all
    return [
        each
        for each in PRECISIONS
        if each not in _POINTLESS[device.kind] and _has(model, each, device)
    ]


def _has(model: str, precision: str, device: Device) -> bool:
    try:
        find_model(model, precision, device)
    except ModelError:
        return False
    return True


def _measure(
    case: Case, seconds: float, networks: dict[Case, NetworkTime], folder: Path
) -> BenchRow:
    row = BenchRow(
        device=case.device,
        precision=case.precision,
        width=case.size[0],
        height=case.size[1],
        scale=case.scale,
        frames=case.frames,
    )
    try:
        network = _network(case, seconds / 2, networks)
        row = replace(
            row,
            network_seconds=network.seconds,
            network_memory=network.memory,
            notes=network.notes,
        )
        job = _job(case, round(seconds / 2 / network.seconds), folder)
    except DeviceError as failure:  # too little memory for one size leaves the others
        return replace(row, failure=str(failure))
    return replace(
        row,
        job_seconds=job.seconds,
        job_frames=job.frames,
        job_memory=job.memory,
        first_frame_seconds=job.first_frame,
        stages=job.stages,
    )


def _network(case: Case, seconds: float, known: dict[Case, NetworkTime]) -> NetworkTime:
    """The network's time, which is the same whatever its output is resampled to afterwards."""
    key = replace(case, scale=0.0)
    if key not in known:
        known[key] = apart(time_network, case, seconds)
    return known[key]


def _job(case: Case, frames: int, folder: Path) -> JobTime:
    clip, output = folder / "clip.mp4", folder / "output.mp4"
    write_moving_texture(clip, case.size, min(max(frames, _LEAST_FRAMES), _MOST_FRAMES))
    return apart(time_job, case, clip, output)
