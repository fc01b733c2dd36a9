"""`vsr upscale`: options in, one library call, what came of it out."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from fractions import Fraction
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
from vsrcli.console import clock, detail, note, print_json, print_result, progress_bar
from vsrcli.errors import CheckError, ExitStatus, UsageError

if TYPE_CHECKING:
    from vsrcli.batch import BatchResult
    from vsrcli.options import UpscaleOptions
    from vsrcli.upscale import UpscalePlan, UpscaleResult

SIZE, WHICH, ENCODE, NETWORK, SAFETY = (
    "Size",
    "Which frames",
    "Encoding",
    "Network",
    "Safety and output",
)


class OnErrorChoice(StrEnum):
    """What `--on-error` takes."""

    STOP = "stop"
    SKIP = "skip"
    CONCEAL = "conceal"


def upscale_command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="A video, an image sequence ('frames/%04d.png' or a folder of pictures) or a "
            "folder of videos.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="A video, an image sequence pattern; for a folder of videos a folder or a .tar.",
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
            help="auto, fp32, fp16 or int8, as far as the model has it.", rich_help_panel=NETWORK
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
        size=None if size is None else _parse_size(size),
        height=height,
        frames=frames,
        start=_parse_time("--start", start),
        end=_parse_time("--end", end),
        max_frames=max_frames,
        rate=_parse_rate(rate),
        codec=codec,
        crf=crf,
        preset=preset,
        encoder_options=_parse_options(encoder_option or []),
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
    from vsrcli.upscale import prepare, run

    job = prepare(source, output, options, note=note)
    plan = job.plan
    if dry_run:
        print_json(asdict(plan)) if json else print_result(_plan_text(plan))
        return
    detail(_plan_text(plan))
    note(f"{source.name}: {_sizes(plan)}, {plan.model} {plan.precision} on {plan.device}")
    with progress_bar(output.name, plan.frames) as progress:
        result = run(job, progress=progress, note=note)
    if compare is not None:
        from vsrcli.comparison import compare as draw

        draw(source, output, compare, skip=result.skipped)
    print_json(asdict(result)) if json else note(_result_text(result))
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
            print_result(_plan_text(plan))
        return
    result = upscale_folder(
        source, output, options, progress=lambda name: progress_bar(name), note=note
    )
    print_json(asdict(result)) if json else note(_batch_text(result))
    if result.failed:
        raise CheckError(f"{len(result.failed)} of {result.total} videos failed: see above")
    if any(each.damaged for each in result.done):
        raise typer.Exit(ExitStatus.DAMAGED)


def _plan_text(plan: UpscalePlan) -> str:
    frames = "unknown number of" if plan.frames is None else f"about {plan.frames}"
    encoder = " ".join(f"{key}={value}" for key, value in plan.encoder_options.items())
    lines = [
        f"{plan.source} -> {plan.output}",
        f"  size     {_sizes(plan)}",
        f"  frames   {frames}, each from a window of {plan.window}",
        f"  network  {plan.model} {plan.precision} on {plan.device}, tile {plan.tile}",
        f"  encoder  {plan.codec} {plan.pix_fmt} {encoder}".rstrip(),
    ]
    lines += [f"  keep     {stream}" for stream in plan.kept]
    lines += [f"  convert  {stream} to {codec}" for stream, codec in plan.converted]
    lines += [f"  drop     {why}" for _, why in plan.dropped]
    return "\n".join(lines)


def _sizes(plan: UpscalePlan) -> str:
    (width, height), (wider, higher) = plan.size_in, plan.size_out
    return f"{width}x{height} -> {wider}x{higher}"


def _result_text(result: UpscaleResult) -> str:
    width, height = result.size
    text = (
        f"{result.output}: {width}x{height}, {result.frames} frames in {clock(result.seconds)}, "
        f"{result.frames_per_second:.2f} fps"
    )
    if result.concealed:
        text += f", {result.concealed} damaged frames concealed"
    if result.left_out:
        text += f", {result.left_out} damaged frames left out"
    return text + (", the source ended early" if result.truncated else "")


def _batch_text(result: BatchResult) -> str:
    return f"{len(result.done)} of {result.total} videos done in {clock(result.seconds)}"


def _parse_size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise UsageError(f"--size {text}: write it as WIDTHxHEIGHT, such as 1920x1080")
    return int(width), int(height)


def _parse_time(option: str, text: str | None) -> Fraction | None:
    if text is None:
        return None
    seconds = Fraction(0)
    try:
        for part in text.split(":"):
            seconds = seconds * 60 + Fraction(part)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{option} {text}: write seconds or H:MM:SS, such as 1:02.5") from None
    return seconds


def _parse_rate(text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise UsageError(f"--rate {text}: write frames a second, such as 25 or 30000/1001")
    return rate


def _parse_options(pairs: list[str]) -> dict[str, str]:
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise UsageError(f"-e {pair}: write it as KEY=VALUE, such as -e tune=film")
        options[key] = value
    return options
