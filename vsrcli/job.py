"""What an upscaling request comes to: checked, with everything decided before the work begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import vsrcli
from vsrcli.errors import CheckError, InputError, UsageError
from vsrcli.goal import SEGMENTED, Goal, check_encoder_size, expected_frames, goal_of
from vsrcli.losses import lost_in_frames, lost_of_folder, lost_streams
from vsrcli.media.animation import animation_format, kind_of
from vsrcli.media.containers import NAMES, TURNING, holds_raw, muxer_of
from vsrcli.media.encoders import (
    alpha_losses,
    choose_pix_fmt,
    encoder,
    encoder_threads,
    is_hardware,
    spare_memory,
)
from vsrcli.media.formats import layout_of
from vsrcli.media.hdr import HdrMetadata
from vsrcli.media.identity import content_hash, identity
from vsrcli.media.images import picture_format
from vsrcli.media.opening import check_encoder
from vsrcli.media.probe import MediaInfo, StreamInfo, probe
from vsrcli.media.reader import Reader
from vsrcli.media.segments import segment_length
from vsrcli.media.telecine import has_film_format
from vsrcli.networks.card import DEFAULT_MODEL, Model, find_model
from vsrcli.networks.session import Device, resolve_device, runtime_version
from vsrcli.networks.tiles import check_tile
from vsrcli.notes import Note
from vsrcli.options import UpscaleOptions, target_size


@dataclass(frozen=True, slots=True)
class UpscalePlan:
    """What `upscale` is going to do."""

    source: str
    output: str
    size_in: tuple[int, int]
    size_out: tuple[int, int]
    """Both as stored."""
    rotation: int
    """Degrees, clockwise, by which players turn the output before they show it: 0, 90, 180, 270."""
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


@dataclass(frozen=True)
class Job:
    """A checked request: what is read, what runs on what, what is written."""

    info: MediaInfo
    output: Path
    options: UpscaleOptions
    goal: Goal
    size: tuple[int, int]
    """(width, height) of the enlarged frames, before pictures are turned."""
    device: Device
    model: Model
    segment_frames: int
    """Length of the segments the job is done in."""
    told: tuple[str, ...] = ()
    """What the user was told already."""

    @property
    def transparent(self) -> bool:
        """Whether the output keeps the transparency of the frames."""
        form, settings = self.goal.form, self.goal.settings
        lost = form == "video" and alpha_losses(self.output, settings, self.info.layout)
        return form != "y4m" and not lost and layout_of(self.plan.pix_fmt).alpha

    @cached_property
    def plan(self) -> UpscalePlan:
        """What the job comes to, for people."""
        info, goal, layout = self.info, self.goal, self.info.layout
        settings, streams, form = goal.settings, goal.streams, goal.form
        codec, encoder_options = settings.codec, dict(settings.options)
        if form == "animation":
            codec, encoder_options = str(kind_of(self.output)), {}
            pix_fmt = animation_format(codec, layout)
        elif form == "pictures":
            pix_fmt = picture_format(codec, layout)
        elif form == "y4m":
            pix_fmt = layout.pix_fmt
        else:
            pix_fmt = settings.pix_fmt or choose_pix_fmt(codec, layout, self.size)[0]
        turns = form == "video" and muxer_of(self.output) in TURNING
        return UpscalePlan(
            source=str(info.path),
            output=str(self.output),
            size_in=(info.width, info.height),
            size_out=self.size if goal.turning is None else goal.turning.size(self.size),
            rotation=info.rotation if turns else 0,
            frames=expected_frames(info, self.options),
            window=self.options.frames,
            model=self.model.name,
            precision=self.model.precision,
            device=str(self.device),
            tile=str(self.options.tile),
            codec=codec,
            encoder_options=encoder_options,
            pix_fmt=pix_fmt,
            kept=tuple(map(_called, streams.kept)),
            converted=tuple((_called(stream), encoder) for stream, encoder in streams.converted),
            dropped=tuple((_called(stream), why) for stream, why in streams.dropped),
        )


def prepare(
    source: Path, output: Path, options: UpscaleOptions, *, note: Note, makes_folder: bool = False
) -> Job:
    """Check everything that can be checked before the work begins; writes nothing.

    `makes_folder`: the folder of `output` is made before that, and need not be there yet. Raises
    UsageError, InputError, OutputError, DeviceError, ModelError, and CheckError with
    `options.strict`.
    """
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        note(text)

    info = _probed(source, options, tell)
    goal = goal_of(source, output, options, info, makes_folder=makes_folder)
    sideways = info.rotation % 180 == 90
    size = target_size(options, info.width, info.height, info.layout, sideways=sideways)
    check_encoder_size(goal.settings, size)
    if options.size is not None and info.width * size[1] != info.height * size[0]:
        info = _reshaped(info, size, output, tell)
    device = resolve_device(options.device, tell)
    if goal.form in SEGMENTED:
        goal = _spared(goal, options, size, device)
    model = find_model(options.model or DEFAULT_MODEL, options.precision, device)
    check_tile(options.tile, model.fusion)
    segment_frames = segment_length(info.rate, expected_frames(info, options))
    job = Job(info, output, options, goal, size, device, model, segment_frames)
    _tell_losses(job, tell)
    if goal.form == "video":
        _check_pixels(job, tell)
    else:
        # It is told above that it is lost, not by a segment's encoder.
        job = replace(job, info=replace(info, hdr=HdrMetadata()))
    return replace(job, told=tuple(told))


def try_encoder(job: Job) -> None:
    """Open the encoder and close it again: what it refuses is known before the work.

    On a cluster it is others who have to have the device of a hardware encoder. Raises UsageError
    and DeviceError.
    """
    settings = job.goal.settings
    elsewhere = job.options.cluster is not None and is_hardware(encoder(settings.codec))
    if job.goal.form == "video" and not elsewhere:
        check_encoder(job.info, job.size, settings)


def _probed(source: Path, options: UpscaleOptions, tell: Note) -> MediaInfo:
    info = probe(source, rate=options.rate)
    for line in lost_of_folder(source):
        tell(line)
    if options.rate is not None and not info.sequence:
        raise UsageError(f"--rate is for pictures, and {source} is a video with times of its own")
    if options.pictures == "frames":
        return info
    if not Reader(source, info=info).begins_with_fields():
        option = "--double-rate" if options.double_rate else "--inverse-telecine"
        tell(f"{info.path.name}: none of its first frames is interlaced; {option} does nothing")
        return info
    if options.pictures == "film" and not has_film_format(info.pix_fmt):
        takes = "--inverse-telecine takes 4:2:0, 4:2:2, 4:1:1 or 4:4:4 of 8 bits"
        raise InputError(f"{source} is {info.pix_fmt}; {takes}")
    return info.made_into(options.pictures)


def _reshaped(info: MediaInfo, size: tuple[int, int], output: Path, tell: Note) -> MediaInfo:
    """INFO with pixels that have the picture keep its shape at another shape's SIZE."""
    before, info = info.sar or 1, replace(info, sar=info.sar_at(*size))
    how = "have another shape" if before != 1 else "are not square any more"
    how = "are square now" if info.sar == 1 else how
    tell(f"{output}: the pixels {how}, so that the picture keeps its shape")
    return info


