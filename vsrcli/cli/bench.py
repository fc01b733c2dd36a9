"""`vsr bench`: options in, one library call, tables or JSON out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsrcli.cli.options import JsonOption, QuietOption, TracebackOption, VerboseOption
from vsrcli.console import note, print_json, print_result
from vsrcli.errors import UsageError

if TYPE_CHECKING:
    from vsrcli.measuring import Case

ROWS = "Which rows"


def bench_command(
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="All standard sizes (180x144, 480x270, 640x360, 1280x720), x2 and x4, windows of "
            "3 and 5 frames.",
            rich_help_panel=ROWS,
        ),
    ] = False,
    size: Annotated[
        list[str] | None,
        typer.Option(metavar="WxH", help="Size of the input. Repeatable.", rich_help_panel=ROWS),
    ] = None,
    scale: Annotated[
        list[float] | None,
        typer.Option(help="Above 1, up to 8; else 4. Repeatable.", rich_help_panel=ROWS),
    ] = None,
    frames: Annotated[
        list[int] | None,
        typer.Option(help="Frames in a window; else 5. Repeatable.", rich_help_panel=ROWS),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help="fp32, fp16 or int8; else all the model has that suit the device. Repeatable.",
            rich_help_panel=ROWS,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="auto, cpu, cuda or cuda:N; else every one.", rich_help_panel=ROWS),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A shipped model's name, or the path of a model's files.", rich_help_panel=ROWS
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            help="For each row; half of it for the network alone, half for a whole job. A few "
            "frames are made even if that takes longer."
        ),
    ] = 6.0,
    compare: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Compare with what an earlier --json printed."),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    traceback: TracebackOption = False,
) -> None:
    """Measure how fast this machine is.

    For each device and precision: the network alone, and a whole job from file to file with its
    stages, each in a process of its own, on a clip made for the purpose.
    """
    from vsrcli.bench import BenchOptions, bench, earlier_rows
    from vsrcli.cli.bench_report import as_json, table

    options = BenchOptions(
        full=full,
        sizes=tuple(_size(each) for each in size or ()),
        scales=tuple(scale or ()),
        frames=tuple(frames or ()),
        precisions=tuple(precision or ()),
        device=device,
        model=model,
        seconds=seconds,
    )
    earlier = earlier_rows(compare) if compare else None
    report = bench(options, progress=_announce, note=note)
    if json:
        print_json(as_json(report, earlier))
    else:
        print_result(table(report, earlier))
    for text in dict.fromkeys(text for row in report.rows for text in row.notes):
        note(text)


def _announce(done: int, total: int, case: Case) -> None:
    note(f"measuring {done + 1} of {total}: {case}")


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None:
        raise UsageError(f"--size {text!r}: give it as WIDTHxHEIGHT, such as 480x270")
    return int(match[1]), int(match[2])
