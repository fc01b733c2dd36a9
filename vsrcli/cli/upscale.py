"""`vsr upscale`: options in, one library call, what came of it out."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vsrcli.cli import upscale_options as option
from vsrcli.cli.endings import end_batch, resumable, resumable_folder
from vsrcli.cli.options import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    TracebackOption,
    VerboseOption,
)
from vsrcli.cli.upscale_report import plan_text, result_text, sizes
from vsrcli.cli.values import OnErrorChoice, parse_options, parse_rate, parse_size, parse_time
from vsrcli.console import (
    detail,
    note,
    print_json,
    print_result,
    progress_bar,
    tell_failures,
)
from vsrcli.errors import CheckError, ExitStatus, UsageError

if TYPE_CHECKING:
    from vsrcli.options import UpscaleOptions


def upscale_command(
    source: option.Source,
    output: option.Output,
    scale: option.Scale = None,
    size: option.Size = None,
    width: option.Width = None,
    height: option.Height = None,
    frames: option.Frames = 5,
    tta: option.Tta = 1,
    start: option.Start = None,
    end: option.End = None,
    max_frames: option.MaxFrames = None,
    rate: option.Rate = None,
    double_rate: option.DoubleRate = False,
    inverse_telecine: option.InverseTelecine = False,
    codec: option.Codec = None,
    crf: option.Crf = None,
    preset: option.Preset = None,
    encoder_option: option.EncoderOption = None,
    pix_fmt: option.PixFmt = None,
    no_audio: option.NoAudio = False,
    keep_interlaced: option.KeepInterlaced = False,
    device: option.Device = "auto",
    threads: option.Threads = 0,
    tile: option.Tile = "auto",
    precision: option.Precision = "auto",
    model: option.Model = None,
    compare: option.Compare = None,
    on_error: option.OnError = OnErrorChoice.CONCEAL,
    workers: option.Workers = 1,
    cluster: option.Cluster = None,
    overwrite: OverwriteOption = False,
    restart: option.Restart = False,
    strict: option.Strict = False,
    dry_run: option.DryRun = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    traceback: TracebackOption = False,
) -> None:
    """Enlarge a video with detail recovered from its neighbouring frames.

    Sound, subtitles, chapters, tags, timestamps, colour and rotation are kept.

    An interrupted job goes on where it stopped when the same command is given again.
    """
    from vsrcli.options import UpscaleOptions

    options = UpscaleOptions(
        scale=scale,
        size=None if size is None else parse_size(size),
        width=width,
        height=height,
        frames=frames,
        tta=tta,
        start=parse_time("--start", start),
        end=parse_time("--end", end),
        max_frames=max_frames,
        rate=parse_rate(rate),
        codec=codec,
        crf=crf,
        preset=preset,
        encoder_options=parse_options(encoder_option or []),
        pix_fmt=pix_fmt,
        device=device,
        threads=threads,
        tile=int(tile) if tile.isdecimal() else tile,
        precision=precision,
        model=model,
        on_error=on_error.value,
        workers=workers,
        cluster=cluster,
        audio=not no_audio,
        deinterlace=not keep_interlaced,
        double_rate=double_rate,
        inverse_telecine=inverse_telecine,
        strict=strict,
        overwrite=overwrite,
        restart=restart,
    )
    from vsrcli.upscale_folder import is_batch

    if is_batch(source, output, options, note):
        if compare is not None:
            raise UsageError("--compare shows one video; leave it out for several")
        _run_batch(source, output, options, dry_run=dry_run, json=json)
    else:
        _run_one(source, output, options, compare, dry_run=dry_run, json=json)


def _run_one(
    source: Path,
    output: Path,
    options: UpscaleOptions,
    compare: Path | None,
    *,
    dry_run: bool,
    json: bool,
) -> None:
    from vsrcli.goal import SEGMENTED
    from vsrcli.job import prepare, try_encoder
    from vsrcli.media.spool import STANDARD, naming, readable_again
    from vsrcli.upscale import run

    if output == STANDARD and not dry_run and (json or compare is not None):
        other = "--json" if json else "--compare"
        raise UsageError(f"{other}: not together with the output -, which is on stdout already")
    with readable_again(source, output) as kept:
        tell = naming(source, kept, note)
        job = prepare(kept, output, options, note=tell)
        if compare is not None:
            from vsrcli.comparison import check_page

            check_page(compare, kept, output, job.goal.names, overwrite=options.overwrite)
        plan = replace(job.plan, source=str(source))
        if dry_run:
            try_encoder(job)
            print_json(asdict(plan)) if json else print_result(plan_text(plan))
            return
        detail(plan_text(plan))
        note(f"{source.name}: {sizes(plan)}, {plan.model} {plan.precision} on {plan.device}")
        goes_on = resumable(job.goal.form in SEGMENTED)
        with goes_on, progress_bar(output.name, plan.frames) as progress:
            result = replace(run(job, progress=progress, note=tell), source=str(source))
        if compare is not None:
            from vsrcli.comparison import compare as draw

            skip, overwrite = result.skipped, options.overwrite
            draw(kept, output, compare, info=job.info, skip=skip, overwrite=overwrite)
        print_json(asdict(result)) if json else note(result_text(result))
    if result.damaged:
        raise typer.Exit(ExitStatus.DAMAGED)


def _run_batch(
    source: Path, output: Path, options: UpscaleOptions, *, dry_run: bool, json: bool
) -> None:
    from vsrcli.upscale_folder import is_tar, plan_batch, upscale_folder

    if dry_run:
        planned = plan_batch(source, output, options, note=note)
        if json:
            print_json([asdict(plan) for plan in planned.plans])
        for plan in [] if json else planned.plans:
            print_result(plan_text(plan))
        if planned.failed:
            tell_failures(why for _, why in planned.failed)
            failed = f"{len(planned.failed)} of {planned.total} files would fail: see above"
            raise CheckError(failed)
        return
    with resumable_folder(options.overwrite and not is_tar(output)):
        result = upscale_folder(
            source, output, options, progress=lambda name: progress_bar(name), note=note
        )
    tar = f"; {output} is not written until all succeed" if is_tar(output) else ""
    end_batch(result, json=json, more=tar)