def _spared(goal: Goal, options: UpscaleOptions, size: tuple[int, int], device: Device) -> Goal:
    """The goal with an encoder that leaves memory and cores to the network."""
    threads = options.threads or encoder_threads(size, on_gpu=device.kind == "cuda")
    return replace(goal, settings=replace(spare_memory(goal.settings, size), threads=threads))


def _tell_losses(job: Job, tell: Note) -> None:
    """Tell what the output cannot keep; raises CheckError if that is not accepted."""
    for loss in (*lost_streams(job.info, job.goal.streams, job.output), *lost_in_frames(job)):
        if job.options.strict:
            raise CheckError(loss.refusal)
        tell(loss.text)


def _check_pixels(job: Job, tell: Note) -> None:
    """Refuse raw pixels that the container cannot hold, and tell of those few players show."""
    options, plan = job.options, job.plan
    if plan.codec == "rawvideo":
        _check_raw(job.output, plan.pix_fmt, plan.size_out)
    asked = options.codec is not None or options.pix_fmt is not None
    if not asked and layout_of(plan.pix_fmt).kind == "rgb":
        tell("RGB video, as the source is, is shown by few players; --pix-fmt yuv420p by most")


def _check_raw(output: Path, pix_fmt: str, size: tuple[int, int]) -> None:
    muxer = muxer_of(output)
    if not holds_raw(muxer, pix_fmt, size):
        raise UsageError(
            f"{output}: {NAMES[muxer]} cannot hold raw video in {pix_fmt}; choose .nut, another "
            "--pix-fmt, or --codec ffv1, which loses nothing either"
        )


def _called(stream: StreamInfo) -> str:
    return f"{stream.type} {stream.index} ({stream.codec})"


def identity_of(job: Job) -> dict[str, object]:
    """All that the bytes of a segment depend on, by the name the user knows it by."""
    options, settings = job.options, job.goal.settings
    cards = (job.model.motion, job.model.compose, job.model.fusion)
    return {
        "vsr": vsrcli.__version__,
        "PyAV": version("av"),
        "onnxruntime": runtime_version(),
        "input": identity(job.info.path),
        "size": list(job.size),
        "sample aspect ratio": None if job.info.sar is None else str(job.info.sar),
        "segment length": job.segment_frames,
        "--frames": options.frames,
        "--tta": options.tta,
        "--start": options.start,
        "--end": options.end,
        "--max-frames": options.max_frames,
        "--rate": options.rate,
        "--on-error": options.on_error,
        "--device": str(job.device),
        "--tile": options.tile,
        "model": [content_hash(card.path) for card in cards],
        "--codec": settings.codec,
        "encoder options": [f"{key}={value}" for key, value in sorted(settings.options)],
        "--pix-fmt": job.plan.pix_fmt,
        "encoder threads": settings.threads,
        "deinterlacing": options.deinterlace,
        "--double-rate": job.info.pictures == "fields",
        "--inverse-telecine": job.info.pictures == "film",
    }
