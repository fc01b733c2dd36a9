"""The report of `vsr bench` as tables and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vsrcli.cli.columns import aligned, shown
from vsrcli.console import clock

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vsrcli.bench import BenchReport, BenchRow
    from vsrcli.machine import Machine

_COLUMNS = ("decode", "motion", "fusion", "resampling", "encode")
_PAPER_SIZE = (180, 144)
"""Input of the clips the paper measured time on."""
_LEGEND = (
    "s: seconds per output frame, all of the time by the number of frames. Network: luma in memory "
    "to luma in memory, motion beside fusion as in a job. Job: file to file with the default "
    "encoder. Peak: memory of the job. Then the job's time in %: decoding, motion, fusion, "
    "resampling of chroma and everything else done to planes, encoding (what it keeps the job "
    "waiting), and the rest, opening the network included (once, so less in longer jobs). They "
    "overlap: the sum may exceed 100."
)
_PAPER_LEGEND = (
    "Seconds per frame at x4. The paper's figures (Tao et al., Detail-revealing Deep Video "
    "Super-resolution, ICCV 2017) are from its hardware, for SPMC a Titan X GPU, and were not "
    "measured here."
)


def table(report: BenchReport, earlier: Sequence[BenchRow] | None = None) -> RenderableType:
    """What was measured; how that compares with `earlier`; the paper's running times."""
    from rich.console import Group
    from rich.text import Text

    parts = [
        describe(report.machine),
        f"Model: {report.model}",
        "",
        aligned(_measured(report.rows), headers=2),
        *(f"{_label(row)}: {row.failure}" for row in report.rows if row.failure),
        _LEGEND,
    ]
    if earlier is not None:
        parts += ["", aligned(_compared(report.rows, earlier), headers=2)]
    parts += ["", aligned(_paper(report.rows)), _PAPER_LEGEND]
    return Group(*map(Text, parts))


def describe(machine: Machine) -> str:
    """The machine in one line."""
    facts = [f"{machine.processor}, {machine.cores} cores"]
    if machine.dot_products is not None:
        how = "with" if machine.dot_products else "without"
        facts[0] += f" {how} dot products of bytes"
    if machine.memory is not None:
        facts.append(f"{machine.memory / 2**30:.0f} GiB")
    facts += [machine.system, f"onnxruntime {machine.onnxruntime}", f"vsr {machine.vsr}"]
    return ", ".join(facts)


def _measured(rows: Sequence[BenchRow]) -> list[list[str]]:
    """Two rows of headers, then one for each measurement; they fit into 80 columns."""
    columns = [["", "Device"], ["", "input"], ["", "x"], ["", "N"]]
    columns += [["network", "s"], ["", "fps"], ["job", "s"], ["", "fps"], ["peak", "MiB"]]
    columns += [[stage, "%"] for stage in ("dec", "mot", "fus", "res", "enc", "rest")]
    found = [list(header) for header in zip(*columns, strict=True)]
    for row in rows:
        shares = row.shares
        figures = [_seconds(row.network_seconds), _rate(row.network_seconds)]
        figures += [_seconds(row.job_seconds), _rate(row.job_seconds), _mebibytes(row.job_memory)]
        figures += [f"{100 * shares.get(stage, 0):.0f}" if shares else "–" for stage in _COLUMNS]
        rest = shares.get("opening", 0) + shares.get("rest", 0)
        figures.append(f"{100 * rest:.0f}" if shares else "–")
        size = f"{row.width}x{row.height}"
        found.append(
            [f"{row.device} {row.precision}", size, f"{row.scale:g}", str(row.frames), *figures]
        )
    return found


def _compared(rows: Sequence[BenchRow], earlier: Sequence[BenchRow]) -> list[list[str]]:
    before = {row.key: row for row in earlier}
    found = [
        ["", "network", "", "times", "job", "", "times"],
        ["", "before", "now", "as fast", "before", "now", "as fast"],
    ]
    for row in rows:
        old = before.get(row.key)
        figures: list[str] = []
        for name in ("network_seconds", "job_seconds"):
            then, now = getattr(old, name, None), getattr(row, name)
            figures += [_seconds(then), _seconds(now), shown(_ratio(then, now), 2)]
        found.append([_label(row), *figures])
    return found


def _paper(rows: Sequence[BenchRow]) -> list[list[str]]:
    """The paper's running times, and below them ours at x4 for the size nearest to its own."""
    from vsrcli.bench import PAPER

    found = [["Running time", "frames", "s per frame", ""]]
    for each in PAPER:
        frames = "" if each.frames is None else str(each.frames)
        found.append([f"{each.method} (paper)", frames, f"{each.seconds:g}", _words(each.seconds)])
    ours = [row for row in rows if row.scale == 4 and row.job_seconds is not None]
    pixels = _PAPER_SIZE[0] * _PAPER_SIZE[1]
    nearest = min((abs(row.width * row.height - pixels) for row in ours), default=0)
    for row in ours:
        if abs(row.width * row.height - pixels) == nearest:
            name = f"vsr {row.device} {row.precision} {row.width}x{row.height}"
            frames = str(row.frames)
            found.append([f"{name}, network", frames, _seconds(row.network_seconds), ""])
            found.append([f"{name}, whole job", frames, _seconds(row.job_seconds), ""])
    return found


def _label(row: BenchRow) -> str:
    return (
        f"{row.device} {row.precision} {row.width}x{row.height} x{row.scale:g} {row.frames} frames"
    )


def _words(seconds: float) -> str:
    return clock(seconds) if seconds >= 60 else ""


def _seconds(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "–"
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 1 else f"{value:.2f}"


def _rate(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{1 / seconds:.2f}" if seconds > 0.1 else f"{1 / seconds:.1f}"


def _mebibytes(value: int | None) -> str:
    return "–" if value is None else f"{value / 2**20:.0f}"


def _ratio(then: float | None, now: float | None) -> float | None:
    """How many times as fast as then."""
    return then / now if then and now else None


def as_json(report: BenchReport, earlier: Sequence[BenchRow] | None = None) -> dict[str, Any]:
    """Everything that was measured; with `earlier`, each row says how many times as fast it is."""
    from vsrcli.bench import PAPER

    before = {row.key: row for row in earlier or ()}
    return {
        "machine": asdict(report.machine),
        "model": report.model,
        "rows": [
            _row_json(row, before.get(row.key), compared=earlier is not None) for row in report.rows
        ],
        "paper": [asdict(each) for each in PAPER],
    }


def _row_json(row: BenchRow, old: BenchRow | None, *, compared: bool) -> dict[str, Any]:
    found = asdict(row) | {
        "network_fps": 1 / row.network_seconds if row.network_seconds else None,
        "job_fps": 1 / row.job_seconds if row.job_seconds else None,
        "further_seconds": row.further_seconds,
        "shares": row.shares,
    }
    if compared:
        for name in ("network", "job"):
            field = f"{name}_seconds"
            found[f"{name}_times_as_fast"] = _ratio(getattr(old, field, None), getattr(row, field))
    return found
