"""A job that is killed, stopped or changed: it goes on to the same bytes, or says why not."""

from __future__ import annotations

import errno
import io
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clips import ClipSpec, make_frame, write_clip
from tests.conftest import MakeClip
from tests.jobs import ROOT, SEGMENT, do, job_of, options, start, video
from tests.lossless import write_frames
from vsrcli import upscale, workers
from vsrcli.degradation import Degradation
from vsrcli.errors import CheckError, DeviceError, InputError, OutputError, UsageError
from vsrcli.job import Job, identity_of
from vsrcli.making import Made, Notes, Reading
from vsrcli.media import assemble as assembling
from vsrcli.media.folder import JobFolder
from vsrcli.media.reader import Reader
from vsrcli.media.writer import SegmentWriter
from vsrcli.upscale import run

FRAMES = 60
KILLS = 20


class Interrupted(BaseException):
    """What Ctrl-C is to a test."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Five segments with sound, and the output of a job in one go."""
    folder = tmp_path_factory.mktemp("shared")
    clip = write_clip(folder / "in.mkv", ClipSpec(frames=FRAMES, audio=("aac",)))
    assert do(clip, folder / "out.mkv").frames == FRAMES
    return clip, (folder / "out.mkv").read_bytes()


@pytest.fixture
def clip(shared: tuple[Path, bytes], tmp_path: Path) -> Path:
    """The test's own copy of the clip."""
    return Path(shutil.copy2(shared[0], tmp_path / "in.mkv"))


@pytest.fixture
def whole(shared: tuple[Path, bytes]) -> bytes:
    """What has to come out."""
    return shared[1]


