"""`vsr degrade`: options in, one library call, a line or JSON out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vsrcli.cli import degrade_options as option
from vsrcli.cli.endings import end_batch, resumable_folder
from vsrcli.cli.options import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    TracebackOption,
)
from vsrcli.console import check_stdout, note, print_json, print_result, progress_bar
from vsrcli.errors import ExitStatus
from vsrcli.notes import counted

if TYPE_CHECKING:
    from vsrcli.degrade import DegradeOptions, DegradeResult


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
    from vsrcli.degrade_folder import is_batch

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
    if is_batch(source):
        _run_batch(source, output, options, json=json, quiet=quiet)
        return
    with progress_bar("Reducing") as progress:
        result = degrade(source, output, options, progress=progress, note=note)
    if json:
        print_json(asdict(result))
    elif not quiet:
        print_result(_result_text(result))
    if result.damaged:
        raise typer.Exit(ExitStatus.DAMAGED)


def _run_batch(
    source: Path, output: Path, options: DegradeOptions, *, json: bool, quiet: bool
) -> None:
    from vsrcli.degrade_folder import degrade_folder

    with resumable_folder(options.overwrite):
        result = degrade_folder(
            source, output, options, progress=lambda name: progress_bar(name), note=note
        )
    for each in () if json or quiet else result.done:
        print_result(_result_text(each))
    end_batch(result, json=json)


def _result_text(result: DegradeResult) -> str:
    """What was done, in one line."""
    width, height = result.size
    settings = " ".join(f"{key} {value}" for key, value in result.encoder_options.items())
    return (
        f"{result.output}: {counted(result.frames, 'frame')} of {width}x{height}, "
        f"{' '.join([result.codec, settings]).strip()}, {result.bytes} bytes"
    )
