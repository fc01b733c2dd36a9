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
from vsrcli.media.assemble import check_output
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
from vsrcli.media.images import picture_format, picture_losses, turning_for
from vsrcli.media.picture_files import PictureNames, check_pictures, picture_names
from vsrcli.media.probe import EXTRAS, IN_FRAMES, MediaInfo, probe
from vsrcli.media.reader import DEINTERLACED, refused_fields
from vsrcli.media.segments import segment_length
from vsrcli.media.sources import find_source
from vsrcli.media.spool import STANDARD
from vsrcli.media.streams import StreamPlan, frames_alone, plan_streams
from vsrcli.media.writer import encoding_losses
from vsrcli.media.y4m import y4m_losses
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
    segment_frames: int
    """Length of the segments the job is done in."""


def prepare(source: Path, output: Path, options: UpscaleOptions, *, note: Note) -> Job:
    """Check everything that can be checked before the work begins; writes nothing.

    Raises UsageError, InputError, OutputError, DeviceError, ModelError, and CheckError with
    `options.strict`.
    """
    info = probe(source, rate=options.rate)
    if options.rate is not None and not info.sequence:
        raise UsageError(f"--rate is for pictures, and {source} is a video with times of its own")
    _note_gaps(source, note)
    names, turning = picture_names(source, output), None
    form: Form = "pictures" if names is not None else "y4m" if output == STANDARD else "video"
    layout = layout_of(info.pix_fmt)
    if form != "video":
        _check_uncoded(output, names, options)
        settings = EncoderSettings("rawvideo")
        if names is not None:
            frames = _expected_frames(info, options)
            check_pictures(source, names, frames, overwrite=options.overwrite)
            settings = EncoderSettings(str(names.codec))
            turning = turning_for(info.display_matrix, layout)
        streams = frames_alone(info, audio=options.audio, turned=turning is not None)
    else:
        check_output(source, output, overwrite=may_replace(output, options))
        settings = _encoder_settings(output, options, layout)
        streams = plan_streams(info, output, audio=options.audio)
    size = target_size(options, info.width, info.height, layout, sideways=info.rotation % 180 == 90)
    _check_encoder_size(settings, size)
    if options.size is not None and info.width * size[1] != info.height * size[0]:
        info = _keep_shape(info, size)
        note(f"{output}: the pixels are not square any more, so that the picture keeps its shape")
    device = resolve_device(options.device, note)
    if form == "video":
        threads = options.threads or encoder_threads(size, on_gpu=device.kind == "cuda")
        settings = replace(spare_memory(settings, size), threads=threads)
    model = find_model(options.model or DEFAULT_MODEL, options.precision, device)
    lost = _lost_streams(info, streams, output)
    lost += _lost_in_frames(info, output, options, layout, size, settings, names)
    for line, refusal in lost:
        if options.strict:
            raise CheckError(refusal)
        note(line)
    if settings.codec == "libx264rgb" and options.codec is None:
        note("RGB video, as the pictures are, is shown by few players; by all: --pix-fmt yuv420p")
    plan = _plan(info, output, options, layout, size, device, model, settings, streams, form)
    if turning is not None:
        plan = replace(plan, size_out=turning.size(size))
    return Job(
        info=info,
        output=output,
        options=options,
        layout=layout,
        size=size,
        device=device,
        model=model,
        settings=settings,
        form=form,
        names=names,
        turning=turning,
        streams=streams,
        plan=plan,
        segment_frames=segment_length(info.rate, plan.frames),
    )


def may_replace(output: Path, options: UpscaleOptions) -> bool:
    """Whether an output that is there may be replaced.

    As asked for, or because it is the very result of this job, which was killed before it could
    clear up after itself.
    """
    if options.overwrite or options.restart or not output.is_file():
        return options.overwrite
    return JobFolder(output).was_published()


def _note_gaps(source: Path, note: Note) -> None:
    """Tell of numbers that are missing among pictures, which then follow one another."""
    numbers = find_source(source).numbers
    if numbers and (missing := numbers[-1] - numbers[0] + 1 - len(numbers)):
        first = next(n for n in range(numbers[0], numbers[-1]) if n not in numbers)
        what = f"number {first} is" if missing == 1 else f"{missing} numbers, from {first} on, are"
        note(f"{source}: {what} missing; the pictures there are follow one another")


def _lost_streams(info: MediaInfo, streams: StreamPlan, output: Path) -> list[tuple[str, str]]:
    """What the container cannot hold, or only otherwise; with what to say where that is an end."""
    remedy = "choose another container or leave out --strict"
    told = [(line, f"{output}: {line}; {remedy}") for line in streams.notes]
    for extra in info.extras:
        if extra in IN_FRAMES:
            line = f"{EXTRAS[extra]} cannot be kept"
            told.append((line, f"{output}: {line}; leave out --strict"))
    return told


def _lost_in_frames(
    info: MediaInfo,
    output: Path,
    options: UpscaleOptions,
    layout: PixelLayout,
    size: tuple[int, int],
    settings: EncoderSettings,
    names: PictureNames | None,
) -> list[tuple[str, str]]:
    """What is certain to be told in the course of the work; as `_lost_streams`."""
    told = []
    if info.interlaced and not options.start:  # further on, frames may be others
        if not options.deinterlace:
            raise refused_fields(str(info.path))
        line = f"{info.path.name}: {DEINTERLACED}"
        told.append((line, f"{line}; leave out --strict to accept that"))
    if output == STANDARD:
        lines = y4m_losses(layout)
    elif names is not None:
        lines = picture_losses(settings.codec, layout)
    else:
        lines = encoding_losses(info, size, settings, layout)
    return told + [(line, f"{output}: {line}; leave out --strict to accept that") for line in lines]


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
