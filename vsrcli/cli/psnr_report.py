"""The report of `vsr psnr` as a table, as JSON and as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsrcli.cli.columns import aligned, shown
from vsrcli.media.safely import save_safely

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vsrcli.metrics import Component, FrameScore
    from vsrcli.scores import ClipScore, OutputScore, Protocol, PsnrReport

_COMPONENTS: tuple[Component, ...] = ("rgb", "y", "u", "v", "yuv")
_CHANNELS = {"rgb": "RGB", "y": "Y", "yuv": "YUV"}


def describe(protocol: Protocol) -> str:
    """What the figures are figures of, in two sentences."""
    frames = "all frames"
    if protocol.max_frames is not None:
        frames = f"first {protocol.max_frames} frames"
    if protocol.shortest:
        frames += " up to the end of the shorter clip"
    if protocol.skip_ends:
        frames += f" but {protocol.skip_ends} at either end"
    if protocol.offset:
        frames += f", output frame i{protocol.offset:+d} against reference frame i"
    crop = f"{protocol.crop} pixels cropped on every side" if protocol.crop else "no crop"
    resized = ", resized to the reference" if protocol.resize else ""
    ssim = " SSIM: of Y, 11x11 Gaussian window of sigma 1.5, mean." if protocol.ssim else ""
    return (
        f"PSNR in dB of {_CHANNELS[protocol.channel]}, {frames}, {crop}{resized}. Pooled: of the "
        "squared error of all samples of all frames, as are the single channels; mean: over the "
        f"frames' PSNR, then over clips.{ssim}"
    )


def table(report: PsnrReport) -> RenderableType:
    """One row for each output; for folders one row for each clip as well."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [
        Text(f"Reference: {report.reference} ({_extent(report)})"),
        Text(describe(report.protocol)),
        Text(),
        Text(aligned(_output_rows(report), headers=2, gap=2)),
    ]
    if len(report.outputs[0].clips) > 1:
        headline = _CHANNELS[report.protocol.channel]
        title = f"\n{headline} pooled, clip by clip (their mean is what stands under: of clips)"
        parts += [Text(title), Text(aligned(_clip_rows(report), gap=2))]
    return Group(*parts)


def _extent(report: PsnrReport) -> str:
    """How much was compared: "300 frames of 10 clips"."""
    counts = sorted({row.frames for row in report.outputs})
    clips = len(report.outputs[0].clips)
    frames = f"{' or '.join(map(str, counts))} frames compared"
    return f"{frames} in {clips} clips" if clips > 1 else frames


def _output_rows(report: PsnrReport) -> list[list[str]]:
    """Two rows of headers, then one for each output; they fit into 80 columns."""
    several = len(report.outputs[0].clips) > 1
    channel, ssim = report.protocol.channel, report.protocol.ssim
    others: list[Component] = [c for c in ("rgb", "y", "u", "v") if c != channel]
    others = [c for c in others if any(row.pooled(c) is not None for row in report.outputs)]
    headline = _CHANNELS[channel]
    tail = [["", "SSIM"]] if ssim else []
    tail += [[headline, "of clips"] if several else ["worst", "frame"]]
    names = [component.upper() for component in others]
    columns = [["", "Output"], [headline, "pooled"], [headline, "mean"]]
    columns += [*([name, "pooled"] for name in names), *tail]
    rows = [list(header) for header in zip(*columns, strict=True)]
    for row, label in zip(report.outputs, report.labels, strict=True):
        figures = [shown(row.psnr_pooled, 3), shown(row.psnr_mean, 3)]
        figures += [shown(row.pooled(component), 2) for component in others]
        figures += [shown(row.ssim, 4)] if ssim else []
        figures += [shown(row.psnr_clips, 3) if several else _worst(row)]
        rows.append([label, *figures])
    return rows


def _clip_rows(report: PsnrReport) -> list[list[str]]:
    """Pooled PSNR of every clip, one column for each output."""
    rows = [["Clip", *report.labels]]
    for number, clip in enumerate(report.outputs[0].clips):
        figures = [shown(row.clips[number].pooled(row.channel), 3) for row in report.outputs]
        rows.append([clip.name, *figures])
    return rows


def _worst(row: OutputScore) -> str:
    _, frame = row.worst
    return f"{shown(frame.psnr(row.channel), 2)} #{frame.index}"


def as_json(report: PsnrReport) -> dict[str, Any]:
    """Everything that was measured; identical frames have an infinite PSNR."""
    return {
        "reference": report.reference,
        "protocol": asdict(report.protocol),
        "outputs": [_output_json(row) for row in report.outputs],
    }


def _output_json(row: OutputScore) -> dict[str, Any]:
    clip, frame = row.worst
    return {
        "name": row.name,
        "output": row.output,
        "baseline": row.baseline,
        "frames": row.frames,
        "psnr_pooled": row.psnr_pooled,
        "psnr_mean": row.psnr_mean,
        "psnr_clips": row.psnr_clips,
        "ssim": row.ssim,
        "identical": row.identical,
        "damaged": row.damaged,
        "pooled": {component: row.pooled(component) for component in _COMPONENTS},
        "mean": {component: row.mean(component) for component in _COMPONENTS},
        "worst": {"clip": clip.name, "frame": frame.index, "psnr": frame.psnr(row.channel)},
        "notes": list(row.notes),
        "clips": [_clip_json(clip, row) for clip in row.clips],
    }


def _clip_json(clip: ClipScore, row: OutputScore) -> dict[str, Any]:
    return {
        "name": clip.name,
        "reference": clip.reference,
        "output": clip.output,
        "psnr_pooled": clip.pooled(row.channel),
        "psnr_mean": clip.mean(row.channel),
        "ssim": clip.ssim,
        "damaged": clip.damaged,
        "notes": list(clip.notes),
        "frames": [
            {
                "frame": frame.index,
                "output_frame": frame.output_index,
                **{f"psnr_{component}": frame.psnr(component) for component in _COMPONENTS},
                "ssim": frame.ssim,
                "identical": frame.identical,
            }
            for frame in clip.frames
        ],
    }


def write_csv(report: PsnrReport, path: Path, *, overwrite: bool = False) -> None:
    """Write one line for each frame of each output. Raises OutputError if that fails."""
    save_safely(path, lambda temporary: _write_rows(report, temporary), overwrite=overwrite)


def _write_rows(report: PsnrReport, path: Path) -> None:
    header = ["output", "clip", "frame", "output_frame"]
    header += [f"psnr_{component}" for component in _COMPONENTS] + ["ssim"]
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in report.outputs:
            for clip in row.clips:
                writer.writerows(_csv_row(row, clip, frame) for frame in clip.frames)


def _csv_row(row: OutputScore, clip: ClipScore, frame: FrameScore) -> Sequence[str | int]:
    figures = [frame.psnr(component) for component in _COMPONENTS]
    shown = ["" if value is None else _csv_number(value) for value in (*figures, frame.ssim)]
    return [row.name, clip.name, frame.index, frame.output_index, *shown]


def _csv_number(value: float) -> str:
    return f"{value:.6f}" if math.isfinite(value) else "inf"
