"""Many short processes at the price of one: a fresh interpreter that imports once and then forks.

    python -m tests.forked kills IN OUT SEED COUNT

A test must not fork by itself: the threads of its libraries do not outlive that.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.jobs import do


def fork(work: Callable[[], int]) -> int:
    """The process id of a child that does WORK and ends with what it returns."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        status = work()
    finally:
        os._exit(status)


def killed_after(source: Path, output: Path, frames: int, delay: float) -> bool:
    """Do a job in a child and kill it -9 when FRAMES are done and DELAY s more have passed.

    Whether it was killed, rather than finished before.
    """
    reading, writing = os.pipe()

    def work() -> int:
        os.close(reading)
        do(source, output, progress=lambda done, total: os.write(writing, b".") and None)
        return 0

    child = fork(work)
    os.close(writing)
    seen = 0
    while seen < frames and (dots := os.read(reading, frames - seen)):
        seen += len(dots)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    os.close(reading)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(f"failed after {frames} frames")
    return os.WIFSIGNALED(status)


def kill_again_and_again(source: Path, output: Path, seed: int, count: int) -> None:
    """Kill a job at COUNT random moments; print how many times it was, and let it finish."""
    chance, kills = random.Random(seed), 0
    while kills < count:
        finished = len(list(output.parent.glob("*.vsr/segment_*.seg")))
        frames = 12 * finished + chance.randrange(30)
        if killed_after(source, output, frames, chance.random() * 0.03):
            kills += 1
            if output.exists() and not output.with_name(output.name + ".vsr").exists():
                output.unlink()  # it was complete: begin again
        else:
            output.unlink()
    if fork_and_wait(lambda: do(source, output).frames and 0):
        sys.exit("the last run failed")
    print(kills)


def fork_and_wait(work: Callable[[], int]) -> int:
    """The status a child ends with."""
    return os.waitpid(fork(work), 0)[1]


if __name__ == "__main__":
    _, _, source, output, seed, count = sys.argv
    kill_again_and_again(Path(source), Path(output), int(seed), int(count))
