"""Segments: a job is cut into stretches of frames, each closed as its own file, so it can resume.

Everything a job needs to go on lies in one folder beside the output, `OUT.vsr/`: the plan it was
begun with and the finished segments. What a segment holds depends on its frames alone, not on
whether the job ran in one go, so a resumed job ends in the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from vsrcli.errors import OutputError, UsageError
from vsrcli.media.planes import Frame

WARM_UP = 10
"""Frames before a segment that bring the recurrent state up: its gain saturates in about ten."""
_SECONDS = 10
_LEAST_FRAMES = 240
"""Ten seconds of film; the shortest segment, so that the warm-up stays below 5 % of the work."""
_IDENTITY_BYTES = 1 << 20


def segment_length(rate: Fraction | None) -> int:
    """Frames in a segment: about ten seconds."""
    return max(_LEAST_FRAMES, round((rate or 0) * _SECONDS))


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of frames with the context its network needs on both sides."""

    number: int
    frames: Iterator[tuple[Frame, bool]]
    """Each frame with whether it belongs to the segment (True) or is context (False).

    To be read to its end before the next segment is asked for.
    """


def cut(frames: Iterable[Frame], length: int, lookahead: int) -> Iterator[Segment]:
    """Cut a stream into segments of `length` frames; memory stays that of the context.

    A segment is preceded by up to `WARM_UP` frames and followed by up to `lookahead`, as far as the
    stream has them. Frames are counted from the first of the stream.
    """
    source = enumerate(frames)
    kept: deque[tuple[int, Frame]] = deque()
    number = 0
    while True:
        begin, end = number * length, (number + 1) * length
        if not kept or kept[-1][0] < begin:
            following = next(source, None)
            if following is None:
                return
            kept.append(following)
        yield Segment(number, _with_context(source, kept, begin, end, lookahead))
        number += 1


def _with_context(
    source: Iterator[tuple[int, Frame]],
    kept: deque[tuple[int, Frame]],
    begin: int,
    end: int,
    lookahead: int,
) -> Iterator[tuple[Frame, bool]]:
    for index, frame in list(kept):
        yield frame, begin <= index < end
    while kept[-1][0] < end + lookahead - 1 or kept[-1][0] < end - 1:
        following = next(source, None)
        if following is None:
            break
        kept.append(following)
        yield following[1], following[0] < end
        while kept[0][0] < min(end, kept[-1][0] + 1) - WARM_UP:
            kept.popleft()
    while kept and kept[0][0] < end - WARM_UP:
        kept.popleft()


class JobFolder:
    """The folder `OUT.vsr/` of one job: its plan, its finished segments and its lock."""

    def __init__(self, output: Path) -> None:
        self.path = output.with_name(output.name + ".vsr")
        self._lock: IO[str] | None = None

    def open(self, plan: Mapping[str, Any], *, restart: bool = False) -> JobFolder:
        """Begin the job, or go on with it if it was begun with the same plan.

        Raises UsageError when the folder belongs to a job with another plan, naming what differs,
        or to one that is running; OutputError when the folder cannot be written.
        """
        try:
            self.path.mkdir(exist_ok=True)
            self._take_lock()
            if restart:
                self._clear()
            self._check_plan(json.loads(json.dumps(plan, default=str)))
        except OSError as failure:
            raise OutputError(
                f"{self.path}: cannot be written ({failure.strerror}); choose another output folder"
            ) from None
        return self

    def __enter__(self) -> JobFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()
        if not self.finished():
            self.remove()

    def segment(self, number: int) -> Path:
        """Where segment `number` is when it is finished."""
        return self.path / f"segment_{number:05d}.seg"

    def finished(self) -> list[Path]:
        """The finished segments, in order."""
        return sorted(self.path.glob("segment_*.seg"))

    def remove(self) -> None:
        """Remove the folder with all it holds."""
        self._release()
        shutil.rmtree(self.path, ignore_errors=True)

    def _clear(self) -> None:
        for path in self.path.iterdir():
            if path.name != "lock":
                path.unlink()

    def _check_plan(self, plan: dict[str, Any]) -> None:
        file = self.path / "plan.json"
        if file.is_file():
            with contextlib.suppress(ValueError):
                begun = json.loads(file.read_text(encoding="utf-8"))
                changed = _difference(begun, plan)
                if changed is None:
                    return
                raise UsageError(
                    f"{self.path}: was begun with {changed}; "
                    "use the same again to continue, or --restart to begin anew"
                )
        self._clear()
        temporary = file.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump(plan, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)

    def _take_lock(self) -> None:
        self._lock = (self.path / "lock").open("w")
        try:
            import fcntl
        except ImportError:  # Windows: an open file cannot be removed there, which is lock enough
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None
            raise UsageError(f"{self.path}: another vsr is at work on this output") from None

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _difference(begun: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    for key in sorted({*begun, *now}):
        if begun.get(key) != now.get(key):
            return f"another {key} ({begun.get(key)}, now {now.get(key)})"
    return None


def identity(path: Path) -> str:
    """What tells a file from a changed one without reading it all: size, mtime, ends' hash."""
    if path.is_dir() or not path.is_file():
        names = sorted(path.parent.iterdir()) if not path.is_dir() else sorted(path.iterdir())
        text = "\n".join(f"{p.name} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in names)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
    status = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        digest.update(stream.read(_IDENTITY_BYTES))
        stream.seek(max(0, status.st_size - _IDENTITY_BYTES))
        digest.update(stream.read(_IDENTITY_BYTES))
    return f"{status.st_size} bytes {status.st_mtime_ns} {digest.hexdigest()[:16]}"
