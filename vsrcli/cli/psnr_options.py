"""What `vsr psnr` can be told, as the command line shows it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

PROTOCOL, ALIGN, REPORT = "Protocol", "Which frames", "Report"

Reference = Annotated[
    Path,
    typer.Argument(
        metavar="REF",
        help="The original: a video, an image sequence, or a folder (or .tar) of clips.",
    ),
]
Outputs = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[OUT]...",
        help="What to score. Several make one table. Folders and .tar archives are paired "
        "with REF by file name, or that of a folder; OUT may add a suffix (08_x4.mp4 belongs to "
        "08.mp4, and so does 08/).",
    ),
]
Channel = Annotated[
    Literal["rgb", "y", "yuv"],
    typer.Option(
        help="What the headline is measured on: all samples of RGB, luma alone, or all samples "
        "of the three planes.",
        rich_help_panel=PROTOCOL,
    ),
]
Crop = Annotated[
    int,
    typer.Option(
        min=0, metavar="N", help="Leave N pixels out on every side.", rich_help_panel=PROTOCOL
    ),
]
SkipEnds = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="Leave N frames out at the start and at the end of every clip.",
        rich_help_panel=PROTOCOL,
    ),
]
Ssim = Annotated[
    bool,
    typer.Option(
        help="SSIM of luma too, which takes several times as long as everything else.",
        rich_help_panel=PROTOCOL,
    ),
]
MaxFrames = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Compare the first N frames only.", rich_help_panel=ALIGN
    ),
]
Offset = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Compare frame i+N of OUT (and LR) with frame i of REF: 2 drops the first two "
        "frames of OUT, -2 those of REF.",
        rich_help_panel=ALIGN,
    ),
]
Shortest = Annotated[
    bool,
    typer.Option(
        "--shortest",
        help="Stop at the end of the shorter clip instead of refusing.",
        rich_help_panel=ALIGN,
    ),
]
Resize = Annotated[
    bool,
    typer.Option(
        "--resize",
        help="Resize OUT to REF's size by bicubic instead of refusing.",
        rich_help_panel=ALIGN,
    ),
]
Baseline = Annotated[
    Path | None,
    typer.Option(
        metavar="LR",
        help="The low-resolution clip (or folder): adds rows for it upscaled by bicubic and "
        "by Lanczos.",
        rich_help_panel=REPORT,
    ),
]
MinPsnr = Annotated[
    float | None,
    typer.Option(
        metavar="DB",
        help="Exit with status 1 if the headline of an OUT is below.",
        rich_help_panel=REPORT,
    ),
]
Csv = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the figures of every frame.", rich_help_panel=REPORT),
]
Plot = Annotated[
    Path | None,
    typer.Option(metavar="FILE.png", help="Draw PSNR over the frames.", rich_help_panel=REPORT),
]
