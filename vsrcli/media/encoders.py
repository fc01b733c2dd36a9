"""Which encoder, pixel format and options make the output, with as little loss as can be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
from av.codec.codec import Capabilities, UnknownCodecError

from vsrcli.errors import InputError, UsageError
from vsrcli.media.containers import EBML, NAMES, holds_video, muxer_of
from vsrcli.media.formats import CONVERTED, PixelLayout, layout_of

FULL_RANGE_ONLY = frozenset({"mjpeg", "mjpeg_qsv", "mjpeg_vaapi"})
"""Encoders of a coding that has no limited range."""
LIMITED_RANGE_ONLY = frozenset(
    {
        *("mpeg1video", "mpeg2video", "mpeg2_qsv", "mpeg4", "mpeg4_v4l2m2m", "flv"),
        *("h261", "h263", "h263p", "h263_v4l2m2m", "msmpeg4", "msmpeg4v2", "wmv1", "wmv2"),
        *("libvpx", "vp8_v4l2m2m", "prores", "prores_aw", "prores_ks", "cfhd", "dvvideo"),
        *("asv1", "asv2", "cljr", "rv10", "rv20", "speedhq", "svq1"),
    }
)
"""Encoders of a lossy coding that cannot say its range: everybody takes it for limited. Lossless
codings that cannot say it keep the samples, and it is told that the range is lost."""
BT601_ONLY = FULL_RANGE_ONLY | {"libvpx", "vp8_v4l2m2m", "speedhq"}
BT709_ONLY = frozenset({"dnxhd"})
"""Encoders of a coding that has but this one matrix, or say so whatever they are given."""
_EVEN_ONLY = frozenset({"libx264", "libx265"})
"""Encoders that refuse odd sizes with subsampled chroma."""
_REFUSED = {
    "libvpx-vp9": frozenset({"yuva422p", "yuva444p", "gbrap"}),
    "libx265": frozenset({"yuva420p", "yuva420p10le"}),
}
"""Pixel formats that encoders offer and do not open with."""
_MPEG_RATES = (
    *(Fraction(n, 1001) for n in (24000, 30000, 60000)),
    *map(Fraction, (24, 25, 30, 50, 60)),
)
"""ISO/IEC 13818-2, table 6-4."""
_LOOKAHEAD = {
    "veryfast": 10,
    "faster": 20,
    "fast": 30,
    "medium": 40,
    "slow": 50,
    "slower": 60,
    "veryslow": 60,
    "placebo": 60,
}
"""Frames that x264's presets look ahead."""
_REFERENCES = {
    "fast": 2,
    "medium": 3,
    "slow": 5,
    "slower": 8,
    "veryslow": 16,
    "placebo": 16,
}
"""Frames that x264's presets predict from."""
_SPARED_REFERENCES = 2
_SPARED_B_FRAMES = 2
USUAL_PIXELS = 3840 * 2160
"""Of the largest pictures for which nothing is spared."""
_HIGHEST_CRF = {"libx264": 51, "libx264rgb": 51, "libx265": 51}
"""Of encoders that take anything and make something else of it; others refuse by themselves."""
_OF_PASSES = frozenset({"pass", "stats", "passlogfile", "x265-stats"})
"""Options of encoding in several passes, FFmpeg's own and those that it hands on."""
HANDED_ON = ("x264-params", "x264opts", "x265-params", "svtav1-params")
"""FFmpeg's options for an encoder's own ones, as key=value:key=value. It does not check them."""
_PASS_FLAG = re.compile(r"(^|[+|])pass[12]\b")
_TIMED = ("libx264", "libx264rgb", "libx265", "libsvtav1", "libvpx", "libvpx-vp9")
_TIMED_HARDWARE = ("_nvenc", "_qsv", "_amf", "_vaapi", "_videotoolbox", "_v4l2m2m", "_mf")


