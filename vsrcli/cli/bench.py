"""`vsr bench`: options in, one library call, tables or JSON out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vsrcli.cli import bench_options as option
from vsrcli.cli.options import JsonOption, QuietOption, TracebackOption
from vsrcli.console import note, print_json, print_result
from vsrcli.errors import UsageError

if TYPE_CHECKING:
    from vsrcli.measuring import Case


def bench_command(
    full: option.Full = False,
    size: option.Size = None,
    scale: option.Scale = None,
    frames: option.Frames = None,
    precision: option.Precision = None,
    device: option.Device = None,
    model: option.Model = None,
    seconds: option.Seconds = 6.0,
    compare: option.Compare = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    traceback: TracebackOption = False,
) -> None:
    """Measure how fast this machine is.

    For each device and precision: the network alone, and a whole job from file
    to file with its stages, each in a process of its own, on a clip made for the
    purpose.
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
