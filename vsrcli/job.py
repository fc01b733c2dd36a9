"""What an upscaling request comes to: checked, with everything decided before the work begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import vsrcli
from vsrcli.errors import CheckError, UsageError
from vsrcli.losses import lost_in_frames, lost_streams, missing_numbers
from vsrcli.media.assemble import check_output
from vsrcli.media.containers import NAMES, TURNING, holds_raw, muxer_of
from vsrcli.media.encoders import (
    EncoderSettings,
    choose_codec,
    choose_pix_fmt,
    encoder_threads,
    fit_container,
    spare_memory,
)
from vsrcli.media.folder import JobFolder
from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.identity import content_hash, identity
from vsrcli.media.images import picture_format, turning_for
from vsrcli.media.picture_files import PictureNames, check_pictures, picture_names
from vsrcli.media.probe import MediaInfo, probe
from vsrcli.media.segments import segment_length
from vsrcli.media.spool import STANDARD
from vsrcli.media.streams import StreamPlan, frames_alone, plan_streams
from vsrcli.networks.card import DEFAULT_MODEL, Model, find_model
from vsrcli.networks.session import Device, resolve_device
from vsrcli.options import UpscaleOptions, target_size
from vsrcli.turning import Turning

Note = Callable[[str], None]
"""Called with one line the user should know."""

Form = Literal["video", "pictures", "y4m"]
"""What is written: a video, a picture or numbered ones, or uncompressed frames to stdout."""

# Close to visually lossless: an enlarged video should not lose again what was just recovered.
_DEFAULT_CRF = {"libx264": 17, "libx264rgb": 17, "libx265": 20, "libsvtav1": 24, "libvpx-vp9": 24}
_X265_BLOCK = 64
_FINEST_SAR = 1 << 16
"""What encoders have room for, and more than anybody can see."""


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


@dataclass(frozen=True, slots=True)
class Job:
    """A checked request: what is read, what runs on what, what is written."""

    info: MediaInfo
    output: Path
    options: UpscaleOptions
    layout: PixelLayout
    size: tuple[int, int]
    device: Device
    model: Model
    settings: EncoderSettings
    """Of the video encoder; for pictures and y4m, only the codec's name."""
    form: Form
    names: PictureNames | None
    """Of the pictures, if the form is pictures."""
    turning: Turning | None
    """How pictures are turned, which cannot say that they are to be; None: not at all."""
    streams: StreamPlan
    plan: UpscalePlan
    told: tuple[str, ...]
    """What the user was told already."""
    segment_frames: int
    """Length of the segments the job is done in."""


def prepare(source: Path, output: Path, options: UpscaleOptions, *, note: Note) -> Job:
    """Check everything that can be checked before the work begins; writes nothing.

    Raises UsageError, InputError, OutputError, DeviceError, ModelError, and CheckError with
    `options.strict`.
    """
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        note(text)

    info = _probed(source, options, tell)
    layout = layout_of(info.pix_fmt)
    goal = _goal(source, output, options, info, layout)
    size = target_size(options, info.width, info.height, layout, sideways=info.rotation % 180 == 90)
    _check_encoder_size(goal.settings, size)
    if options.size is not None and info.width * size[1] != info.height * size[0]:
        info = _keep_shape(info, size)
        tell(f"{output}: the pixels are not square any more, so that the picture keeps its shape")
    device = resolve_device(options.device, tell)
    settings = goal.settings
    if goal.form == "video":
        threads = options.threads or encoder_threads(size, on_gpu=device.kind == "cuda")
        settings = replace(spare_memory(settings, size), threads=threads)
    model = find_model(options.model or DEFAULT_MODEL, options.precision, device)
    for loss in (
        *lost_streams(info, goal.streams, output),
        *lost_in_frames(info, output, options, layout, size, settings, goal.names),
    ):
        if options.strict:
            raise CheckError(loss.refusal)
        tell(loss.text)
    plan = _plan(
        info, output, options, layout, size, device, model, settings, goal.streams, goal.form
    )
    if goal.turning is not None:
        plan = replace(plan, size_out=goal.turning.size(size))
    if goal.form == "video":
        _check_pixels(output, options, plan, tell)
    return Job(
        info=info,
        output=output,
        options=options,
        layout=layout,
        size=size,
        device=device,
        model=model,
        settings=settings,
        form=goal.form,
        names=goal.names,
        turning=goal.turning,
        streams=goal.streams,
        plan=plan,
        told=tuple(told),
        segment_frames=segment_length(info.rate, plan.frames),
    )


