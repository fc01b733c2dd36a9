"""`vsr psnr`: options in, one library call, a table or JSON out."""

from __future__ import annotations

import math
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vsrcli.cli import psnr_options as option
from vsrcli.cli.options import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    TracebackOption,
)
from vsrcli.console import check_stdout, note, print_json, print_result, progress_bar
from vsrcli.errors import CheckError, ExitStatus, OutputError, UsageError

if TYPE_CHECKING:
    from vsrcli.scores import PsnrReport


def psnr_command(
    reference: option.Reference,
    outputs: option.Outputs = None,
    channel: option.Channel = "rgb",
    crop: option.Crop = 0,
    skip_ends: option.SkipEnds = 0,
    ssim: option.Ssim = True,
    max_frames: option.MaxFrames = None,
    offset: option.Offset = 0,
    shortest: option.Shortest = False,
    resize: option.Resize = False,
    baseline: option.Baseline = None,
    min_psnr: option.MinPsnr = None,
    csv: option.Csv = None,
    plot: option.Plot = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    traceback: TracebackOption = False,
) -> None:
    """Score OUT against REF: PSNR and SSIM, frame by frame and overall.

    The default is the contest's protocol: mean squared error over all
    RGB samples of all frames, turned into dB.

    Frames are paired by number, whatever their timestamps.
    """
    check_stdout()
    for path in filter(None, (csv, plot)):
        _check_file(
            path, [reference, *(outputs or []), *filter(None, [baseline])], overwrite=overwrite
        )
    if csv is not None and plot is not None and csv.resolve() == plot.resolve():
        raise UsageError(f"--csv and --plot: are both {plot}; choose another name for one")
    if min_psnr is not None and math.isnan(min_psnr):
        raise UsageError("--min-psnr nan: give a number of dB")
    if plot is not None:
        from vsrcli.plot import check_plot

        check_plot(plot)
    from vsrcli.psnr import psnr
    from vsrcli.scores import Protocol

    protocol = Protocol(
        channel=channel,
        crop=crop,
        skip_ends=skip_ends,
        max_frames=max_frames,
        offset=offset,
        shortest=shortest,
        resize=resize,
        ssim=ssim,
    )
    with progress_bar("Scoring") as progress:
        report = psnr(
            reference,
            *(outputs or []),
            baseline=baseline,
            protocol=protocol,
            progress=progress,
        )
    _show(report, csv, plot, json=json, overwrite=overwrite)
    _check(report, min_psnr)
    if report.damaged:
        raise typer.Exit(ExitStatus.DAMAGED)


def _check_file(path: Path, scored: list[Path], *, overwrite: bool) -> None:
    """Find out before the work whether figures can be written to PATH after it."""
    from vsrcli.collection import files_of
    from vsrcli.media.safely import check_free, is_one_of

    if not path.parent.is_dir():
        raise OutputError(f"{path}: its folder does not exist; create it or choose another")
    if path.exists() and is_one_of(path, chain.from_iterable(map(files_of, scored))):
        raise UsageError(f"{path}: is to be scored; choose another name")
    check_free(path, overwrite=overwrite)


def _show(
    report: PsnrReport, csv: Path | None, plot: Path | None, *, json: bool, overwrite: bool
) -> None:
    from vsrcli.cli.psnr_report import as_json, table, write_csv

    if json:
        print_json(as_json(report))
    else:
        print_result(table(report))
    notes = [text for row in report.outputs for text in row.notes]
    notes += [text for row in report.outputs for clip in row.clips for text in clip.notes]
    for text in dict.fromkeys(notes):
        note(text)
    if csv is not None:
        write_csv(report, csv, overwrite=overwrite)
    if plot is not None:
        from vsrcli.plot import plot_psnr

        plot_psnr(report, plot, overwrite=overwrite)


def _check(report: PsnrReport, least: float | None) -> None:
    if least is None:
        return
    for row in report.outputs:
        if not row.baseline and row.psnr_pooled < least:
            raise CheckError(
                f"{row.output} has {row.psnr_pooled:.3f} dB, less than the {least:g} asked for"
            )
