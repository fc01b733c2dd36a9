"""Encoder options vsr adds to the user's: HDR metadata, quality, silence, repeatability."""

from __future__ import annotations

import os
from fractions import Fraction
from functools import cache
from pathlib import Path

from vsrcli.errors import UsageError
from vsrcli.media.encoders import EncoderSettings
from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.hdr import HdrMetadata
from vsrcli.media.planes import ColourTags
from vsrcli.notes import Note

_PARAMETERS = {
    "libx264": "x264-params",
    "libx264rgb": "x264-params",
    "libx265": "x265-params",
    "libsvtav1": "svtav1-params",
}
_QUALITY = {"mjpeg": 2, "mpeg1video": 3, "mpeg2video": 3, "mpeg4": 3, "libxvid": 3}
"""Quantiser scale (1 best, 31 worst) for encoders whose own default is 200 kbit/s."""


def encoder_options(
    settings: EncoderSettings, hdr: HdrMetadata, tags: ColourTags, note: Note, *, pix_fmt: str
) -> dict[str, str]:
    """Return FFmpeg's options for the encoder: the user's, plus HDR metadata, siting, silence.

    `pix_fmt` is the pixel format it is given.
    """
    layout = layout_of(pix_fmt)
    options = dict(settings.options)
    parameters = _own_parameters(settings)
    if hdr and settings.codec in _PARAMETERS:
        parameters += _hdr_parameters(settings.codec, hdr)
        if bool(hdr.points) != bool(hdr.luminance):
            note(f"{settings.codec} cannot keep the HDR mastering metadata, which is incomplete")
    elif hdr:
        note(f"{settings.codec} cannot keep the HDR mastering and light level metadata")
    if parameters:
        key = _PARAMETERS[settings.codec]
        options[key] = ":".join([*parameters, *filter(None, [options.get(key)])])
    _set_quantiser(settings.codec, options)
    if settings.codec == "dnxhd" and not {"profile", "b"} & options.keys():
        options["profile"] = _resolution_independent(layout)
    if layout.alpha and settings.codec.startswith("libvpx"):
        options.setdefault("auto-alt-ref", "0")  # libvpx has no alternate frames with alpha
    if tags.chroma_location:
        options.setdefault("chroma_sample_location", str(tags.chroma_location))
    return options


def repeatable(codec: str) -> dict[str, str]:
    """Return the options without which CODEC, here, would not repeat its bytes from run to run.

    x264's AVX-512 code for macroblock trees reads memory it has not written. AVX2 costs up to a
    tenth of the encoder's speed.
    """
    if codec in ("libx264", "libx264rgb") and _has_avx512():
        return {_PARAMETERS[codec]: "asm=avx2"}
    return {}


def _set_quantiser(codec: str, options: dict[str, str]) -> None:
    """Translate `q`, which ffmpeg's command line knows and its libraries do not."""
    given = [options.pop(key) for key in ("q", "q:v", "qscale", "qscale:v") if key in options]
    scale = given[-1] if given else _QUALITY.get(codec)
    if scale is None or (not given and {"b", "qmin", "qmax"} & options.keys()):
        return
    try:
        step = str(max(1, round(float(scale))))
    except ValueError:
        raise UsageError(f"{codec}: q={scale} is no number") from None
    # The flag ffmpeg sets would need a quality on every frame, which PyAV has no property for.
    options["qmin"] = options["qmax"] = step


def _resolution_independent(layout: PixelLayout) -> str:
    """Return the profile of DNxHR, as DNxHD itself has but five sizes, and bit rates to choose."""
    if layout.log2_chroma == (0, 0):
        return "dnxhr_444"
    return "dnxhr_hqx" if layout.depth > 8 else "dnxhr_hq"


def _own_parameters(settings: EncoderSettings) -> list[str]:
    if settings.codec == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # else it prints a banner past FFmpeg's logging
    if settings.codec == "libx265":
        pools = [f"pools={settings.threads}"] if settings.threads else []
        return ["log-level=none", *pools]
    return list(repeatable(settings.codec).values())


@cache
def _has_avx512() -> bool:
    try:
        return " avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _hdr_parameters(codec: str, hdr: HdrMetadata) -> list[str]:
    made = []
    if hdr.points and hdr.luminance:
        svt = codec == "libsvtav1"
        display = _display(hdr.points, hdr.luminance, whole=not svt)
        made.append(f"{'master-display' if codec == 'libx265' else 'mastering-display'}={display}")
    if hdr.light:
        name = {"libx265": "max-cll", "libsvtav1": "content-light"}.get(codec, "cll")
        made.append(f"{name}={hdr.light[0]},{hdr.light[1]}")
    return made


def _display(
    points: tuple[Fraction, ...], luminance: tuple[Fraction, Fraction], *, whole: bool
) -> str:
    """Return G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min); `whole` in units of 1/50000 and 1/10000."""

    def pair(name: str, values: tuple[Fraction, Fraction], unit: int) -> str:
        shown = [str(round(v * unit)) if whole else f"{float(v):.6f}" for v in values]
        return f"{name}({shown[0]},{shown[1]})"

    red, green, blue, white = ((points[i], points[i + 1]) for i in range(0, 8, 2))
    primaries = [pair(n, p, 50000) for n, p in zip("GBR", (green, blue, red), strict=True)]
    return "".join([*primaries, pair("WP", white, 50000), pair("L", luminance[::-1], 10000)])
