"""What `upscale` can be told, checked once, and the size it leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf
from pathlib import Path

from vsrcli.declared import check_threads, check_types
from vsrcli.errors import UsageError
from vsrcli.media.decoding import OnError
from vsrcli.media.formats import PixelLayout
from vsrcli.media.probe import Pictures
from vsrcli.windows import MAX_FRAMES

MAX_SCALE = 8.0
DEFAULT_SCALE = 4.0
VIEWS = (1, 2, 4, 8)
"""Mirrored and turned views that can be averaged over."""
MAX_PIXELS = 1 << 28
"""Of an output frame, as 16384x16384: a file that declares more is an accident or an attack."""

_FINEST = 1_000_000
"""Parts of a second that times are told in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpscaleOptions:
    """Options of `vsrcli.upscale`; `scale`, `size`, `width` and `height` exclude each other."""

    scale: float | None = None
    """Above 1, up to 8; 4 when no size is given either."""
    size: tuple[int, int] | None = None
    """Target (width, height) as displayed, in pixels."""
    width: int | None = None
    """Target width as displayed; the height follows."""
    height: int | None = None
    """Target height as displayed; the width follows."""
    frames: int = 5
    """Window of consecutive frames each output frame is made from, 1 to 31."""
    tta: int = 1
    """How many of VIEWS of the frames are averaged over."""
    start: Fraction | None = None
    """Where to begin, in seconds from the first frame."""
    end: Fraction | None = None
    """Where to end (exclusive), in seconds from the first frame."""
    max_frames: int | None = None
    """At most this many frames."""
    rate: Fraction | None = None
    """Frames a second of an image sequence; 25 when not given."""
    codec: str | None = None
    """An FFmpeg video encoder; by default what suits the container."""
    crf: float | None = None
    """The encoder's constant rate factor."""
    preset: str | None = None
    """The encoder's speed preset."""
    encoder_options: Mapping[str, str] = field(default_factory=dict)
    """Further options of the encoder, by FFmpeg's names."""
    pix_fmt: str | None = None
    """Output pixel format; by default the source's depth and subsampling."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    threads: int = 0
    """CPU threads for the network and the encoder, at most 1024; 0: one for each core for the
    network, and for the encoder, whose output depends on them, as many as its frames and the device
    call for."""
    tile: str | int = "auto"
    """auto, off, or the side of a tile in LR pixels."""
    precision: str = "auto"
    """auto, fp32, fp16 or int8, as far as the model has files for them."""
    model: str | Path | None = None
    """A shipped model's name or the path of a model's files; None: the default model."""
    audio: bool = True
    """Keep the sound."""
    deinterlace: bool = True
    """Deinterlace interlaced frames; False refuses them."""
    double_rate: bool = False
    """Make a picture of every field of interlaced frames. All that counts frames counts these."""
    inverse_telecine: bool = False
    """Put the frames of film together again that 3:2 pulldown spread over fields: four of five
    frames. All that counts frames counts these. For film alone: of other video frames get lost."""
    on_error: OnError = "conceal"
    """Frames lost to damage: show the one before again, skip them, or stop."""
    workers: int = 1
    """Processes that share the work; the output is the same with any number. They import the script
    that they are started from, which has to call `upscale` under `if __name__ == "__main__":`."""
    cluster: str | None = None
    """Address of a Dask scheduler whose workers share the work, and the folders."""
    strict: bool = False
    """Fail rather than drop or convert anything of the source."""
    overwrite: bool = False
    """Replace an existing output, once the new one is complete."""
    restart: bool = False
    """Forget the finished part of an interrupted job."""

    def __post_init__(self) -> None:
        check_types(self)
        sizes = ("scale", "size", "width", "height")
        given = [name for name in sizes if getattr(self, name) is not None]
        if len(given) > 1:
            raise UsageError(f"--{given[0]} and --{given[1]} exclude each other; give one")
        if self.scale is not None and not 1 < self.scale <= MAX_SCALE:
            raise UsageError(f"--scale {self.scale:g}: must be above 1 and at most {MAX_SCALE:g}")
        if not 1 <= self.frames <= MAX_FRAMES:
            raise UsageError(f"--frames {self.frames}: must be from 1 to {MAX_FRAMES}")
        if self.tta not in VIEWS:
            raise UsageError(f"--tta {self.tta}: must be 1, 2, 4 or 8")
        if self.max_frames is not None and self.max_frames < 1:
            raise UsageError(f"--max-frames {self.max_frames}: must be at least 1")
        if self.start is not None and not 0 <= self.start < inf:
            raise UsageError("--start: must not be negative, and finite")
        if self.end is not None and not (self.start or 0) < self.end < inf:
            raise UsageError("--end: must come after the start, and be finite")
        if self.rate is not None and not 0 < self.rate < inf:
            raise UsageError("--rate: must be above 0, and finite")
        check_threads(self.threads)
        if self.workers < 1:
            raise UsageError(f"--workers {self.workers}: must be at least 1")
        if self.workers > 1 and self.cluster is not None:
            raise UsageError("--workers and --cluster exclude each other; give one")
        ways = {
            "--double-rate": self.double_rate,
            "--inverse-telecine": self.inverse_telecine,
            "--keep-interlaced": not self.deinterlace,
        }
        asked = [name for name, wanted in ways.items() if wanted]
        if len(asked) > 1:
            raise UsageError(f"{asked[0]} and {asked[1]} exclude each other; give one")
        for name in ("start", "end", "rate"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Fraction):
                # 0.2 of binary digits lies behind the frame that is shown then.
                exact = Fraction(float(value)).limit_denominator(_FINEST)
                object.__setattr__(self, name, exact)

    @property
    def pictures(self) -> Pictures:
        """What interlaced frames are to become."""
        return "fields" if self.double_rate else "film" if self.inverse_telecine else "frames"

    @property
    def trimmed(self) -> bool:
        """Whether the output holds only a part of the input."""
        return bool(self.start) or self.end is not None or self.max_frames is not None


def target_size(
    options: UpscaleOptions, width: int, height: int, layout: PixelLayout, *, sideways: bool
) -> tuple[int, int]:
    """The stored (width, height) of the output for a stored size of the input.

    `sideways` says that players turn the picture by a quarter: `size`, `width` and `height` are
    meant as displayed. Sizes that do not follow exactly from the request are rounded to whole
    chroma samples, as players and encoders want them. Raises UsageError if that is no enlargement.
    """
    if options.size is not None:
        wide, high = map(int, options.size)  # numpy's would go into the result
        target = (high, wide) if sideways else (wide, high)
    elif options.width is not None:
        shown = height if sideways else width
        target = _scaled(Fraction(options.width, shown), width, height, layout)
    elif options.height is not None:
        shown = width if sideways else height
        target = _scaled(Fraction(options.height, shown), width, height, layout)
    else:
        scale = Fraction(float(options.scale or DEFAULT_SCALE)).limit_denominator(10_000)
        target = _scaled(scale, width, height, layout)
    for new, old in zip(target, (width, height), strict=True):
        if not old < new <= old * MAX_SCALE:
            asked, there = _shown(target, sideways), _shown((width, height), sideways)
            raise UsageError(
                f"{asked} is not an enlargement of {there} by more than 1 "
                f"and at most {MAX_SCALE:g} both ways; choose another size"
            )
    if target[0] * target[1] > MAX_PIXELS:
        raise UsageError(
            f"{_shown(target, sideways)} is more than {MAX_PIXELS >> 20} megapixels a frame; "
            "choose a smaller size"
        )
    return target


def _shown(size: tuple[int, int], sideways: bool) -> str:
    width, height = size[::-1] if sideways else size
    return f"{width}x{height}"


def _scaled(scale: Fraction, width: int, height: int, layout: PixelLayout) -> tuple[int, int]:
    across, down = layout.log2_chroma
    return _rounded(scale * width, 1 << across), _rounded(scale * height, 1 << down)


def _rounded(exact: Fraction, unit: int) -> int:
    """The nearest whole number; of an inexact size, the nearest multiple of `unit`."""
    return int(exact) if exact.denominator == 1 else max(1, round(exact / unit)) * unit
