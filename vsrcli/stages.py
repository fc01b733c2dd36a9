"""Where the time of a job goes: its stages, measured from outside.

While `stage_times` is on, the methods in which the stages do their work are exchanged for ones that
look at the clock as well. The pipeline itself has no clocks in it, and what is measured is the
pipeline everybody uses, in however many threads it runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

from vsrcli.enlarge import FrameEnlarger
from vsrcli.media.reader import Reader
from vsrcli.media.writer import SegmentWriter
from vsrcli.networks.spmc import SpmcUpscaler

STAGES = ("opening", "decode", "motion", "fusion", "resampling", "encode", "rest")
"""opening: loading the network; resampling: everything that is done to planes outside the network;
rest: what is none of these, as joining the segments and checking the output."""

_CALLS: tuple[tuple[type, str, str], ...] = (
    (SpmcUpscaler, "__init__", "opening"),
    (SpmcUpscaler, "look", "motion"),
    (SpmcUpscaler, "fuse", "fusion"),
    (SpmcUpscaler, "flush", "fusion"),
    (FrameEnlarger, "look", "resampling"),
    (FrameEnlarger, "advance", "resampling"),
    (FrameEnlarger, "conclude", "resampling"),
    (FrameEnlarger, "finish", "resampling"),
    (SegmentWriter, "__init__", "encode"),
    (SegmentWriter, "write", "encode"),
    (SegmentWriter, "__exit__", "encode"),
)
_ITERATORS: tuple[tuple[type, str, str], ...] = ((Reader, "with_context", "decode"),)


class StageClock:
    """Adds up the seconds of every stage.

    A stage inside another is not counted to the outer one. Stages in different threads may run at
    the same time, so their sum may exceed the time that passes; "rest" is the time during which
    none of them runs.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._busy = 0
        self._idle_since = time.perf_counter()

    @contextmanager
    def during(self, stage: str) -> Iterator[None]:
        """Count the time of the block to `stage`."""
        self._enter(stage)
        try:
            yield
        finally:
            self._leave()

    def stop(self) -> None:
        """Count the time since the last stage to the rest."""
        with self._lock:
            self._idle()

    def _enter(self, stage: str) -> None:
        stack = self._stack()
        if stack:
            self._charge(stack[-1])
        else:
            with self._lock:
                if not self._busy:
                    self._idle()
                self._busy += 1
        stack.append(stage)
        self._thread.since = time.perf_counter()

    def _leave(self) -> None:
        stack = self._stack()
        self._charge(stack.pop())
        self._thread.since = time.perf_counter()
        if not stack:
            with self._lock:
                self._busy -= 1
                self._idle_since = time.perf_counter()

    def _stack(self) -> list[str]:
        """The stages this thread is in, the innermost last."""
        found: list[str] | None = getattr(self._thread, "stack", None)
        if found is None:
            found = self._thread.stack = []
        return found

    def _charge(self, stage: str) -> None:
        with self._lock:
            self.seconds[stage] += time.perf_counter() - self._thread.since

    def _idle(self) -> None:
        now = time.perf_counter()
        self.seconds["rest"] += now - self._idle_since
        self._idle_since = now


@contextmanager
def stage_times() -> Iterator[StageClock]:
    """Measure the stages of whatever upscaling this process does in the block."""
    clock = StageClock()
    with ExitStack() as stack:
        for kind, name, stage in _CALLS:
            stack.enter_context(_exchanged(kind, name, _timed_call(kind, name, clock, stage)))
        for kind, name, stage in _ITERATORS:
            stack.enter_context(_exchanged(kind, name, _timed_steps(kind, name, clock, stage)))
        yield clock
        clock.stop()


@contextmanager
def _exchanged(kind: type, name: str, method: Callable[..., Any]) -> Iterator[None]:
    own = getattr(kind, name)
    setattr(kind, name, method)
    try:
        yield
    finally:
        setattr(kind, name, own)


def _timed_call(kind: type, name: str, clock: StageClock, stage: str) -> Callable[..., Any]:
    own: Callable[..., Any] = getattr(kind, name)

    @wraps(own)
    def timed(*arguments: Any, **named: Any) -> Any:
        with clock.during(stage):
            return own(*arguments, **named)

    return timed


def _timed_steps(kind: type, name: str, clock: StageClock, stage: str) -> Callable[..., Any]:
    own: Callable[..., Any] = getattr(kind, name)

    @wraps(own)
    def timed(*arguments: Any, **named: Any) -> Iterator[Any]:
        steps, end = own(*arguments, **named), object()
        while True:
            with clock.during(stage):
                item = next(steps, end)
            if item is end:
                return
            yield item

    return timed
