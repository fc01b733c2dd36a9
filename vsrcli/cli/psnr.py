"""`vsr psnr`: options in, one library call, a table or JSON out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vsrcli.cli.options import JsonOption, QuietOption, TracebackOption, VerboseOption
from vsrcli.console import note, print_json, print_result, progress_bar
from vsrcli.errors import CheckError, OutputError

if TYPE_CHECKING:
    from vsrcli.scores import PsnrReport

PROTOCOL, ALIGN, REPORT = "Protocol", "Which frames", "Report"


def psnr_command(
    reference: Annotated[
        Path,
        typer.Argument(
            metavar="REF",
            help="The original: a video, an image sequence, or a folder (or .tar) of clips.",
        ),
    ],
    outputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[OUT]...",
            help="What to score. Several make one table. Folders and .tar archives are paired "
            "with REF by file name; OUT may add a suffix (08_x4.mp4 belongs to 08.mp4).",
        ),
    ] = None,
    channel: Annotated[
        Literal["rgb", "y", "yuv"],
        typer.Option(
            help="What the headline is of: all samples of RGB, luma alone, or all samples of the "
            "three planes.",
            rich_help_panel=PROTOCOL,
        ),
    ] = "rgb",
    crop: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Leave N pixels out on every side.", rich_help_panel=PROTOCOL
        ),
    ] = 0,
    skip_ends: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Leave N frames out at the start and at the end of every clip.",
            rich_help_panel=PROTOCOL,
        ),
    ] = 0,
    ssim: Annotated[
        bool,
        typer.Option(
            help="SSIM of luma. It takes several times as long as everything else: an 11x11 "
            "window around every pixel, five times over.",
            rich_help_panel=PROTOCOL,
        ),
    ] = True,
    max_frames: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Compare the first N frames only.", rich_help_panel=ALIGN
        ),
    ] = None,
    offset: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Compare frame i+N of OUT (and LR) with frame i of REF: 2 drops the first two "
            "frames of OUT, -2 those of REF.",
            rich_help_panel=ALIGN,
        ),
    ] = 0,
    shortest: Annotated[
        bool,
        typer.Option(
            "--shortest",
            help="Stop at the end of the shorter clip instead of refusing.",
            rich_help_panel=ALIGN,
        ),
    ] = False,
    resize: Annotated[
        bool,
        typer.Option(
            "--resize",
            help="Resize OUT to REF's size by bicubic instead of refusing.",
            rich_help_panel=ALIGN,
        ),
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="LR",
            help="The low-resolution clip (or folder): adds rows for it upscaled by bicubic and "
            "by Lanczos.",
            rich_help_panel=REPORT,
        ),
    ] = None,
    min_psnr: Annotated[
        float | None,
        typer.Option(
            metavar="DB",
            help="Exit with status 1 if the headline of an OUT is below.",
            rich_help_panel=REPORT,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the figures of every frame.", rich_help_panel=REPORT
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw PSNR over the frames.", rich_help_panel=REPORT),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    traceback: TracebackOption = False,
) -> None:
    """Score OUT against REF: PSNR and SSIM, frame by frame and overall.

    The default is the contest's protocol: mean squared error over all
    RGB samples of all frames, turned into dB.

    Frames are paired by number, whatever their timestamps.
    """
    for path in (csv, plot):
        if path is not None and not path.parent.is_dir():
            raise OutputError(f"the folder of {path} does not exist: create it first")
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
    _show(report, json, csv, plot)
    _check(report, min_psnr)


def _show(report: PsnrReport, json: bool, csv: Path | None, plot: Path | None) -> None:
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
        write_csv(report, csv)
    if plot is not None:
        from vsrcli.plot import plot_psnr

        plot_psnr(report, plot)


def _check(report: PsnrReport, least: float | None) -> None:
    if least is None:
        return
    for row in report.outputs:
        if not row.baseline and row.psnr_pooled < least:
            raise CheckError(
                f"{row.output} has {row.psnr_pooled:.3f} dB, less than the {least:g} asked for"
            )
