"""Measurements as text tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from models.spmc.analysis import Record


def pivot(
    title: str,
    records: Sequence[Record],
    column: str,
    values: Sequence[str],
    formats: Sequence[str],
    row: str = "clip",
) -> str:
    """Records as a text table: a line for each ROW, a column for each COLUMN, then the mean."""
    columns = list(dict.fromkeys(str(record[column]) for record in records))
    lines: dict[str, dict[str, Record]] = {}
    for record in records:
        lines.setdefault(str(record[row]), {})[str(record[column])] = record
    if len(lines) > 1:
        # Means of different clips would invite comparison: a column with a gap gets none.
        complete = {
            name: [line[name] for line in lines.values()]
            for name in columns
            if all(name in line for line in lines.values())
        }
        lines["mean"] = {
            name: {value: fmean(float(r[value]) for r in found if value in r) for value in values}
            for name, found in complete.items()
        }

    def cell(record: Record | None) -> str:
        if record is None:
            return "-"
        shown = zip(values, formats, strict=True)
        return " ".join(f"{record[value]:{form}}" for value, form in shown if value in record)

    grid = [["", *columns]]
    grid += [[name, *(cell(line.get(each)) for each in columns)] for name, line in lines.items()]
    widths = [max(len(line[at]) for line in grid) for at in range(len(grid[0]))]
    text = [
        "  ".join(part.rjust(width) if at else part.ljust(width) for at, (part, width) in pairs)
        for pairs in (list(enumerate(zip(line, widths, strict=True))) for line in grid)
    ]
    return "\n".join([title, *text, ""])


def spread(records: Sequence[Record], columns: Sequence[str]) -> list[Record]:
    """A record for every figure in COLUMNS, which then stands under "of" with its "value"."""
    return [
        {**record, "of": name, "value": record[name]}
        for record in records
        for name in columns
        if name in record
    ]


def show_psnr(records: Sequence[Record]) -> str:
    """PSNR-Y and SSIM for each scale and input; RGB below where there is any."""
    parts = []
    for scale, kind in dict.fromkeys((r["scale"], r["input"]) for r in records):
        chosen = [r for r in records if (r["scale"], r["input"]) == (scale, kind)]
        title = f"PSNR-Y (dB) and SSIM, x{scale:g}, {kind}"
        parts.append(pivot(title, chosen, "method", ("psnr_y", "ssim"), (".2f", ".4f")))
        if "psnr_rgb" in chosen[0]:
            title = f"PSNR of RGB, pooled (dB), x{scale:g}, {kind}"
            parts.append(pivot(title, chosen, "method", ("psnr_rgb",), (".2f",)))
    return "\n".join(parts)


def show_details(records: Sequence[Record]) -> str:
    """Consecutive and identical frames for each N, and what is gained."""
    parts = []
    for count in dict.fromkeys(record["frames"] for record in records):
        chosen = [
            {**r, "gain": float(r["consecutive"]) - float(r["identical"])}
            for r in records
            if r["frames"] == count
        ]
        columns = spread(chosen, ("consecutive", "identical", "gain"))
        title = f"Are the details real? PSNR-Y (dB), x4, bi, {count} frames"
        parts.append(pivot(title, columns, "of", ("value",), (".2f",)))
    return "\n".join(parts)


def show_time(records: Sequence[Record]) -> str:
    """tOF and warping error; and how much the truth moves."""
    parts = []
    for kind in dict.fromkeys(record["input"] for record in records):
        chosen = [record for record in records if record["input"] == kind]
        title = f"Temporal consistency, x4, {kind}: tOF (HR pixels) and warping error (levels, RMS)"
        parts.append(pivot(title, chosen, "method", ("tof", "warping"), (".3f", ".2f")))
    moved = [record for record in records if "motion" in record and record["input"] == "bi"]
    title = "Mean motion of the truth (HR pixels a frame)"
    return "\n".join([*parts, pivot(title, moved, "method", ("motion",), (".3f",))])


def show_motion(records: Sequence[Record]) -> str:
    """End-point error for each estimator."""
    estimators = {
        "network": "the network, mean over the picture",
        "network median": "the network, median over the picture",
        "phase correlation": "skimage's phase_cross_correlation (one vector a picture)",
    }
    return "\n".join(
        pivot(
            f"End-point error (LR pixels) by true shift, {text}", records, "shift", (of,), (".3f",)
        )
        for of, text in estimators.items()
    )


def show_drift(records: Sequence[Record]) -> str:
    """Early and late PSNR-Y of each shot."""
    parts = []
    for shot in ("static", "pan"):
        chosen = [
            {**r, "late - early": float(r["late"]) - float(r["early"])}
            for r in records
            if r["shot"] == shot
        ]
        columns = spread(chosen, ("bicubic", "early", "late", "late - early", "least"))
        title = f"Drift, {shot}: PSNR-Y (dB), x4, bi, frames 10-59 and the last 50"
        parts.append(pivot(title, columns, "of", ("value",), (".3f",)))
    return "\n".join(parts)


def show_channels(records: Sequence[Record]) -> str:
    """Channels of every convolution, and those used on each clip."""
    title = "Channels in use (principal components that vary by 1 % of the first or more)"
    total = [{**record, "clip": "of", "used": record["channels"]} for record in records]
    return _without_mean(
        pivot(title, [*total, *records], "clip", ("used",), (".0f",), row="convolution")
    )


def show_ablation(records: Sequence[Record]) -> str:
    """PSNR-Y of every network after the same training."""
    parameters, steps = records[0]["parameters"], records[0]["steps"]
    title = (
        f"Ablation: PSNR-Y (dB), x4, bi; {parameters:,} parameters and {steps:,} steps from "
        "nothing each"
    )
    means = [
        {
            "network": name,
            "clip": "mean",
            "psnr_y": fmean(float(r["psnr_y"]) for r in records if r["network"] == name),
        }
        for name in dict.fromkeys(record["network"] for record in records)
    ]
    text = pivot(title, [*records, *means], "clip", ("psnr_y",), (".2f",), row="network")
    return _without_mean(text)


def _without_mean(table: str) -> str:
    """A TABLE of `pivot` without its last line, the mean over lines that are no clips."""
    return table[: table.rindex("\nmean ")] + "\n"


SHOW: dict[str, Callable[[Sequence[Record]], str]] = {
    "psnr": show_psnr,
    "details": show_details,
    "time": show_time,
    "motion": show_motion,
    "drift": show_drift,
    "channels": show_channels,
    "ablation": show_ablation,
}
