"""`vsr doctor`: what works on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsrcli.cli.options import JsonOption, TracebackOption
from vsrcli.console import print_json, print_result
from vsrcli.errors import CheckError

if TYPE_CHECKING:
    from vsrcli.doctor import Diagnosis, Trial


def doctor_command(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Where outputs would go; else the current folder."),
    ] = None,
    json: JsonOption = False,
    traceback: TracebackOption = False,
) -> None:
    """Say what works here: versions, devices, encoders, models, disk space.

    Every device and encoder is really opened. Put what this prints into a bug report.
    """
    from vsrcli.doctor import examine

    found = examine(folder)
    print_json(asdict(found)) if json else print_result(_text(found))
    if found.problems:
        many = "a problem" if len(found.problems) == 1 else f"{len(found.problems)} problems"
        raise CheckError(f"{many}: {'; '.join(found.problems)}")


def _text(found: Diagnosis) -> str:
    lines = [f"{name:<14} {number}" for name, number in found.versions.items()]
    memory = "unknown" if found.memory is None else f"{found.memory / 2**30:.1f} GiB"
    lines += [
        f"{'runtime':<14} {', '.join(found.runtimes) or 'none'}",
        f"{'cores':<14} {found.cores}, memory free {memory}",
        *(_line("device", trial) for trial in found.devices),
        *(_line("encoder", trial) for trial in found.encoders),
    ]
    for model in found.models:
        state = model.obstacle or "ok"
        lines.append(f"{'model':<14} {model.name:<24} {model.sha256[:16]} {state}")
    free = "unknown" if found.free is None else f"{found.free / 2**30:.1f} GiB"
    lines.append(f"{'disk':<14} {free} free in {found.folder}")
    return "\n".join([*lines, *(f"{'problem':<14} {text}" for text in found.problems)])


def _line(kind: str, trial: Trial) -> str:
    return f"{kind:<14} {trial.name:<24} {trial.obstacle or 'ok'}"
