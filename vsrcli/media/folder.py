"""The folder `OUT.vsr/` of one job: the plan it was begun with, its finished segments, its lock."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from vsrcli.errors import OutputError, UsageError
from vsrcli.media.containers import unwritable
from vsrcli.media.names import HOLDS_OPEN_FILES, beside, sync_folder
from vsrcli.media.scratch import taken

_PLAN, _LOCK, _PUBLISHED = "plan.json", "lock", "published"
_OWN = ("plan.tmp", "segment_*.seg", ".segment_*.part", _PUBLISHED, _PLAN)
"""All that is ever put into the folder, beside the lock. Nothing else is ever removed from it.

In the order in which it is removed: who is killed meanwhile leaves no segments that nobody knows.
"""
FORGOT = "its plan.json is damaged or gone, so the job begins anew"
_DECIDED = "decided"
"""Part of a plan that is made on the way rather than asked for: not compared, but kept to."""
_OPAQUE = {"input": "the input has changed", "model": "the model is another"}
"""Parts of a plan that tell nobody anything."""


class JobFolder:
    """All that a job needs to go on after it was interrupted, beside its output.

    A context manager for an opened job: leaving it gives up the lock, and removes a folder in
    which nothing is finished.
    """

    def __init__(self, output: Path) -> None:
        self.path = beside(output, "", ".vsr")
        self.forgot = False
        """Whether there was something finished, but nobody knows any more of which plan."""
        self._output = output
        self._lock: IO[str] | None = None

    def open(self, plan: Mapping[str, Any], *, restart: bool = False) -> JobFolder:
        """Begin the job, or go on with it if it was begun with the same plan.

        Raises UsageError when the folder belongs to a job with another plan, naming what differs;
        OutputError when it belongs to one that is running, or cannot be written.
        """
        try:
            self._take_lock()
            if restart:
                self._clear()
            self._check_plan(_plain(plan))
        except OSError as failure:
            self._release()
            raise unwritable(self.path, failure) from None
        except UsageError:
            self._release()
            raise
        return self

    def decision(self, plan: Mapping[str, Any], name: str) -> Any:
        """What was decided under `name` for a job begun with this plan; None if nothing was.

        Opens nothing and writes nothing. Raises UsageError as `open` does, and OutputError when the
        folder cannot be read.
        """
        try:
            begun = _read(self.path / _PLAN)
        except OSError as failure:
            raise unwritable(self.path, failure) from None
        if begun is None:
            return None
        self._refuse_another(begun, _plain(plan))
        return begun.get(_DECIDED, {}).get(name)

    def __enter__(self) -> JobFolder:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None and not self._holds_work():
            self.remove()
        self._release()

    def decided(self, name: str, value: Any) -> Any:
        """What was decided under `name` when the job was begun; else decide on `value` now.

        Of JSON's kinds. Raises OutputError when the folder cannot be written.
        """
        plan = _read(self.path / _PLAN) or {}
        if name in plan.get(_DECIDED, {}):
            return plan[_DECIDED][name]
        self.decide(name, value)
        return value

    def decide(self, name: str, value: Any) -> None:
        """Decide on another value from now on. Raises OutputError as `decided`."""
        plan = _read(self.path / _PLAN) or {}
        plan[_DECIDED] = {**plan.get(_DECIDED, {}), name: value}
        try:
            self._write_plan(plan)
        except OSError as failure:
            raise unwritable(self.path, failure) from None

    def segment(self, number: int) -> Path:
        """Where segment `number` is when it is finished."""
        return self.path / f"segment_{number:05d}.seg"

    def finished(self) -> list[Path]:
        """The finished segments, in order."""
        return sorted(self.path.glob("segment_*.seg"))

    def mark(self, number: int) -> str | None:
        """What tells a finished segment from one made anew; None if it is not there."""
        try:
            return _mark_of(self.segment(number))
        except OSError:
            return None

    def publishing(self, finished: Path) -> None:
        """Note that FINISHED gets the output's name now: see `was_published`.

        Raises OutputError if that, or the segments, cannot be kept safe before.
        """
        try:
            _write_synced(self.path / _PUBLISHED, _mark_of(finished))
            sync_folder(self.path)
        except OSError as failure:
            raise unwritable(self.path, failure) from None

    def was_published(self) -> bool:
        """Whether a job was killed after its output got its name, before it could clear up.

        The output is then the very file that was to get it: of that size, changed at that time.
        """
        try:
            mark = (self.path / _PUBLISHED).read_text(encoding="utf-8")
            return mark == _mark_of(self._output)
        except OSError:
            return False

    def clear_up(self) -> None:
        """Remove what a job left that was killed after its output got its name."""
        if self.was_published():
            self.remove()

    def remove(self) -> None:
        """Remove the folder with all that jobs put into it."""
        with contextlib.suppress(OSError):
            self._clear()
            # While the lock is held: nobody else can have begun. Where it cannot be removed then,
            # nor can that of somebody who began meanwhile.
            if HOLDS_OPEN_FILES:
                self._release()
            (self.path / _LOCK).unlink(missing_ok=True)
        self._release()
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def _holds_work(self) -> bool:
        """Whether anything lies there that took time to make."""
        aside = (_PLAN, "plan.tmp", _PUBLISHED, _LOCK)
        try:
            names = [each.name for each in self.path.iterdir()]
        except OSError:  # somebody removed it
            return False
        return any(name not in aside and not name.endswith(".part") for name in names)

    def _clear(self) -> None:
        for pattern in _OWN:
            for path in self.path.glob(pattern):
                path.unlink(missing_ok=True)

    def _check_plan(self, plan: dict[str, Any]) -> None:
        begun = _read(self.path / _PLAN)
        if begun is not None:
            self._refuse_another(begun, plan)
            return
        had_plan = (self.path / _PLAN).exists() or bool(self.finished())
        self.forgot = had_plan and self._holds_work()
        self._clear()
        self._write_plan(plan)

    def _refuse_another(self, begun: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        if changed := _difference(begun, plan):
            raise UsageError(
                f"{self.path}: this job was begun otherwise ({changed}); "
                "use the same again to continue, or --restart to begin anew"
            )

    def _write_plan(self, plan: Mapping[str, Any]) -> None:
        temporary = self.path / "plan.tmp"
        _write_synced(temporary, json.dumps(plan, indent=1))
        temporary.replace(self.path / _PLAN)
        sync_folder(self.path)

    def _take_lock(self) -> None:
        while self._lock is None:
            self.path.mkdir(exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # removed by the job that ends just now
                self._lock = self._locked()

    def _locked(self) -> IO[str] | None:
        """The lock file, locked; None if another job removed it meanwhile."""
        file = self.path / _LOCK
        stream = file.open("w")
        if taken(stream.fileno()):
            stream.close()
            raise OutputError(f"{self.path}: another vsr is at work on this output")
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(stream.fileno()), file.stat()):
                return stream
        stream.close()
        return None

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _write_synced(file: Path, text: str) -> None:
    """Write TEXT so that it outlasts a power cut."""
    with file.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _mark_of(file: Path) -> str:
    """What tells a file from any other: its size and when it was changed, which renaming keeps."""
    status = file.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _plain(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan as it is read again after it was written: of JSON's kinds."""
    found: dict[str, Any] = json.loads(json.dumps(plan, default=str))
    return found


def _read(file: Path) -> dict[str, Any] | None:
    """The plan in a file; None if there is none, or none that can be read."""
    try:
        plan = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return plan if isinstance(plan, dict) else None


def _difference(begun: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between two plans, for people; empty if nothing does."""
    keys = sorted({*begun, *now} - {_DECIDED})
    changed = [key for key in keys if begun.get(key) != now.get(key)]
    return ", ".join(
        _OPAQUE.get(key) or f"{key} {_shown(begun.get(key))}, now {_shown(now.get(key))}"
        for key in changed
    )


def _shown(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, list):
        return " ".join(map(_shown, value)) or "none"
    return str(value)
