"""`vsr degrade`: options in, one library call, a line or JSON out."""

from __future__ import annotations

from dataclasses import asdict

import typer

from vsrcli.cli import degrade_options as option
from vsrcli.cli.options import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    TracebackOption,
)
from vsrcli.console import check_stdout, note, print_json, print_result, progress_bar
from vsrcli.errors import ExitStatus
from vsrcli.notes import counted


def degrade_command(
    source: option.Source,
    output: option.Output,
    scale: option.Scale = 4.0,
    kind: option.Kind = "contest",
    noise: option.Noise = 0.0,
    seed: option.Seed = 0,
    max_frames: option.MaxFrames = None,
    codec: option.Codec = None,
    crf: option.Crf = None,
    preset: option.Preset = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    traceback: TracebackOption = False,
) -> None:
    """Make the low-resolution video that a super-resolution test starts from.

    The default is the contest's degradation, the same as
    ffmpeg -vf scale=iw/4:ih/4 -c:v libx264 -preset slow -crf 21.

    Sound, subtitles and everything else of the source are kept.
    """
    from vsrcli.degrade import DegradeOptions, degrade

    if not quiet:
        check_stdout()
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
            f"{result.output}: {counted(result.frames, 'frame')} of {width}x{height}, "
            f"{' '.join([result.codec, settings]).strip()}, {result.bytes} bytes"
        )
    if result.damaged:
        raise typer.Exit(ExitStatus.DAMAGED)
