"""A picture of PSNR over frames, one line for each output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from vsrcli.errors import OutputError
from vsrcli.media.safely import save_safely
from vsrcli.scores import OutputScore, PsnrReport

_SIZE = (1200, 600)
_FINE = 2
"""Drawn this many times larger and reduced, which smooths the lines."""
_LEFT, _TOP, _RIGHT, _BOTTOM = 70, 50, 20, 52
_LINE = 24
"""Height of a line of the legend; the first is within the margin."""
# Okabe and Ito's palette, which colour-blind readers can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_INK, _GRID = "#303030", "#dddddd"


_Run = list[tuple[int, float]]
"""Frame number and dB."""


@dataclass(frozen=True)
class _Axes:
    """Maps (frame, dB) to pixels of the large picture; frames are counted from 0."""

    first: int
    """What the first frame is called."""
    frames: int
    low: float
    high: float
    top: int
    """Where the curves begin, below the legend."""

    def x(self, frame: float) -> float:
        width = _SIZE[0] - _LEFT - _RIGHT
        return _FINE * (_LEFT + width * frame / max(1, self.frames - 1))

    def y(self, psnr: float) -> float:
        height = _SIZE[1] - self.top - _BOTTOM
        share = (self.high - psnr) / (self.high - self.low)
        return _FINE * (self.top + height * share)


def check_plot(path: Path) -> None:
    """Raise OutputError if `path` is no kind of picture that `plot_psnr` can write."""
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise OutputError(f"{path}: cannot be written: unknown kind of picture; use .png")


def plot_psnr(report: PsnrReport, path: Path, *, overwrite: bool = False) -> None:
    """Draw the PSNR of every frame, in the report's channel, to the picture `path`.

    The clips of a folder stand one after the other. There is no line where frames are identical.
    Raises OutputError if the picture cannot be written.
    """
    lines = [_lines(output) for output in report.outputs]
    legend = _legend(report)
    axes = _axes(report, lines, top=_TOP + _LINE * (len(legend) - 1))
    picture = Image.new("RGB", (_SIZE[0] * _FINE, _SIZE[1] * _FINE), "white")
    draw = ImageDraw.Draw(picture)
    _draw_grid(draw, axes)
    _draw_clips(draw, axes, report.outputs[0])
    _draw_legend(draw, report, legend)
    for number, runs in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        for run in runs:
            points = [(axes.x(frame), axes.y(psnr)) for frame, psnr in run]
            draw.line(points, fill=colour, width=2 * _FINE, joint="curve")
            if len(points) == 1:
                draw.circle(points[0], 2 * _FINE, fill=colour)
    save_safely(path, picture.reduce(_FINE).save, overwrite=overwrite)


def _lines(output: OutputScore) -> list[_Run]:
    """The stretches of one clip with finite values."""
    runs: list[_Run] = []
    begin = 0
    for clip in output.clips:
        run: _Run = []
        for number, frame in enumerate(clip.frames):
            value = frame.psnr(output.channel)
            if value is not None and math.isfinite(value):
                run.append((begin + number, value))
            elif run:
                runs.append(run)
                run = []
        runs += [run] if run else []
        begin += len(clip.frames)
    return runs


def _axes(report: PsnrReport, lines: Sequence[Sequence[_Run]], *, top: int) -> _Axes:
    values = [value for runs in lines for run in runs for _, value in run]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = max(0.5, 0.05 * (high - low))
    clips = report.outputs[0].clips
    first = clips[0].frames[0].index if len(clips) == 1 else 0
    frames = max(output.frames for output in report.outputs)
    return _Axes(first, frames, low - margin, high + margin, top)


def _font(size: int = 15) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _FINE)


def _step(span: float, most: int) -> float:
    """A round step that divides `span` into at most `most` parts."""
    raw = span / most
    power: float = 10.0 ** math.floor(math.log10(raw))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= raw)


def _draw_grid(draw: ImageDraw.ImageDraw, axes: _Axes) -> None:
    bottom, right = (_SIZE[1] - _BOTTOM) * _FINE, (_SIZE[0] - _RIGHT) * _FINE
    step = _step(axes.high - axes.low, 8)
    for k in range(math.ceil(axes.low / step), math.floor(axes.high / step) + 1):
        y = axes.y(k * step)
        draw.line([(_LEFT * _FINE, y), (right, y)], fill=_GRID, width=_FINE)
        draw.text(((_LEFT - 8) * _FINE, y), f"{k * step:g}", fill=_INK, font=_font(), anchor="rm")
    stride = max(1, round(_step(max(1, axes.frames - 1), 10)))
    for frame in range(-axes.first % stride, axes.frames, stride):
        x = axes.x(frame)
        draw.line([(x, bottom), (x, bottom + 5 * _FINE)], fill=_INK, width=_FINE)
        draw.text(
            (x, bottom + 8 * _FINE), str(axes.first + frame), fill=_INK, font=_font(), anchor="mt"
        )
    corner = _LEFT * _FINE, axes.top * _FINE
    draw.rectangle([corner, (right, bottom)], outline=_INK, width=_FINE)
    below = (_LEFT + _SIZE[0] - _RIGHT) // 2 * _FINE, (_SIZE[1] - 6) * _FINE
    draw.text(below, "frame", fill=_INK, font=_font(), anchor="mb")


def _draw_clips(draw: ImageDraw.ImageDraw, axes: _Axes, output: OutputScore) -> None:
    """Mark where each clip of a folder begins, with its name."""
    if len(output.clips) < 2:
        return
    begin = 0
    top, bottom = axes.top * _FINE, (_SIZE[1] - _BOTTOM) * _FINE
    for clip in output.clips:
        x = axes.x(begin)
        draw.line([(x, top), (x, bottom)], fill="#999999", width=_FINE)
        label = x + 4 * _FINE, bottom - 4 * _FINE
        draw.text(label, clip.name, fill="#777777", font=_font(13), anchor="lb")
        begin += len(clip.frames)


def _title(report: PsnrReport) -> str:
    return f"PSNR {report.protocol.channel.upper()} (dB)"


def _legend(report: PsnrReport) -> list[list[tuple[float, str]]]:
    """Line by line, where each output is named, from the left, and how."""
    begin = _LEFT * _FINE + _font(17).getlength(_title(report)) + 30 * _FINE
    lines: list[list[tuple[float, str]]] = [[]]
    x = begin
    for label, row in zip(report.labels, report.outputs, strict=True):
        name = f"{label}  {row.psnr_pooled:.3f}"
        width = 30 * _FINE + _font().getlength(name)
        if lines[-1] and x + width > (_SIZE[0] - _RIGHT) * _FINE:
            lines.append([])
            x = begin
        lines[-1].append((x, name))
        x += width + 24 * _FINE
    return lines


def _draw_legend(
    draw: ImageDraw.ImageDraw, report: PsnrReport, lines: Sequence[Sequence[tuple[float, str]]]
) -> None:
    first = 28.0 * _FINE
    draw.text((_LEFT * _FINE, first), _title(report), fill=_INK, font=_font(17), anchor="lm")
    colours = cycle(_COLOURS)
    for number, line in enumerate(lines):
        y = first + number * _LINE * _FINE
        for x, name in line:
            draw.line([(x, y), (x + 24 * _FINE, y)], fill=next(colours), width=3 * _FINE)
            draw.text((x + 30 * _FINE, y), name, fill=_INK, font=_font(), anchor="lm")
