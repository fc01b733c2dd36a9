"""Point `vsr upscale` at damaged files and see that every end is a good one.

    python -m tests.fuzz.run --cases 10000 --seed 1 [--keep FOLDER]

One interpreter imports everything once; every case is a process forked from it, with limits on
memory and time. A good end is: an output that can be read and exit status 0 or 7, or no output and
one sentence; in either case nothing left behind, no traceback, no signal, no more memory than
`MEMORY`. Status 0 also means that no frame is missing. Before that every file is given as it is,
undamaged: then a status of 7 would be a false alarm.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer

from tests.fuzz.mutations import mutate
from tests.fuzz.seeds import Seed, seeds
from tests.networks.tiny import TINY
from vsrcli import upscale_folder  # noqa: F401  imports what the children need
from vsrcli.cli import app
from vsrcli.errors import InputError
from vsrcli.media.sources import main_video, opened

MEMORY = 800 << 20
"""Bytes a job on a small file may take, interpreter and libraries included."""
ADDRESSES = 3 << 30
"""Bytes of addresses beyond what the interpreter has: what asks for more gets an error."""
CPU_SECONDS = 20
SECONDS = 120
"""Of the clock: a case may have to wait for others, but not for ever."""
FRAMES = 12
_TOLD_EVERY = 500
EXPECTED = {0, 3, 4, 5, 7}
"""Exit statuses a damaged input may lead to; 2 would blame the user, 1 is unexpected."""


@dataclass(frozen=True, slots=True)
class End:
    """How a case ended."""

    status: int
    complaint: str | None
    """What is wrong about that; None: nothing."""


def run_case(data: bytes, seed: Seed, folder: Path) -> End:
    """Upscale DATA, called as SEED is, in a child; the folder is removed again."""
    try:
        return _run_case(data, seed, folder)
    finally:
        shutil.rmtree(folder)


def _run_case(data: bytes, seed: Seed, folder: Path) -> End:
    folder.mkdir()
    source, output, errors = folder / seed.name, folder / "out.mkv", folder / "stderr"
    source.write_bytes(data)
    gc.collect()  # a filter graph freed in the child would wait for its threads for ever
    child = os.fork()
    if not child:
        _child(source, output, errors)
    _, wait, usage = os.wait4(child, 0)
    said = errors.read_text(errors="replace")
    errors.unlink()
    status = os.waitstatus_to_exitcode(wait)
    if status < 0:
        return End(status, f"killed by {signal.Signals(-status).name}")
    complaint = _complaint(status, said, output, seed, source)
    left = {path.name for path in folder.iterdir()} - {seed.name, "out.mkv"}
    if status == 4:  # what is finished waits for another try
        left -= {"out.mkv.vsr"}
    if complaint is None and left:
        complaint = f"left behind: {left}"
    if complaint is None and usage.ru_maxrss * 1024 > MEMORY:
        complaint = f"took {usage.ru_maxrss >> 10} MB"
    return End(status, complaint)


def _child(source: Path, output: Path, errors: Path) -> None:
    """Be `vsr` with limits; does not return."""
    status = 99
    try:
        stream = os.open(errors, os.O_WRONLY | os.O_CREAT)
        os.dup2(stream, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        spent = int(time.process_time())
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESSES,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (spent + CPU_SECONDS,) * 2)
        signal.alarm(SECONDS)
        arguments = ["--model", str(TINY), "--device", "cpu", "--threads", "1", "--scale", "2"]
        arguments += ["--preset", "ultrafast", "--max-frames", str(FRAMES)]
        app(["upscale", *arguments, "--", str(source), str(output)], prog_name="vsr")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as failure:
        os.write(2, f"Traceback of {failure!r}".encode())
    os._exit(status)


def _complaint(status: int, said: str, output: Path, seed: Seed, source: Path) -> str | None:
    if "Traceback" in said or "unexpected" in said or status not in EXPECTED:
        return f"status {status}: {said[-600:]}"
    if status not in (0, 7):
        lines = [line for line in said.splitlines() if line.startswith("vsr: error: ")]
        if output.exists():
            return "an output after an error"
        return None if len(lines) == 1 else f"{len(lines)} errors: {said[-600:]}"
    if not output.exists():
        return "no output after success"
    try:
        with opened(output) as container:
            frames = sum(1 for _ in container.decode(container.streams.video[0]))
    except (av.FFmpegError, InputError) as failure:
        return f"the output does not decode: {failure}"
    if status == 0 and seed.frames is not None:
        wanted = min(seed.frames - _trimmed(source), FRAMES)
        if frames < wanted:
            return f"LOST: {frames} of {wanted} frames, and status 0"
    return None


def _trimmed(source: Path) -> int:
    """How many frames the file itself asks not to show: an edit list, damaged or not, is obeyed.

    What may be needed to decode others is read and marked, what is not is not read.
    """
    options = {"ignore_editlist": "1"}
    try:
        with opened(source) as obeying, av.open(source, options=options) as ignoring:
            return max(0, _shown(ignoring, source) - _shown(obeying, source))
    except (av.FFmpegError, UnicodeDecodeError):
        return 0


def _shown(container: InputContainer, source: Path) -> int:
    packets = container.demux(main_video(container, str(source)))
    return sum(bool(packet.size) and not packet.is_discard for packet in packets)


def check_seeds(known: list[Seed], folder: Path) -> list[str]:
    """What is wrong with how the undamaged files end."""
    bad = []
    for seed in known:
        end = run_case(seed.data, seed, folder)
        expected = {0} if seed.frames is not None else {0, 3}
        if end.complaint is not None or end.status not in expected:
            bad.append(f"{seed.name}, undamaged: status {end.status}, {end.complaint}")
            print(bad[-1], flush=True)
    return bad


def fuzz(cases: int, number: int, keep: Path | None) -> tuple[Counter[int], list[str]]:
    """Run CASES cases; how often each status came, and what was wrong."""
    statuses: Counter[int] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "seeds").mkdir()
        known = list(seeds(folder / "seeds"))
        contents = [seed.data for seed in known]
        bad = check_seeds(known, folder / "case")
        for case in range(cases):
            chance = random.Random(f"{number}/{case}")
            which = case % len(known)
            data, how = mutate(contents, which, chance)
            if not data:
                continue
            if case and case % _TOLD_EVERY == 0:
                print(f"{case} cases, {len(bad)} bad", file=sys.stderr, flush=True)
            end = run_case(data, known[which], folder / "case")
            statuses[end.status] += 1
            if end.complaint is not None:
                bad.append(f"{number}/{case} {known[which].name} {how}: {end.complaint}")
                print(bad[-1], flush=True)
                if keep is not None:
                    keep.mkdir(exist_ok=True)
                    (keep / f"{number}_{case}_{known[which].name}").write_bytes(data)
    return statuses, bad


def main() -> None:
    """Run what the command line asks for; exit status 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep files that end badly in this folder")
    wanted = parser.parse_args()
    started = time.monotonic()
    statuses, bad = fuzz(wanted.cases, wanted.seed, wanted.keep)
    counts = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    print(f"{sum(statuses.values())} cases in {time.monotonic() - started:.0f} s: {counts}")
    print(f"{len(bad)} bad")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
