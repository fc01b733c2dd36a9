"""What `vsr degrade` can be told, as the command line shows it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

REDUCE, ENCODE = "Reduction", "Encoding"

Source = Annotated[
    Path,
    typer.Argument(
        metavar="IN",
        help="A video, a picture, an image sequence ('frames/%04d.png' or a folder of "
        "pictures), a folder of videos, or - for standard input.",
    ),
]
Output = Annotated[
    Path,
    typer.Argument(
        metavar="OUT",
        help="A video; for bi and bd also a picture or an image sequence (.png, .tif) or, for "
        "pictures, a folder. For a folder of videos a folder, each under its own name.",
    ),
]
Scale = Annotated[
    float, typer.Option(help="Above 1; sizes are rounded down.", rich_help_panel=REDUCE)
]
Kind = Annotated[
    Literal["contest", "bi", "bd"],
    typer.Option(
        help="contest: FFmpeg's scale filter (swscale bicubic), then x264. bi: MATLAB's "
        "imresize, anti-aliased bicubic with a = -0.5. bd: Gaussian blur of sigma 1.6 at 1/4 "
        "(0.4 x scale), then every scale-th pixel, centre aligned as BasicVSR and later, not "
        "top left as DUF, FRVSR and RRN. bi and bd are written without loss; video that "
        "becomes pictures is reduced in RGB.",
        rich_help_panel=REDUCE,
    ),
]
Noise = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SIGMA",
        help="Add Gaussian noise to every colour plane, on the scale of 8 bits.",
        rich_help_panel=REDUCE,
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the noise.", rich_help_panel=REDUCE)]
MaxFrames = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Only the first N frames.", rich_help_panel=REDUCE),
]
Codec = Annotated[
    str | None,
    typer.Option(
        help="FFmpeg's encoder. By default libx264, or libvpx-vp9 for WebM; for bi and bd, unless "
        "--crf is given, ffv1 or, where the container cannot hold it, one of those two, lossless.",
        rich_help_panel=ENCODE,
    ),
]
Crf = Annotated[
    float | None,
    typer.Option(help="Rate factor. By default 21 for contest.", rich_help_panel=ENCODE),
]
Preset = Annotated[
    str | None,
    typer.Option(help="Encoder preset. By default slow for contest.", rich_help_panel=ENCODE),
]
