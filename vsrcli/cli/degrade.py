"""`vsr degrade`: options in, one library call, a line or JSON out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from vsrcli.cli.options import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    TracebackOption,
    VerboseOption,
)
from vsrcli.console import note, print_json, print_result, progress_bar

REDUCE, ENCODE = "Reduction", "Encoding"


def degrade_command(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A video, a picture or an image sequence.")
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="A video; for bi and bd also a picture or an image sequence, .png or .tif.",
        ),
    ],
    scale: Annotated[
        float, typer.Option(help="Above 1; sizes are rounded down.", rich_help_panel=REDUCE)
    ] = 4.0,
    kind: Annotated[
        Literal["contest", "bi", "bd"],
        typer.Option(
            help="contest: FFmpeg's scale filter (swscale bicubic), then x264. bi: MATLAB's "
            "imresize, anti-aliased bicubic with a = -0.5. bd: Gaussian blur of sigma 1.6 at 1/4 "
            "(0.4 x scale), then every scale-th pixel, centre aligned as BasicVSR and later, not "
            "top left as DUF, FRVSR and RRN. bi and bd are written without loss.",
            rich_help_panel=REDUCE,
        ),
    ] = "contest",
    noise: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SIGMA",
            help="Add Gaussian noise to every colour plane, on the scale of 8 bits.",
            rich_help_panel=REDUCE,
        ),
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise.", rich_help_panel=REDUCE)] = 0,
    max_frames: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Only the first N frames.", rich_help_panel=REDUCE),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            help="FFmpeg's encoder. By default libx264; for bi and bd, unless --crf is given, ffv1 "
            "or, where the container cannot hold that, lossless libx264.",
            rich_help_panel=ENCODE,
        ),
    ] = None,
    crf: Annotated[
        float | None,
        typer.Option(help="Rate factor. By default 21 for contest.", rich_help_panel=ENCODE),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Encoder preset. By default slow for contest.", rich_help_panel=ENCODE),
    ] = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    traceback: TracebackOption = False,
) -> None:
    """Make the low-resolution video that a super-resolution test starts from.

    The default is the contest's degradation, the same as
    ffmpeg -vf scale=iw/4:ih/4 -c:v libx264 -preset slow -crf 21.

    Sound, subtitles and everything else of the source are kept.
    """
    from vsrcli.degrade import DegradeOptions, degrade

    options = DegradeOptions(
        kind=kind,
        scale=scale,
        crf=crf,
        preset=preset,
        codec=codec,
        noise=noise,
        seed=seed,
        max_frames=max_frames,
        overwrite=overwrite,
    )
    with progress_bar("Reducing") as progress:
        result = degrade(source, output, options, progress=progress, note=note)
    if json:
        print_json(asdict(result))
    elif not quiet:
        width, height = result.size
        settings = " ".join(f"{key} {value}" for key, value in result.encoder_options.items())
        print_result(
            f"{result.output}: {result.frames} frames of {width}x{height}, "
            f"{' '.join([result.codec, settings]).strip()}, {result.bytes} bytes"
        )
