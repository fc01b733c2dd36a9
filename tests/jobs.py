"""Small jobs of `upscale` with short segments, here or in a process of their own.

python -m tests.jobs IN OUT '{"segment": 12, "options": {...}}'
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av

from tests.networks.tiny import TINY
from vsrcli.job import Job, prepare
from vsrcli.options import UpscaleOptions
from vsrcli.upscale import UpscaleResult, run

ROOT = Path(__file__).parents[1]
SEGMENT = 12
"""Frames: enough of them in a short clip."""


def options(**fields: Any) -> UpscaleOptions:
    """Options for the tiny model on the CPU."""
    return UpscaleOptions(**({"model": str(TINY), "device": "cpu"} | fields))


def job_of(source: Path, output: Path, segment: int = SEGMENT, **fields: Any) -> Job:
    """A prepared job with segments of so many frames."""
    job = prepare(source, output, options(**fields), note=lambda text: None)
    return replace(job, segment_frames=segment)


def do(
    source: Path,
    output: Path,
    segment: int = SEGMENT,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    note: Callable[[str], None] = lambda text: None,
    **fields: Any,
) -> UpscaleResult:
    """Prepare a job and do it."""
    return run(job_of(source, output, segment, **fields), progress=progress, note=note)


def start(
    source: Path,
    output: Path,
    segment: int = SEGMENT,
    process_group: int | None = None,
    **fields: Any,
) -> Any:
    """Begin a job in its own process, which prints a line for every frame.

    PROCESS_GROUP: as of `subprocess.Popen`, 0 for one of its own.
    """
    request = json.dumps({"segment": segment, "options": fields})
    command = [sys.executable, "-m", "tests.jobs", str(source), str(output), request]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=process_group,
    )


def video(path: Path) -> list[tuple[int | None, int | None, bytes]]:
    """PTS, DTS and content of all packets of the main video."""
    with av.open(str(path)) as container:
        demuxed = container.demux(container.streams.video[0])
        return [(p.pts, p.dts, bytes(p)) for p in demuxed if p.size]


def main() -> None:
    """Do the job on the command line as `vsr` does one, signals and errors included."""
    import signal

    from vsrcli.errors import VsrError

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # not all are on Windows
            signal.signal(getattr(signal, name), signal.default_int_handler)
    source, output, request = sys.argv[1:]
    wanted = json.loads(request)

    def say(done: int, total: int | None) -> None:
        print(done, flush=True)

    try:
        do(Path(source), Path(output), wanted["segment"], progress=say, **wanted["options"])
    except KeyboardInterrupt:
        sys.exit(130)
    except VsrError as failure:
        print(failure, file=sys.stderr)
        sys.exit(failure.exit_status)


if __name__ == "__main__":
    main()
