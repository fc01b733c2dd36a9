"""What is to be written: a video by which encoder with which streams, or pictures, or y4m."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vsrcli.errors import UsageError
from vsrcli.media.animation import kind_of, segment_settings
from vsrcli.media.containers import muxer_of
from vsrcli.media.encoders import (
    EncoderSettings,
    check_crf,
    check_passes,
    choose_codec,
    fit_container,
)
from vsrcli.media.folder import JobFolder
from vsrcli.media.formats import PixelLayout
from vsrcli.media.opening import check_options
from vsrcli.media.picture_files import CODECS, PictureNames, check_pictures, picture_names
from vsrcli.media.probe import MediaInfo
from vsrcli.media.safely import check_place
from vsrcli.media.spool import STANDARD
from vsrcli.media.streams import StreamPlan, frames_alone, plan_streams
from vsrcli.media.turned import turning_for
from vsrcli.media.y4m import standard_output
from vsrcli.options import UpscaleOptions
from vsrcli.turning import Turning, turning_of

Form = Literal["video", "animation", "pictures", "y4m"]
"""What is written: a video, an animated picture, a picture or numbered ones, or uncompressed frames
to stdout."""
SEGMENTED = ("video", "animation")
"""Forms that are made in segments, so that an interrupted job goes on."""

# Close to visually lossless: an enlarged video should not lose again what was just recovered.
_DEFAULT_CRF = {"libx264": 17, "libx264rgb": 17, "libx265": 20, "libsvtav1": 24, "libvpx-vp9": 24}
_X265_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Goal:
    """What is written."""

    form: Form
    settings: EncoderSettings
    """Of the video encoder, or that of an animated picture's segments; for pictures and y4m only
    the codec's name."""
    streams: StreamPlan
    names: PictureNames | None = None
    """Of the pictures, if the form is pictures."""
    turning: Turning | None = None
    """How pictures are turned, which cannot say that they are to be; None: not at all."""


def goal_of(
    source: Path,
    output: Path,
    options: UpscaleOptions,
    info: MediaInfo,
    *,
    makes_folder: bool,
) -> Goal:
    """What the name of `output` and the options make of it; checks that it can be written.

    `makes_folder` as of `check_place`. Raises UsageError and OutputError.
    """
    layout, animated = info.layout, kind_of(output) is not None
    names = None if animated else picture_names(source, output)
    one_file = names is None and output != STANDARD
    if one_file:
        replacing = may_replace(output, options)
        check_place(source, output, overwrite=replacing, makes_folder=makes_folder)
    if animated:
        return _animation(output, options, info)
    if one_file:
        muxer_of(output)  # raises if there is none of this name
        settings = _encoder_settings(output, options, layout)
        return Goal("video", settings, plan_streams(info, output, audio=options.audio))
    what = "uncompressed y4m" if names is None else str(names)
    check_frames_alone(output, what, options)
    if names is None:
        standard_output()  # raises if there is none
        streams = frames_alone(info, audio=options.audio, turned=False)
        return Goal("y4m", EncoderSettings("rawvideo"), streams)
    frames = expected_frames(info, options)
    check_pictures(source, names, frames, overwrite=options.overwrite)
    turning = turning_for(info.display_matrix, layout)
    streams = frames_alone(info, audio=options.audio, turned=turning is not None)
    return Goal("pictures", EncoderSettings(str(names.codec)), streams, names, turning)


def expected_frames(info: MediaInfo, options: UpscaleOptions) -> int | None:
    """How many frames come of the source, as far as the file says; an estimate."""
    frames = info.frames
    if frames is not None and info.rate and (options.start or options.end is not None):
        first = round((options.start or 0) * info.rate)
        last = frames if options.end is None else min(frames, round(options.end * info.rate))
        frames = max(0, last - first)
    if options.max_frames is not None:
        frames = options.max_frames if frames is None else min(frames, options.max_frames)
    return frames


def may_replace(output: Path, options: UpscaleOptions) -> bool:
    """Whether an output that is there may be replaced.

    As asked for, or because it is the very result of this job, which was killed before it could
    clear up after itself.
    """
    if options.overwrite or options.restart or not output.is_file():
        return options.overwrite
    return JobFolder(output).was_published()


def _animation(output: Path, options: UpscaleOptions, info: MediaInfo) -> Goal:
    _check_uncoded(output, "an animated picture", options)
    turning = turning_of(info.display_matrix)
    streams = frames_alone(info, audio=options.audio, turned=turning is not None)
    return Goal("animation", segment_settings(info.layout), streams, turning=turning)


def _check_uncoded(output: Path, what: str, options: UpscaleOptions) -> None:
    """Raise UsageError for options of video encoders: `output` is `what`."""
    given = {
        "--codec": options.codec,
        "--crf": options.crf is not None,  # 0 is one too
        "--preset": options.preset,
        "--pix-fmt": options.pix_fmt,
        "-e": options.encoder_options,
    }
    _refuse(given, output, what)


def check_frames_alone(output: Path, what: str, options: UpscaleOptions) -> None:
    """Raise UsageError for options that are for videos: `output` is `what`.

    Of encoders, and such that share work in segments, of which it has none.
    """
    _check_uncoded(output, what, options)
    _refuse({"--workers": options.workers > 1, "--cluster": options.cluster}, output, what)


def _refuse(given: Mapping[str, object], output: Path, what: str) -> None:
    for name, value in given.items():
        if value:
            raise UsageError(f"{name} is for video files, and {output} is {what}")


def check_coding(output: Path, options: UpscaleOptions) -> None:
    """Raise UsageError for options of encoders that go with no input of what becomes `output`."""
    if kind_of(output) is not None:
        _check_uncoded(output, "an animated picture", options)
    elif output.suffix.lower() in CODECS:
        _check_uncoded(output, str(PictureNames(output)), options)
    else:
        check_options(_encoder_settings(output, options, None))


def _encoder_settings(
    output: Path, options: UpscaleOptions, layout: PixelLayout | None
) -> EncoderSettings:
    codec = choose_codec(output, options.codec, layout, options.pix_fmt)
    chosen = dict(options.encoder_options)
    check_passes(chosen)
    others = sorted(chosen.keys() & {"crf", "qp", "cq", "lossless"})
    if options.crf is not None and others:
        raise UsageError(f"--crf: not together with -e {others[0]}=; leave one of them out")
    check_crf(codec, options.crf)
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


def check_encoder_size(settings: EncoderSettings, size: tuple[int, int]) -> None:
    """Raise UsageError for a `size` the encoder fails at.

    x265 writes beyond its memory when no side fills one of its blocks.
    """
    if settings.codec == "libx265" and max(size) < _X265_BLOCK:
        raise UsageError(
            f"libx265: encodes nothing as small as {size[0]}x{size[1]}; choose another codec"
        )