@dataclass(frozen=True, slots=True)
class _Goal:
    """What is written; fields as of `Job`."""

    form: Form
    settings: EncoderSettings
    streams: StreamPlan
    names: PictureNames | None = None
    turning: Turning | None = None


def _probed(source: Path, options: UpscaleOptions, tell: Note) -> MediaInfo:
    info = probe(source, rate=options.rate)
    if gaps := missing_numbers(source):
        tell(gaps)
    if options.rate is not None and not info.sequence:
        raise UsageError(f"--rate is for pictures, and {source} is a video with times of its own")
    return info


def _goal(
    source: Path, output: Path, options: UpscaleOptions, info: MediaInfo, layout: PixelLayout
) -> _Goal:
    names = picture_names(source, output)
    if names is None and output != STANDARD:
        check_output(source, output, overwrite=may_replace(output, options))
        settings = _encoder_settings(output, options, layout)
        return _Goal("video", settings, plan_streams(info, output, audio=options.audio))
    _check_uncoded(output, names, options)
    if names is None:
        streams = frames_alone(info, audio=options.audio, turned=False)
        return _Goal("y4m", EncoderSettings("rawvideo"), streams)
    frames = _expected_frames(info, options)
    check_pictures(source, names, frames, overwrite=options.overwrite)
    turning = turning_for(info.display_matrix, layout)
    streams = frames_alone(info, audio=options.audio, turned=turning is not None)
    return _Goal("pictures", EncoderSettings(str(names.codec)), streams, names, turning)


def _check_pixels(output: Path, options: UpscaleOptions, plan: UpscalePlan, tell: Note) -> None:
    """Refuse raw pixels that the container cannot hold, and tell of those few players show."""
    if plan.codec == "rawvideo":
        _check_raw(output, plan.pix_fmt, plan.size_out)
    asked = options.codec is not None or options.pix_fmt is not None
    if not asked and layout_of(plan.pix_fmt).kind == "rgb":
        tell("RGB video, as the source is, is shown by few players; --pix-fmt yuv420p by most")


def may_replace(output: Path, options: UpscaleOptions) -> bool:
    """Whether an output that is there may be replaced.

    As asked for, or because it is the very result of this job, which was killed before it could
    clear up after itself.
    """
    if options.overwrite or options.restart or not output.is_file():
        return options.overwrite
    return JobFolder(output).was_published()


def _check_uncoded(output: Path, names: PictureNames | None, options: UpscaleOptions) -> None:
    given = {
        "--codec": options.codec,
        "--crf": options.crf,
        "--preset": options.preset,
        "--pix-fmt": options.pix_fmt,
        "-e": options.encoder_options,
        "--workers": options.workers > 1,
        "--cluster": options.cluster,
    }
    for name, value in given.items():
        if value:
            what = "uncompressed y4m" if names is None else str(names)
            raise UsageError(f"{name} is for video files, and {output} is {what}")


def _encoder_settings(
    output: Path, options: UpscaleOptions, layout: PixelLayout
) -> EncoderSettings:
    codec = choose_codec(output, options.codec, layout, options.pix_fmt)
    chosen = dict(options.encoder_options)
    others = sorted(chosen.keys() & {"crf", "qp", "cq", "lossless"})
    if options.crf is not None and others:
        raise UsageError(f"--crf: not together with -e {others[0]}=; leave one of them out")
    default = None if others or "b" in chosen else _DEFAULT_CRF.get(codec)
    crf = options.crf if options.crf is not None else default
    if crf is not None:
        chosen["crf"] = f"{crf:g}"
        if codec == "libvpx-vp9":
            chosen.setdefault("b", "0")  # otherwise the crf is only a bound on a bit rate
    if options.preset is not None:
        chosen["preset"] = options.preset
    settings = EncoderSettings(codec, tuple(chosen.items()), options.pix_fmt)
    return fit_container(settings, output)


