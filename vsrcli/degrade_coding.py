"""How `vsr degrade` codes a reduced video: as the contest does, or without loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vsrcli.errors import UsageError
from vsrcli.media.containers import muxer_of
from vsrcli.media.encoders import (
    EncoderSettings,
    check_crf,
    choose_codec,
    choose_pix_fmt,
    fit_container,
)
from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.planes import is_full
from vsrcli.media.probe import MediaInfo
from vsrcli.notes import Note

if TYPE_CHECKING:
    from vsrcli.degrade import DegradeOptions

_CONTEST_CRF, _CONTEST_PRESET = 21.0, "slow"
_X26X = ("libx264", "libx264rgb", "libx265")
_LOSSLESS: dict[str, tuple[tuple[str, str], ...]] = {
    "ffv1": (),
    "libx264": (("qp", "0"), ("preset", "medium")),
    "libx264rgb": (("qp", "0"), ("preset", "medium")),
    "libx265": (("x265-params", "lossless=1:log-level=none"),),
    "libvpx-vp9": (("lossless", "1"),),
}
"""Options that make an encoder lossless."""


def encoder_settings(
    output: Path, options: DegradeOptions, layout: PixelLayout | None
) -> EncoderSettings:
    """The encoder with the contest's options, or lossless unless a rate factor is given.

    For frames of `layout`, if that is known.
    """
    codec = choose_codec(output, options.codec or _default_codec(output, options, layout))
    check_crf(codec, options.crf)
    chosen: dict[str, str] = {}
    if options.kind != "contest" and options.crf is None:
        if codec not in _LOSSLESS:
            known = ", ".join(_LOSSLESS)
            raise UsageError(
                f"--codec {codec}: not known to be lossless; give --crf or use {known}"
            )
        chosen = dict(_LOSSLESS[codec])
    elif codec in _X26X:
        crf = _CONTEST_CRF if options.crf is None else options.crf
        chosen = {"preset": _CONTEST_PRESET, "crf": f"{crf:g}"}
    elif options.crf is not None:
        chosen = {"crf": f"{options.crf:g}"}
    if options.preset is not None:
        chosen["preset"] = options.preset
    return fit_container(EncoderSettings(codec, tuple(chosen.items())), output)


def taken_layout(
    info: MediaInfo, output: Path, options: DegradeOptions, note: Note
) -> PixelLayout | None:
    """What the contest's encoder takes instead of the source's layout, if it does not take that.

    FFmpeg's filter makes that of the large picture: made of the reduced one, samples differ.
    """
    layout = info.layout
    if options.kind != "contest" or layout.kind == "rgb":
        return None
    settings = encoder_settings(output, options, layout)
    taken, told = choose_pix_fmt(settings.codec, layout)
    target = layout_of(taken)
    if target.kind != layout.kind or taken == layout.pix_fmt:
        return None
    if is_full(info.tags, layout) and target.depth > layout.depth:
        return None  # white would become what it is of limited range
    if told:
        note(told)
    return target


def _default_codec(output: Path, options: DegradeOptions, layout: PixelLayout | None) -> str:
    muxer = muxer_of(output)
    lossless = options.kind != "contest" and options.crf is None
    if lossless and muxer in ("matroska", "avi", "nut"):
        return "ffv1"
    if muxer == "webm":
        return "libvpx-vp9"
    rgb = layout is not None and layout.kind == "rgb"
    return "libx264rgb" if lossless and rgb else "libx264"
