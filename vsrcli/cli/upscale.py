"""`vsr upscale`: options in, one library call, what came of it out."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsrcli.cli.options import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    TracebackOption,
    VerboseOption,
)
from vsrcli.cli.upscale_report import batch_text, plan_text, result_text, sizes
from vsrcli.cli.values import OnErrorChoice, parse_options, parse_rate, parse_size, parse_time
from vsrcli.console import detail, note, print_json, print_result, progress_bar
from vsrcli.errors import CheckError, ExitStatus, UsageError

if TYPE_CHECKING:
    from vsrcli.options import UpscaleOptions

SIZE, WHICH, ENCODE, NETWORK, SAFETY = (
    "Size",
    "Which frames",
    "Encoding",
    "Network",
    "Safety and output",
)


def upscale_command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="A video, a picture, an image sequence ('frames/%04d.png' or a folder of "
            "pictures), a folder of videos, or - for standard input.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="A video, a picture, an image sequence, or - for y4m on standard output; of a "
            "folder of videos, a folder or a .tar.",
        ),
    ],
    scale: Annotated[
        float | None,
        typer.Option(
            help="Any factor above 1, up to 8; 4 if no size is given.", rich_help_panel=SIZE
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Exact size.", rich_help_panel=SIZE)
    ] = None,
    height: Annotated[
        int | None, typer.Option(help="Height; the width follows.", rich_help_panel=SIZE)
    ] = None,
    frames: Annotated[
        int,
        typer.Option(
            help="Consecutive frames each output frame is made from, 1 to 31.",
            rich_help_panel=NETWORK,
        ),
    ] = 5,
    tta: Annotated[
        int,
        typer.Option(
            metavar="1|2|4|8",
            help="Average over so many mirrored and turned views: a little better, as many times "
            "slower, and each view has states of its own in memory.",
            rich_help_panel=NETWORK,
        ),
    ] = 1,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Begin here, in seconds or H:MM:SS.", rich_help_panel=WHICH
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="End before this time.", rich_help_panel=WHICH),
    ] = None,
    max_frames: Annotated[
        int | None, typer.Option(help="At most so many frames.", rich_help_panel=WHICH)
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="FPS",
            help="Frame rate of an image sequence, such as 24000/1001; else 25.",
            rich_help_panel=WHICH,
        ),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            help="Video encoder, by FFmpeg's name; else libx264, or what OUT's container takes.",
            rich_help_panel=ENCODE,
        ),
    ] = None,
    crf: Annotated[
        float | None,
        typer.Option(help="Constant rate factor; else 17 for libx264.", rich_help_panel=ENCODE),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Speed preset of the encoder.", rich_help_panel=ENCODE)
    ] = None,
    encoder_option: Annotated[
        list[str] | None,
        typer.Option(
            "--encoder-option",
            "-e",
            metavar="KEY=VALUE",
            help="Any other option of the encoder; may be repeated.",
            rich_help_panel=ENCODE,
        ),
    ] = None,
    pix_fmt: Annotated[
        str | None,
        typer.Option(
            help="Pixel format; else the source's depth and chroma subsampling.",
            rich_help_panel=ENCODE,
        ),
    ] = None,
    no_audio: Annotated[
        bool, typer.Option("--no-audio", help="Leave the sound out.", rich_help_panel=ENCODE)
    ] = False,
    keep_interlaced: Annotated[
        bool,
        typer.Option(
            "--keep-interlaced",
            help="Refuse interlaced input rather than deinterlace it.",
            rich_help_panel=SAFETY,
        ),
    ] = False,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=NETWORK)
    ] = "auto",
    threads: Annotated[
        int, typer.Option(help="CPU threads; 0 is one a core.", rich_help_panel=NETWORK)
    ] = 0,
    tile: Annotated[
        str,
        typer.Option(
            help="auto, off, or the side of a tile in input pixels: less memory.",
            rich_help_panel=NETWORK,
        ),
    ] = "auto",
    precision: Annotated[
        str,
        typer.Option(
            help="auto, fp32, fp16 or int8, as far as the model has it. auto is int8 on a CPU with "
            "instructions for it, fp16 on CUDA.",
            rich_help_panel=NETWORK,
        ),
    ] = "auto",
    model: Annotated[
        str | None,
        typer.Option(help="A model's name or path; else spmc_x4.", rich_help_panel=NETWORK),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Also draw bicubic beside vsr, with zoomed details.",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    on_error: Annotated[
        OnErrorChoice,
        typer.Option(
            help="Frames lost to damage: conceal them by the frame before, skip them, or stop.",
            rich_help_panel=SAFETY,
        ),
    ] = OnErrorChoice.CONCEAL,
    workers: Annotated[
        int,
        typer.Option(help="Processes that share the work.", rich_help_panel=NETWORK),
    ] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="A Dask scheduler whose workers share the work, and the folders.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Forget the finished part of an interrupted job.",
            rich_help_panel=SAFETY,
        ),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Fail if anything of the source would be dropped or converted.",
            rich_help_panel=SAFETY,
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the plan and stop.", rich_help_panel=SAFETY),
    ] = False,
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
        strict=strict,
        overwrite=overwrite,
        restart=restart,
    )
    from vsrcli.batch import is_batch

    if is_batch(source):
        if compare is not None:
            raise UsageError("--compare shows one video; leave it out for a folder of videos")
        _run_batch(source, output, options, dry_run, json)
    else:
        _run_one(source, output, options, compare, dry_run, json)


def _run_one(
    source: Path,
    output: Path,
    options: UpscaleOptions,
    compare: Path | None,
    dry_run: bool,
    json: bool,
) -> None:
    from vsrcli.media.spool import STANDARD, readable_again

    if output == STANDARD and not dry_run and (json or compare is not None):
        other = "--json" if json else "--compare"
        raise UsageError(f"{other}: not together with the output -, which is on stdout already")
    with readable_again(source, output) as kept:
        _run_kept(source, kept, output, options, compare, dry_run, json)


def _run_kept(
    source: Path,
    kept: Path,
    output: Path,
    options: UpscaleOptions,
    compare: Path | None,
    dry_run: bool,
    json: bool,
) -> None:
    """KEPT is SOURCE, or a copy of what came out of it."""
    from vsrcli.upscale import prepare, run

    job = prepare(kept, output, options, note=note)
    plan = replace(job.plan, source=str(source))
    if dry_run:
        print_json(asdict(plan)) if json else print_result(plan_text(plan))
        return
    detail(plan_text(plan))
    note(f"{source.name}: {sizes(plan)}, {plan.model} {plan.precision} on {plan.device}")
    with progress_bar(output.name, plan.frames) as progress:
        result = replace(run(job, progress=progress, note=note), source=str(source))
    if compare is not None:
        from vsrcli.comparison import compare as draw

        draw(kept, output, compare, skip=result.skipped)
    print_json(asdict(result)) if json else note(result_text(result))
    if result.damaged:
        raise typer.Exit(ExitStatus.DAMAGED)


def _run_batch(
    source: Path, output: Path, options: UpscaleOptions, dry_run: bool, json: bool
) -> None:
    from vsrcli.batch import plan_batch, upscale_folder

    if dry_run:
        plans = plan_batch(source, output, options, note=note)
        if json:
            print_json([asdict(plan) for plan in plans])
        for plan in [] if json else plans:
            print_result(plan_text(plan))
        return
    result = upscale_folder(
        source, output, options, progress=lambda name: progress_bar(name), note=note
    )
    print_json(asdict(result)) if json else note(batch_text(result))
    if result.failed:
        raise CheckError(f"{len(result.failed)} of {result.total} videos failed: see above")
    if any(each.damaged for each in result.done):
        raise typer.Exit(ExitStatus.DAMAGED)