@dataclass(frozen=True)
class EncoderSettings:
    """What the user chose for the encoder."""

    codec: str
    """FFmpeg's encoder name, for example "libx264"."""
    options: tuple[tuple[str, str], ...] = ()
    """FFmpeg's encoder options: ("crf", "18"), ("preset", "slow")."""
    pix_fmt: str | None = None
    """Pixel format of the output; None keeps that of the source, as far as the encoder can."""
    threads: int = 0
    """0 lets the encoder decide."""


def choose_codec(
    output: Path,
    codec: str | None,
    layout: PixelLayout | None = None,
    pix_fmt: str | None = None,
) -> str:
    """Return the encoder for `output`: the one asked for, or the container's usual one.

    With the layout of an RGB source, the usual one keeps RGB, unless `pix_fmt` is something else.
    A coding's name, such as "hevc", means its usual encoder. Raises UsageError when there is no
    such encoder, or the container cannot hold what it makes.
    """
    muxer = muxer_of(output)
    if codec is None:
        if muxer == "webm":
            return "libvpx-vp9"
        rgb = layout is not None and layout.kind == "rgb" and layout.depth == 8
        rgb = rgb and (pix_fmt is None or pix_fmt in _offered("libx264rgb", every=True))
        return "libx264rgb" if rgb and not (layout and layout.alpha) else "libx264"
    codec = encoder(codec).name
    if not holds_video(muxer, codec):
        message = f"{output}: {NAMES[muxer]} cannot hold {codec}; choose another codec or .mkv"
        raise UsageError(message)
    return codec


def check_crf(codec: str, crf: float | None) -> None:
    """Raise UsageError for a rate factor that the encoder would silently take for another."""
    highest = _HIGHEST_CRF.get(codec)
    if crf is not None and highest is not None and not 0 <= crf <= highest:
        raise UsageError(f"--crf {crf:g}: {codec} takes 0, which is best, to {highest}")


def check_passes(options: Mapping[str, str]) -> None:
    """Raise UsageError for `options` of an encoder that ask for one of several passes.

    Its statistics would be those of the last segment that was begun, in the current folder.
    """
    for key, value in options.items():
        own = value.split(":") if key in HANDED_ON else []
        names = {key, *(each.partition("=")[0].strip() for each in own)}
        if names & _OF_PASSES or (key == "flags" and _PASS_FLAG.search(value)):
            raise UsageError(
                f"-e {key}={value}: video is encoded in segments, in one pass; leave out what is "
                "for several"
            )


def fit_container(settings: EncoderSettings, output: Path) -> EncoderSettings:
    """Return the settings with the defaults `output` needs; options the user gave win.

    AVI stores no presentation times, so its frames must come in the order they are shown.
    """
    reorders = settings.codec in ("libx264", "libx264rgb")
    if muxer_of(output) == "avi" and reorders and "bf" not in dict(settings.options):
        return replace(settings, options=(*settings.options, ("bf", "0")))
    return settings


def spare_memory(settings: EncoderSettings, size: tuple[int, int]) -> EncoderSettings:
    """Return the settings with less for x264 to hold of pictures larger than 3840x2160.

    It holds 3 bytes for each pixel of its lookahead, and twice as much of each frame that others
    are predicted from. Of its presets' 40 frames the square of 3840x2160's share in the picture is
    left, 2 references, and 2 B-frames, from which nothing is predicted: at 7680x4320 and one thread
    it takes 1.1 GiB so, 1.5 with 3 B-frames, one of which is a reference. Options the user gave
    win.
    """
    given, pixels = dict(settings.options), size[0] * size[1]
    preset = given.get("preset", "medium")
    if settings.codec not in ("libx264", "libx264rgb") or pixels <= USUAL_PIXELS:
        return settings
    if "zerolatency" in given.get("tune", ""):  # neither looks ahead nor has B-frames
        return settings
    most = max(3, round(40 * (USUAL_PIXELS / pixels) ** 2))
    spared = {}
    if _LOOKAHEAD.get(preset, 0) > most:
        spared["rc-lookahead"] = str(most)
    if _REFERENCES.get(preset, 0) > _SPARED_REFERENCES:
        spared["refs"] = str(_SPARED_REFERENCES)
    if preset != "ultrafast":  # it has no B-frames
        spared |= {"bf": str(_SPARED_B_FRAMES), "b-pyramid": "none"}
    return replace(settings, options=tuple((spared | given).items()))