def interrupt(source: Path, output: Path, after: int, **fields: Any) -> JobFolder:
    """Do a job until AFTER frames; return what is left."""

    def stop(done: int, total: int | None) -> None:
        if done == after:
            raise Interrupted

    with pytest.raises(Interrupted):
        do(source, output, progress=stop, **fields)
    assert fields.get("overwrite") or not output.exists()
    return JobFolder(output)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the segments that are encoded from now on."""
    names: list[str] = []
    begin = SegmentWriter.__init__

    def noted(self: SegmentWriter, path: Path, *rest: Any) -> None:
        names.append(path.stem)
        begin(self, path, *rest)

    monkeypatch.setattr(SegmentWriter, "__init__", noted)
    return names


@pytest.mark.parametrize("after", [1, SEGMENT, SEGMENT + 1, FRAMES])
def test_a_stopped_job_goes_on_to_the_same_bytes(
    clip: Path, whole: bytes, tmp_path: Path, made: list[str], after: int
) -> None:
    output = tmp_path / "out.mkv"
    folder = interrupt(clip, output, after)
    # The frame that is reported last is in its segment, which is not closed yet.
    finished = (after - 1) // SEGMENT
    assert [path.stem for path in folder.finished()] == made[:finished]
    assert folder.path.exists() == bool(finished)
    made.clear()
    assert do(clip, output).frames == FRAMES
    assert made == [f"segment_{n:05d}" for n in range(finished, FRAMES // SEGMENT)]
    assert output.read_bytes() == whole
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mkv", "out.mkv"]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_made_before_is_told_apart(clip: Path, tmp_path: Path, workers: int) -> None:
    """It took no time, and tells nothing of how long the rest is going to take."""
    output, seen, notes = tmp_path / "out.mkv", [], []
    interrupt(clip, output, 3 * SEGMENT + 1)
    result = do(
        clip,
        output,
        workers=workers,
        progress=lambda done, total: seen.append(done),
        note=notes.append,
    )
    assert seen[0] == 3 * SEGMENT and seen == sorted({*seen}) and seen[-1] == FRAMES
    assert (result.frames, result.resumed) == (FRAMES, 3 * SEGMENT)
    assert result.frames_per_second == pytest.approx(2 * SEGMENT / result.seconds)
    assert notes == [f"out.mkv: {3 * SEGMENT} frames were made before"]
    interrupt(clip, output, 3 * SEGMENT + 1, overwrite=True)
    JobFolder(output).segment(1).unlink()
    seen.clear()
    result = do(clip, output, overwrite=True, progress=lambda done, total: seen.append(done))
    assert seen[0] == SEGMENT and result.resumed == 2 * SEGMENT


def cut_short(data: bytes) -> bytes:
    """The first half."""
    return data[: len(data) // 2]


def one_bit_flipped(data: bytes) -> bytes:
    """In the middle, which is part of a picture."""
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("damage", [cut_short, one_bit_flipped, lambda data: b""])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_damaged_segment_is_made_again(
    clip: Path, whole: bytes, tmp_path: Path, damage: Callable[[bytes], bytes], workers: int
) -> None:
    output, notes = tmp_path / "out.mkv", []
    folder = interrupt(clip, output, 3 * SEGMENT + 1)
    segment = folder.segment(1)
    segment.write_bytes(damage(segment.read_bytes()))
    before = {path: path.stat().st_mtime_ns for path in (folder.segment(0), folder.segment(2))}
    after = {}

    def look(done: int, total: int | None) -> None:
        after.update({path: path.stat().st_mtime_ns for path in before})

    result = do(clip, output, progress=look, note=notes.append, workers=workers)
    assert (result.frames, result.resumed) == (FRAMES, 2 * SEGMENT)
    assert output.read_bytes() == whole
    whole_ones = 3 if damage is one_bit_flipped else 2  # that is seen when it is read
    before_it = f"out.mkv: {whole_ones * SEGMENT} frames were made before"
    assert notes == [before_it, f"{segment}: is damaged, and is made again"]
    assert before == after


def test_a_segment_damaged_before_it_is_joined_is_named(
    clip: Path, whole: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.mkv"
    segment = JobFolder(output).segment(1)

    def harm(done: int, total: int | None) -> None:
        if done == 3 * SEGMENT:
            segment.write_bytes(one_bit_flipped(segment.read_bytes()))

    with pytest.raises(OutputError, match=r"segment_00001\.seg: is damaged; delete it and run"):
        do(clip, output, progress=harm)
    assert not output.exists()
    segment.unlink()
    do(clip, output)
    assert output.read_bytes() == whole


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_any_moment(clip: Path, whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    output = tmp_path / "job" / "out.mkv"
    # Python 3.12 warns of forking beside threads; the child here begins its work afresh.
    python = [sys.executable, "-W", "ignore::DeprecationWarning"]
    command = [*python, "-m", "tests.forked", "kills", str(clip), str(output)]
    done = subprocess.run(
        [*command, "7", str(KILLS)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.stdout.strip(), done.stderr) == (str(KILLS), "")
    assert output.read_bytes() == whole
    assert [path.name for path in output.parent.iterdir()] == ["out.mkv"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_a_job_in_order(
    clip: Path, whole: bytes, tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "out.mkv"
    process = start(clip, output)
    for line in process.stdout:
        if int(line) == 2 * SEGMENT + 3:
            break
    process.send_signal(number)
    assert process.wait(30) == 130
    folder = JobFolder(output)
    names = sorted(path.name for path in folder.path.iterdir())
    assert not output.exists()
    assert names[-2:] == ["segment_00000.seg", "segment_00001.seg"] or len(names) > 4
    assert not list(folder.path.glob(".*"))  # nothing half done
    do(clip, output)
    assert output.read_bytes() == whole


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"crf": 30.0}, "crf=17"),
        ({"frames": 3}, "--frames 5, now 3"),
        ({"scale": 2.0}, "size 256 192, now 128 96"),
        ({"codec": "libx265"}, "--codec libx264, now libx265"),
        ({"model": None}, "the model is another"),
        ({"on_error": "skip"}, "--on-error conceal, now skip"),
        ({"threads": 3}, "encoder threads 4, now 3"),
        ({"segment": 13}, "segment length 12, now 13"),
    ],
)
def test_another_option_is_refused(
    clip: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    output = tmp_path / "out.mkv"
    folder = interrupt(clip, output, SEGMENT + 1)
    before = folder.segment(0).read_bytes()
    with pytest.raises(UsageError) as caught:
        do(clip, output, **changes)
    assert words in str(caught.value) and str(caught.value).count("\n") == 0
    assert folder.segment(0).read_bytes() == before


def changed(one: Job, other: Job) -> list[str]:
    """Names of what the identities of two jobs differ in."""
    before, after = identity_of(one), identity_of(other)
    assert before.keys() == after.keys()
    return [key for key in before if before[key] != after[key]]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("--tta", {"tta": 2}),
        ("--start", {"start": Fraction(1, 5)}),
        ("--end", {"end": Fraction(1)}),
        ("--max-frames", {"max_frames": 20}),
        ("--pix-fmt", {"pix_fmt": "yuv444p"}),
        ("--tile", {"tile": "off"}),
        ("deinterlacing", {"deinterlace": False}),
    ],
)
def test_segments_of_another_option_are_others(
    clip: Path, tmp_path: Path, name: str, fields: dict[str, Any]
) -> None:
    output = tmp_path / "out.mkv"
    assert changed(job_of(clip, output), job_of(clip, output, **fields)) == [name]
    assert changed(job_of(clip, output, **fields), job_of(clip, output, **fields)) == []


def test_segments_of_another_rate_are_others(make_clip: MakeClip, tmp_path: Path) -> None:
    pattern = make_clip("frames/%03d.png", frames=2, codec="png", pix_fmt="rgb24")
    jobs = [job_of(pattern, tmp_path / "out.mkv", rate=Fraction(rate)) for rate in (24, 25)]
    assert changed(*jobs) == ["--rate"]


def test_segments_of_another_pixel_shape_are_others(make_clip: MakeClip, tmp_path: Path) -> None:
    """A size asked for keeps the picture's shape, a factor that leads to it the pixels'."""
    source = make_clip("odd.mkv", size=(66, 50), frames=2)
    asked: tuple[dict[str, Any], ...] = ({"scale": 1.21}, {"size": (80, 60)})
    one, other = (job_of(source, tmp_path / "out.mkv", **fields) for fields in asked)
    assert one.size == other.size == (80, 60)
    assert changed(one, other) == ["sample aspect ratio"]


@pytest.mark.parametrize(
    ("place", "name"),
    [("vsrcli.__version__", "vsr"), ("onnxruntime.__version__", "onnxruntime")],
)
def test_segments_of_another_version_are_others(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, name: str
) -> None:
    job = job_of(clip, tmp_path / "out.mkv")
    before = identity_of(job)
    monkeypatch.setattr(place, "0.0.1")
    assert identity_of(job) == before | {name: "0.0.1"} != before


def test_what_does_not_concern_the_pictures_may_change(
    clip: Path, tmp_path: Path, made: list[str]
) -> None:
    output = tmp_path / "out.mkv"
    interrupt(clip, output, SEGMENT + 1)
    made.clear()
    do(clip, output, audio=False, workers=1, overwrite=True)
    assert made[0] == "segment_00001"


def test_a_damaged_plan_is_told(clip: Path, whole: bytes, tmp_path: Path) -> None:
    output, notes = tmp_path / "out.mkv", list[str]()
    folder = interrupt(clip, output, SEGMENT + 1)
    (folder.path / "plan.json").write_text("{")
    assert do(clip, output, note=notes.append).resumed == 0
    assert notes == [f"{folder.path}: its plan.json is damaged or gone, so the job begins anew"]
    assert output.read_bytes() == whole


def test_another_input_is_refused_and_restart_begins_anew(
    make_clip: MakeClip, clip: Path, whole: bytes, tmp_path: Path, made: list[str]
) -> None:
    output = tmp_path / "out.mkv"
    interrupt(clip, output, SEGMENT + 1)
    shutil.copy(clip, tmp_path / "original.mkv")
    status = clip.stat()
    make_clip("in.mkv", frames=FRAMES, seed=3)
    with pytest.raises(UsageError, match="the input has changed.*--restart"):
        do(clip, output)
    shutil.copy(tmp_path / "original.mkv", clip)
    with pytest.raises(UsageError, match="the input has changed"):
        do(clip, output)  # the same content, written anew
    os.utime(clip, ns=(status.st_atime_ns, status.st_mtime_ns))
    made.clear()
    do(clip, output, restart=True)
    assert made[0] == "segment_00000" and output.read_bytes() == whole


def test_a_picture_sequence_goes_on_beside_its_output(make_clip: MakeClip, tmp_path: Path) -> None:
    pattern = make_clip("frames/%03d.png", frames=30, codec="png", pix_fmt="rgb24")
    output = pattern.parent / "out.mkv"
    interrupt(pattern, output, SEGMENT + 1)
    assert do(pattern, output).frames == 30
    interrupt(pattern.parent, pattern.parent / "again.mkv", SEGMENT + 1)
    (pattern.parent / "005.png").write_bytes((pattern.parent / "006.png").read_bytes())
    with pytest.raises(UsageError, match="the input has changed"):
        do(pattern.parent, pattern.parent / "again.mkv")


def test_killed_between_naming_the_output_and_clearing_up(
    clip: Path, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.mkv"
    monkeypatch.setattr(JobFolder, "remove", lambda self: (_ for _ in ()).throw(Interrupted))
    with pytest.raises(Interrupted):
        do(clip, output)
    monkeypatch.undo()
    assert output.read_bytes() == whole and JobFolder(output).path.exists()
    assert do(clip, output).frames == FRAMES
    assert output.read_bytes() == whole and not JobFolder(output).path.exists()
    with pytest.raises(OutputError, match="exists already"):
        do(clip, output)


def test_two_jobs_on_one_output(clip: Path, whole: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    first = start(clip, output)
    while int(first.stdout.readline()) < 1:
        pass
    first.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(OutputError, match="another vsr is at work on this output"):
            do(clip, output, restart=True)
    finally:
        first.send_signal(signal.SIGCONT)
    first.stdout.read()
    assert first.wait(60) == 0
    assert output.read_bytes() == whole


def test_input_changed_midway(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"

    def touch(done: int, total: int | None) -> None:
        if done == SEGMENT + 1:
            os.utime(clip, (1, 1))

    with pytest.raises(InputError, match="changed while it was read"):
        do(clip, output, progress=touch)
    assert not output.exists()
    with pytest.raises(UsageError, match="the input has changed"):
        do(clip, output)


def test_input_changed_while_its_sound_is_copied(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.mkv"
    write = assembling._write

    def touch(*arguments: Any) -> Any:
        os.utime(clip, (1, 1))
        return write(*arguments)

    monkeypatch.setattr(assembling, "_write", touch)
    with pytest.raises(InputError, match="changed while it was read"):
        do(clip, output)
    assert not output.exists() and JobFolder(output).finished()


@pytest.mark.parametrize("goal", ["up/%02d.png", "up", "-"])
def test_pictures_replaced_midway_are_not_mixed(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goal: str
) -> None:
    """Nor do they pass for whole where they had to be written as they came."""
    pattern = make_clip("in/%02d.png", frames=4, codec="png", pix_fmt="gray")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    output = Path("-") if goal == "-" else tmp_path / goal

    def touch(done: int, total: int | None) -> None:
        if done == 2:
            os.utime(str(pattern) % 4, (1, 1))

    with pytest.raises(InputError, match="changed while it was read; leave it alone and run the"):
        do(pattern.parent, output, progress=touch)
    assert not list(tmp_path.glob("up/*"))
    assert do(pattern.parent, output).frames == 4


def test_workers_make_the_same_bytes(clip: Path, whole: bytes, tmp_path: Path) -> None:
    output, seen = tmp_path / "out.mkv", []
    result = do(clip, output, workers=2, progress=lambda done, total: seen.append(done))
    assert result.frames == FRAMES and seen == sorted(seen) and seen[-1] == FRAMES
    assert output.read_bytes() == whole


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_no_more_workers_than_segments(clip: Path, whole: bytes, tmp_path: Path) -> None:
    """A process too many would take a core from the others and do nothing with it."""
    counts = set()
    for name, segment in (("two.mkv", FRAMES // 2), ("one.mkv", FRAMES)):
        found = []

        def look(done: int, total: int | None, found: list[int] = found) -> None:
            if done == 1 or (done and not found):
                found.append(len(_workers(os.getpid())))

        assert do(clip, tmp_path / name, segment, workers=4, progress=look).frames == FRAMES
        counts.add((name, found[0]))
    assert counts == {("two.mkv", 2), ("one.mkv", 0)}


def test_workers_go_on_where_one_process_stopped(clip: Path, whole: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    folder = interrupt(clip, output, 2 * SEGMENT + 1)
    kept = folder.segment(1).stat().st_mtime_ns
    later = []

    def look(done: int, total: int | None) -> None:
        if folder.segment(1).exists():
            later.append(folder.segment(1).stat().st_mtime_ns)

    do(clip, output, workers=2, progress=look)
    assert set(later) == {kept} and output.read_bytes() == whole


def test_a_part_in_several_segments(make_clip: MakeClip, tmp_path: Path) -> None:
    """It has the same bytes whoever makes it, and the times of its frames."""
    clip = make_clip("part.mp4", frames=70, options={"g": "10"})
    part: dict[str, Any] = {"start": Fraction(22, 25), "max_frames": 2 * SEGMENT + 5}
    result = do(clip, tmp_path / "one.mkv", **part)
    assert (result.frames, result.skipped) == (2 * SEGMENT + 5, 22)
    assert sorted(pts or 0 for pts, _, _ in video(tmp_path / "one.mkv")) == [
        40 * i for i in range(2 * SEGMENT + 5)
    ]
    do(clip, tmp_path / "two.mkv", workers=2, **part)
    assert (tmp_path / "two.mkv").read_bytes() == (tmp_path / "one.mkv").read_bytes()
    interrupt(clip, tmp_path / "again.mkv", SEGMENT + 3, **part)
    do(clip, tmp_path / "again.mkv", **part)
    assert (tmp_path / "again.mkv").read_bytes() == (tmp_path / "one.mkv").read_bytes()


def scripted(
    monkeypatch: pytest.MonkeyPatch, job: Job, script: list[int | None]
) -> tuple[list[int], list[str], list[int], list[int]]:
    """Make the segments of JOB in processes that do as in SCRIPT: so many frames, or die (None).

    What is found: the segments asked for first, the notes, progress, and threads of a process.
    """
    asked: list[int] = []
    notes: list[str] = []
    seen: list[int] = []
    threads: list[int] = []

    class Executor:
        def __init__(self, number: int, context: Any, initializer: Any, initargs: Any) -> None:
            threads.append(initargs[1])

        def shutdown(self, **how: Any) -> None:
            pass

    def gather(executor: Any, make: Any, first: int, at_once: int, poll: Any) -> Iterator[Made]:
        asked.append(first)
        while script:
            frames = script.pop(0)
            if frames is None:
                raise BrokenProcessPool
            poll()
            yield Made(frames, Reading(), (f"found in {frames}",))

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Executor)
    monkeypatch.setattr(workers, "gather", gather)
    monkeypatch.setattr(workers, "usable_cores", lambda: 12)
    note = Notes(notes.append, strict=False)
    list(workers.make_in_processes(job, note=note, progress=seen.append))
    return asked, notes, seen, threads


def test_workers_that_die_now_and_then_do_not_end_a_job(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(clip, tmp_path / "out.mkv", workers=4)
    script = [12, None, None, 13, None, None, 14, None, 0]
    asked, notes, seen, threads = scripted(monkeypatch, job, script)
    assert asked == [0, 1, 1, 2, 2, 3]  # each time from the first that is missing on
    assert seen == [0, 12, 25, 39]  # with what was done before
    killed = "a process was killed; what it was at is made again"
    assert notes == ["found in 12", killed, "found in 13", "found in 14", "found in 0"]
    assert set(threads) == {3}  # the cores are shared out
    chosen = job_of(clip, tmp_path / "other.mkv", workers=4, threads=5)
    assert set(scripted(monkeypatch, chosen, [0])[3]) == {5}


def test_workers_that_die_again_and_again_end_it(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(clip, tmp_path / "out.mkv", workers=4)
    with pytest.raises(DeviceError, match="use fewer --workers; .*__main__"):
        scripted(monkeypatch, job, [12, None, None, None, 0])


def test_processes_that_cannot_share_memory_are_told(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where /dev/shm is read-only or full, which it is in some containers."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/dev/shm/pym-1")

    monkeypatch.setattr(multiprocessing.get_context("spawn"), "Value", refuse)
    with pytest.raises(DeviceError, match=r"share memory .*Read-only.*--workers 1"):
        do(clip, tmp_path / "out.mkv", workers=2)
    assert [each.name for each in tmp_path.iterdir()] == [clip.name]


def test_what_a_process_finds_is_told_with_its_segment_and_ends_a_strict_job(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Maker:
        def __init__(self, job: Job, *, note: Notes, **more: Any) -> None:
            self.note = note

        def make(self, number: int) -> Made:
            self.note(f"lost in {number}")
            return Made(12, Reading())

    for name in ("_maker", "_notes"):  # as they were, afterwards
        monkeypatch.setattr(workers, name, None, raising=False)
    monkeypatch.setattr(workers, "SegmentMaker", Maker)
    monkeypatch.setattr(workers.signal, "signal", lambda number, action: None)
    monkeypatch.setattr(workers, "_end_with_parent", lambda: None)
    workers._begin(job_of(clip, tmp_path / "out.mkv"), 1, None)
    assert [workers._make(number).notes for number in (3, 5)] == [("lost in 3",), ("lost in 5",)]
    workers._begin(job_of(clip, tmp_path / "other.mkv", strict=True), 1, None)
    with pytest.raises(CheckError, match="lost in 3; leave out --strict"):
        workers._make(3)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_a_killed_worker_is_replaced(make_clip: MakeClip, tmp_path: Path) -> None:
    clip, output = make_clip("long.mkv", frames=120), tmp_path / "out.mkv"
    do(clip, tmp_path / "whole.mkv")
    job = start(clip, output, workers=2)
    while int(job.stdout.readline()) < SEGMENT:
        pass
    os.kill(_workers(job.pid)[0], signal.SIGKILL)
    job.stdout.read()
    assert job.wait(60) == 0, job.stderr.read()
    assert output.read_bytes() == (tmp_path / "whole.mkv").read_bytes()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_the_job(
    make_clip: MakeClip, tmp_path: Path, number: signal.Signals
) -> None:
    job = start(make_clip("long.mkv", frames=240), tmp_path / "out.mkv", workers=2)
    while int(job.stdout.readline()) < SEGMENT:
        pass
    workers = _workers(job.pid)
    assert len(workers) == 2
    job.send_signal(number)
    assert job.wait(30) == (130 if number == signal.SIGTERM else -9)
    deadline = time.monotonic() + 10
    while any(_alive(worker) for worker in workers):
        assert time.monotonic() < deadline, "a worker goes on without its job"
        time.sleep(0.05)
    assert not (tmp_path / "out.mkv").exists()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
def test_what_is_ignored_is_so_in_processes_begun_where_signals_wait() -> None:
    """Under nohup, a terminal that is closed ends no worker."""
    program = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with workers._uninterrupted():
            begun = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert begun.stdout.split() == [b"True"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
@pytest.mark.parametrize("later", [0.0, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_a_signal_while_workers_begin_is_no_traceback(
    make_clip: MakeClip, tmp_path: Path, name: str, later: float
) -> None:
    """A terminal sends it to all processes at once, multiprocessing's own among them."""
    clip = make_clip("long.mkv", frames=240)
    job = start(clip, tmp_path / "out.mkv", process_group=0, workers=2)
    while not _workers(job.pid):
        time.sleep(0.005)
    time.sleep(later)
    os.killpg(job.pid, getattr(signal, name))
    _, told = job.communicate(timeout=30)
    assert (job.returncode, told) == (130, "")