def _check_encoder_size(settings: EncoderSettings, size: tuple[int, int]) -> None:
    """x265 writes beyond its memory when no side fills one of its blocks."""
    if settings.codec == "libx265" and max(size) < _X265_BLOCK:
        raise UsageError(
            f"libx265: encodes nothing as small as {size[0]}x{size[1]}; choose another codec"
        )


def _check_raw(output: Path, pix_fmt: str, size: tuple[int, int]) -> None:
    muxer = muxer_of(output)
    if not holds_raw(muxer, pix_fmt, size):
        raise UsageError(
            f"{output}: {NAMES[muxer]} cannot hold raw video in {pix_fmt}; choose .nut, another "
            "--pix-fmt, or --codec ffv1, which loses nothing either"
        )


def _keep_shape(info: MediaInfo, size: tuple[int, int]) -> MediaInfo:
    """With the SAR that shows a picture of `size` in the input's shape, as FFmpeg's scaler does."""
    sar = (info.sar or 1) * Fraction(info.width * size[1], info.height * size[0])
    return replace(info, sar=sar.limit_denominator(_FINEST_SAR))


def _plan(
    info: MediaInfo,
    output: Path,
    options: UpscaleOptions,
    layout: PixelLayout,
    size: tuple[int, int],
    device: Device,
    model: Model,
    settings: EncoderSettings,
    streams: StreamPlan,
    form: Form,
) -> UpscalePlan:
    if form == "pictures":
        pix_fmt = picture_format(settings.codec, layout)
    elif form == "y4m":
        pix_fmt = layout.pix_fmt
    else:
        pix_fmt = settings.pix_fmt or choose_pix_fmt(settings.codec, layout, size)[0]
    return UpscalePlan(
        source=str(info.path),
        output=str(output),
        size_in=(info.width, info.height),
        size_out=size,
        rotation=info.rotation if form == "video" and muxer_of(output) in TURNING else 0,
        frames=_expected_frames(info, options),
        window=options.frames,
        model=model.name,
        precision=model.precision,
        device=str(device),
        tile=str(options.tile),
        codec=settings.codec,
        encoder_options=dict(settings.options),
        pix_fmt=pix_fmt,
        kept=tuple(f"{stream.type} {stream.index} ({stream.codec})" for stream in streams.kept),
        converted=tuple(
            (f"{stream.type} {stream.index} ({stream.codec})", codec)
            for stream, codec in streams.converted
        ),
        dropped=tuple(
            (f"{stream.type} {stream.index} ({stream.codec})", why)
            for stream, why in streams.dropped
        ),
    )


def _expected_frames(info: MediaInfo, options: UpscaleOptions) -> int | None:
    frames = info.frames
    if frames is not None and info.rate and (options.start or options.end is not None):
        first = round((options.start or 0) * info.rate)
        last = frames if options.end is None else min(frames, round(options.end * info.rate))
        frames = max(0, last - first)
    if options.max_frames is not None:
        frames = options.max_frames if frames is None else min(frames, options.max_frames)
    return frames


def identity_of(job: Job) -> dict[str, object]:
    """All that the bytes of a segment depend on, by the name the user knows it by."""
    options, cards = job.options, (job.model.motion, job.model.compose, job.model.fusion)
    return {
        "vsr": vsrcli.__version__,
        "PyAV": version("av"),
        "input": identity(job.info.path),
        "size": list(job.size),
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
        "--codec": job.settings.codec,
        "encoder options": [f"{key}={value}" for key, value in sorted(job.settings.options)],
        "--pix-fmt": job.plan.pix_fmt,
        "encoder threads": job.settings.threads,
        "deinterlacing": options.deinterlace,
    }