def encoder_threads(size: tuple[int, int], *, on_gpu: bool) -> int:
    """Threads of the encoder. Its output depends on them, so it is not the machine that decides.

    Each takes memory, 18 MiB at 1920x1080, and pictures larger than 3840x2160 have to do with one.
    Beside a network on the CPU, whose cores they share, 2, 4 and 8 take the same time; beside one
    on a GPU the encoder is what is waited for.
    """
    if on_gpu:
        return 8
    return 1 if size[0] * size[1] > USUAL_PIXELS else 4


def encoder(name: str) -> av.Codec:
    """Return FFmpeg's video encoder `name`; raises UsageError with near names."""
    try:
        found = av.Codec(name, "w")
    except UnknownCodecError:
        found = None
    if found is not None and found.type == "video":
        return found
    near = difflib.get_close_matches(name, _video_encoders(), 3, 0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise UsageError(f"{name}: no such video encoder{hint}")


def is_hardware(codec: av.Codec) -> bool:
    """Tell whether an encoder needs a device."""
    device = Capabilities.hardware | Capabilities.hybrid
    return bool(codec.capabilities & device) or codec.name.endswith(_TIMED_HARDWARE)


def keeps_times(codec: str) -> bool:
    """Tell whether an encoder takes any time base, and steers its rate by the true times.

    Others (MPEG-4 allows 16 bit denominators, MPEG-2 a few frame rates) are fed a frame count.
    """
    return codec in _TIMED or codec.endswith(_TIMED_HARDWARE)


def counting_rate(codec: str, rate: Fraction) -> Fraction:
    """Return the frame rate, near the true one, for an encoder that is fed a frame count."""
    if codec in ("mpeg1video", "mpeg2video"):
        return min(_MPEG_RATES, key=lambda known: abs(known - rate))
    near = rate.limit_denominator(1001)
    return near if near.numerator <= 65535 and near else Fraction(max(1, round(rate)))


def choose_pix_fmt(
    codec: str, layout: PixelLayout, size: tuple[int, int] | None = None
) -> tuple[str, str | None]:
    """Return the pixel format to encode `layout` with, and a note when it has to differ.

    What an encoder lacks is given up in this order, last first: colour, depth, chroma resolution,
    alpha. With a `size` (width, height), 4:4:4 stands in where the encoder refuses odd sizes.
    """
    offered = {name: kept for name in _offered(codec) if (kept := _layout(name))}
    if not offered:
        return layout.pix_fmt, None  # a wrapper that takes anything, such as rawvideo
    best = min(offered, key=lambda name: _loss(layout, offered[name], name))
    odd = ""
    if size is not None and _refuses(codec, offered[best], size):
        even = {n: k for n, k in offered.items() if not _refuses(codec, k, size)}
        fitting = min(even, key=lambda name: _loss(layout, even[name], name))
        odd = f"{codec} takes no odd sizes with {best}: written as {fitting}"
        best = fitting
    note = _difference(codec, layout, offered[best])
    if note and layout.alpha and not offered[best].alpha:
        clear = [n for n in offered if offered[n].alpha and offered[n].depth == offered[best].depth]
        note += f" (kept by --pix-fmt {clear[0]})" if clear else ""
    return best, "; ".join(filter(None, (note, odd))) or None


def kinds_taken(codec: str) -> list[str]:
    """A pixel format of each layout that `codec` encodes; some may need a device."""
    kinds: dict[PixelLayout, str] = {}
    for name in _offered(codec):
        if kept := _layout(name):
            kinds.setdefault(kept, name)
    return list(kinds.values()) or ["yuv420p"]  # a wrapper that takes anything


def check_pix_fmt(codec: str, pix_fmt: str) -> None:
    """Raise UsageError unless `codec` encodes `pix_fmt`."""
    offered = _offered(codec, every=True)
    if offered and pix_fmt not in offered:
        known = " ".join(offered)
        raise UsageError(f"{codec}: cannot encode the pixel format {pix_fmt}; use one of {known}")


def alpha_losses(output: Path, settings: EncoderSettings, layout: PixelLayout) -> list[str]:
    """What `output`, of frames of `layout`, has no room for: alpha that lies beside the pictures.

    VP8 and VP9 keep it in a place that only Matroska and WebM have.
    """
    muxer = muxer_of(output)
    pix_fmt = settings.pix_fmt or choose_pix_fmt(settings.codec, layout)[0]
    beside = settings.codec.startswith("libvpx") and layout.alpha and layout_of(pix_fmt).alpha
    if not beside or muxer in EBML:
        return []
    return [
        f"{NAMES[muxer]} cannot keep the transparency of {settings.codec}; choose .mkv or .webm"
    ]


def _video_encoders() -> list[str]:
    names = []
    for name in av.codecs_available:
        try:
            found = av.Codec(name, "w")
            if found.type == "video" and found.name == name:
                names.append(name)
        except UnknownCodecError:
            continue
    return names


def _offered(codec: str, *, every: bool = False) -> list[str]:
    refused = _REFUSED.get(codec, frozenset())
    names = [form.name for form in encoder(codec).video_formats or () if form.name not in refused]
    if every:
        return names
    full = codec in FULL_RANGE_ONLY
    return [n for n in names if n.startswith("yuvj") == full]


def _layout(name: str) -> PixelLayout | None:
    if name in CONVERTED:
        return None
    try:
        return layout_of(name)
    except InputError:
        return None


def _loss(source: PixelLayout, target: PixelLayout, name: str) -> tuple[int, ...]:
    """Rank a target, best first: what would be lost, then what would be stored for nothing."""
    across = target.log2_chroma[0] - source.log2_chroma[0]
    down = target.log2_chroma[1] - source.log2_chroma[1]
    colour = source.kind != "gray"
    return (
        int(colour and target.kind == "gray"),
        int(colour and target.kind != source.kind),
        max(0, source.depth - target.depth),
        int(colour) * (max(0, across) + max(0, down)),
        int(source.alpha and not target.alpha),
        int(not colour and target.kind != "gray") + int(target.kind == "rgb"),
        max(0, target.depth - source.depth),
        max(0, -across) + max(0, -down) if colour else -across - down,
        int(target.alpha and not source.alpha),
        int(name != source.pix_fmt),
    )


def _difference(codec: str, source: PixelLayout, target: PixelLayout) -> str | None:
    lost = []
    if source.kind == "rgb" and target.kind == "yuv":
        lost.append("RGB (converted to Y'CbCr)")
    elif source.kind == "yuv" and target.kind == "rgb":
        lost.append("Y'CbCr (converted to RGB)")
    elif source.kind != "gray" and target.kind == "gray":
        lost.append("colour")
    if target.depth < source.depth:
        lost.append(f"{source.depth} bits (written with {target.depth})")
    shifts = zip(target.log2_chroma, source.log2_chroma, strict=True)
    if source.kind != "gray" and any(new > old for new, old in shifts):
        lost.append(f"the chroma resolution of {source.pix_fmt}")
    if source.alpha and not target.alpha:
        lost.append("transparency")
    return f"{codec} cannot keep {' nor '.join(lost)}" if lost else None


def _refuses(codec: str, layout: PixelLayout, size: tuple[int, int]) -> bool:
    odd = any(n % (1 << shift) for n, shift in zip(size, layout.log2_chroma, strict=True))
    return codec in _EVEN_ONLY and odd