def test_what_begins_without_interruption_is_not_interrupted_later_either() -> None:
    asleep = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
    with pytest.raises(KeyboardInterrupt), workers._uninterrupted():
        signal.raise_signal(signal.SIGTERM if os.name == "nt" else signal.SIGINT)
        process = subprocess.Popen(asleep, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process, process.stdout:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert process.poll() is None
        process.terminate()
    assert process.returncode == -signal.SIGTERM


def _workers(parent: int) -> list[int]:
    """Child processes that compute, without the one that watches resources."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [
        int(child)
        for child in children
        if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()
    ]


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


def test_warming_up_is_enough(tmp_path: Path) -> None:
    """Against one long segment, with the shipped network: no frame is 0.02 dB off."""
    high = [make_frame("gray", 192, 160, time=2.0 * i, seed=5, pts=i, index=i) for i in range(36)]
    reduce = Degradation(high[0].layout, (192, 160), scale=4, kind="bi")
    low = write_frames(tmp_path / "lr.mkv", [replace(f, planes=reduce(f.planes)) for f in high])
    scores = []
    for name, segment in (("cut.mkv", 18), ("uncut.mkv", 1000)):
        job = job_of(low, tmp_path / name, segment, model=None, codec="ffv1")
        run(job, progress=_silent, note=print)
        with Reader(tmp_path / name) as frames:
            made = [frame.planes[0].astype(float) for frame in frames]
        errors = [np.mean((m - f.planes[0]) ** 2) for m, f in zip(made, high, strict=True)]
        scores.append(10 * np.log10(255**2 / np.array(errors)))
    off = np.abs(scores[0] - scores[1])
    assert off[:16].max() == 0 and 0 < off[18:].max() < 0.02


def _silent(done: int, total: int | None) -> None:
    pass


def test_the_library_resumes_as_the_command_does(clip: Path, tmp_path: Path) -> None:
    assert upscale(clip, tmp_path / "out.mkv", options()).frames == FRAMES
    assert len(video(tmp_path / "out.mkv")) == FRAMES
