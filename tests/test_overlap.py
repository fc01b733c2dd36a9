"""Threads that run ahead: what they hand on, how far they get, and that none outlives its use."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeClip
from tests.jobs import SEGMENT, do, options, start
from vsrcli.enlarge import FrameEnlarger
from vsrcli.errors import InputError, OutputError
from vsrcli.media.folder import JobFolder
from vsrcli.media.reader import Reader
from vsrcli.media.writer import SegmentWriter
from vsrcli.overlap import Overlap
from vsrcli.upscale import upscale

FRAMES = 30


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Fails a test after which threads of a pipeline run on."""
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vsr-")]


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within seconds."""
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    return condition()


class Counted:
    """Numbers from 0 on, and how many have been asked for."""

    def __init__(self, failure: BaseException | None = None, at: int = -1) -> None:
        self.made = 0
        self._failure, self._at = failure, at

    def __iter__(self) -> Iterator[int]:
        while True:
            if self.made == self._at and self._failure is not None:
                raise self._failure
            self.made += 1
            yield self.made - 1


def test_items_come_in_order_from_another_thread() -> None:
    makers: set[str] = set()

    def items() -> Iterator[int]:
        for number in range(1000):
            makers.add(threading.current_thread().name)
            yield number

    with Overlap() as overlap:
        first = overlap.ahead(items(), 3, "vsr-a")
        second = overlap.ahead((-number for number in first), 1, "vsr-b")
        assert list(second) == [-number for number in range(1000)]
    assert makers == {"vsr-a"}


@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_than_the_depth_is_made_ahead(depth: int) -> None:
    source = Counted()
    with Overlap() as overlap:
        items = overlap.ahead(source, depth, "vsr-a")
        assert eventually(lambda: source.made == depth)
        time.sleep(0.05)
        assert source.made == depth
        for taken in range(1, 20):
            next(items)
            assert eventually(lambda: source.made == taken + depth)  # noqa: B023
            assert source.made == taken + depth


def test_steps_run_at_the_same_time() -> None:
    """Each of two steps waits for the other: alone, neither would get on."""
    meeting = threading.Barrier(2, timeout=5)

    def made() -> Iterator[int]:
        for number in range(5):
            meeting.wait()
            yield number

    with Overlap() as overlap:
        items = overlap.ahead(made(), 5, "vsr-a")
        for _ in range(5):
            meeting.wait()
        assert list(items) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("failure", [InputError("broken"), MemoryError(), KeyboardInterrupt()])
def test_an_error_comes_after_the_items_before_it(failure: BaseException) -> None:
    taken = []
    with pytest.raises(type(failure)) as raised, Overlap() as overlap:
        first = overlap.ahead(Counted(failure, at=7), 2, "vsr-a")
        second = overlap.ahead((number for number in first), 2, "vsr-b")
        while True:
            taken.append(next(second))
    assert raised.value is failure
    assert taken == list(range(7))


def test_leaving_early_ends_all_threads_wherever_they_wait() -> None:
    sources = [Counted(), Counted()]
    with Overlap() as overlap:
        first = overlap.ahead(sources[0], 2, "vsr-a")  # waits for room
        second = overlap.ahead((number for number in first), 2, "vsr-b")  # waits for room
        held = threading.Event()
        stuck = overlap.ahead((held.wait(5) for _ in first), 1, "vsr-c")  # waits in its work
        del stuck
        assert next(second) is not None
        threading.Timer(0.05, held.set).start()
    made = [source.made for source in sources]
    time.sleep(0.02)
    assert made == [source.made for source in sources]


def test_a_thread_that_waits_for_items_is_woken() -> None:
    gate = threading.Event()

    def slow() -> Iterator[int]:
        gate.wait(5)
        yield 1

    with Overlap() as overlap:
        first = overlap.ahead(slow(), 1, "vsr-a")
        overlap.ahead((number for number in first), 1, "vsr-b")
        threading.Timer(0.05, gate.set).start()


def test_an_abandoned_generator_leaves_no_thread() -> None:
    def pipeline() -> Iterator[int]:
        with Overlap() as overlap:
            yield from overlap.ahead(Counted(), 2, "vsr-a")

    numbers = pipeline()
    assert next(numbers) == 0
    del numbers


def test_the_interpreter_ends_though_a_pipeline_was_left_in_the_middle() -> None:
    code = (
        "import itertools, sys; from vsrcli.overlap import Overlap\n"
        "with Overlap() as overlap:\n"
        "    for _ in overlap.ahead(itertools.count(), 2, 'vsr-a'): sys.exit(3)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=20)
    assert (done.returncode, done.stderr) == (3, b"")


@pytest.fixture
def clip(make_clip: MakeClip) -> Path:
    """Three segments."""
    return make_clip("in.mkv", frames=FRAMES)


def test_reading_motion_fusion_and_encoding_have_threads_of_their_own(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, set[str]] = {}

    def watch(kind: type, name: str) -> None:
        own = getattr(kind, name)

        def watched(*arguments: object) -> object:
            threads.setdefault(name, set()).add(threading.current_thread().name)
            return own(*arguments)

        monkeypatch.setattr(kind, name, watched)

    watch(Reader, "_frame")
    watch(FrameEnlarger, "look")
    watch(FrameEnlarger, "_matched")
    watch(FrameEnlarger, "finish")
    watch(SegmentWriter, "write")
    ticks: set[str] = set()
    do(clip, tmp_path / "out.mkv", progress=lambda *_: ticks.add(threading.current_thread().name))
    own = {threading.current_thread().name}
    assert threads == {
        "_frame": {"vsr-read"} | own,  # whether there is a segment shows its first frame
        "look": {"vsr-motion"},
        "_matched": {"vsr-fusion"},
        "finish": own,
        "write": own,
    }
    assert ticks == own


def test_reading_stays_a_few_frames_ahead(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = written = ahead = 0
    frame, write = Reader._frame, SegmentWriter.write

    def counted(self: Reader, *arguments: object) -> object:
        nonlocal read, ahead
        read += 1
        ahead = max(ahead, read - written)
        return frame(self, *arguments)  # type: ignore[arg-type]

    def slow(self: SegmentWriter, *arguments: object) -> None:
        nonlocal written
        time.sleep(0.02)
        write(self, *arguments)  # type: ignore[arg-type]
        written += 1

    monkeypatch.setattr(Reader, "_frame", counted)
    monkeypatch.setattr(SegmentWriter, "write", slow)
    do(clip, tmp_path / "out.mkv", segment=FRAMES, frames=3)
    # 4 read, 2 looked at, 1 in the network and 1 it waits for, 2 enlarged, 1 in the encoder, 1 of
    # lookahead.
    assert written == FRAMES and 8 <= ahead <= 12


@pytest.mark.parametrize(("usual", "expected"), [(3840 * 2160, 3), (0, 2)])
def test_of_large_pictures_none_waits_while_another_is_made(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usual: int, expected: int
) -> None:
    made = written = ahead = 0
    advance, write = FrameEnlarger.advance, SegmentWriter.write

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal made, ahead
        pairs = advance(*arguments, **named)
        made += len(pairs)
        ahead = max(ahead, made - written)
        return pairs

    def slow(*arguments: Any) -> None:
        nonlocal written
        time.sleep(0.04)
        write(*arguments)
        written += 1

    monkeypatch.setattr("vsrcli.making.USUAL_PIXELS", usual)
    monkeypatch.setattr(FrameEnlarger, "advance", counted)
    monkeypatch.setattr(SegmentWriter, "write", slow)
    do(clip, tmp_path / "out.mkv", segment=FRAMES, frames=3)
    # One in the encoder, one just made, and where pictures are not large one in between.
    assert written == FRAMES and ahead == expected


def broken_at(number: int, failure: Exception, own: Callable[..., object]) -> Callable[..., object]:
    """A method like `own` that fails when it is called the NUMBER-th time."""
    calls = 0

    def method(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == number:
            raise failure
        return own(*arguments, **named)

    return method


@pytest.mark.parametrize(
    ("kind", "name", "failure"),
    [
        (Reader, "_frame", InputError("in.mkv is broken here")),
        (FrameEnlarger, "look", RuntimeError("motion is broken here")),
        (FrameEnlarger, "advance", RuntimeError("the network is broken here")),
        (SegmentWriter, "write", OutputError("out.mkv is broken here")),
    ],
)
def test_an_error_in_any_thread_ends_the_job_in_order(
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: type,
    name: str,
    failure: Exception,
) -> None:
    output = tmp_path / "out.mkv"
    whole = tmp_path / "whole.mkv"
    do(clip, whole)
    monkeypatch.setattr(kind, name, broken_at(SEGMENT + 10, failure, getattr(kind, name)))
    with pytest.raises(type(failure), match="is broken here"):
        do(clip, output)
    folder = JobFolder(output)
    assert not output.exists() and not list(folder.path.glob(".*"))
    assert [path.stem for path in folder.finished()] == ["segment_00000"]
    monkeypatch.undo()
    do(clip, output)
    assert output.read_bytes() == whole.read_bytes()


def test_an_interruption_while_everything_waits(clip: Path, tmp_path: Path) -> None:
    """Ctrl-C finds the main thread waiting for the network; the job goes on to the same bytes."""
    output = tmp_path / "out.mkv"
    process = start(clip, output, frames=31, tile=64)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) > SEGMENT:
            break
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert process.stderr is not None and process.stderr.read() == ""
    assert [path.stem for path in JobFolder(output).finished()][:1] == ["segment_00000"]
    do(clip, output, frames=31, tile=64)
    do(clip, tmp_path / "whole.mkv", frames=31, tile=64)
    assert output.read_bytes() == (tmp_path / "whole.mkv").read_bytes()


def test_pictures_are_made_the_same_way(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = InputError("in.mkv is broken here")
    monkeypatch.setattr(Reader, "_frame", broken_at(9, failure, Reader._frame))
    with pytest.raises(InputError, match="is broken here"):
        upscale(clip, tmp_path / "%04d.png", options())
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]
