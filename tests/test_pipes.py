"""What comes from a pipe or goes into one: the same pictures, times and sounds as with files."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tests.conftest import MakeClip
from tests.jobs import ROOT, video
from tests.networks.tiny import TINY
from vsrcli.cli import app
from vsrcli.errors import ExitStatus, InputError, OutputError
from vsrcli.media.planes import ColourTags
from vsrcli.media.reader import Reader
from vsrcli.media.spool import readable_again
from vsrcli.media.y4m import standard_output

FRAMES = 10
COMMON = ["upscale", "--model", str(TINY), "--device", "cpu", "--scale", "2"]


def vsr(*arguments: str | Path, stdin: bytes = b"") -> Result:
    """`vsr upscale` with the tiny model and so much on standard input."""
    return CliRunner().invoke(app, [*COMMON, *map(str, arguments)], input=stdin)


@contextmanager
def running(*arguments: str | Path) -> Iterator[Any]:
    """The same as a process of its own, with pipes."""
    command = [sys.executable, "-m", "vsrcli", *COMMON, *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def audio(path: Path) -> list[tuple[int | None, bytes]]:
    """PTS and content of all packets of the sound."""
    with av.open(str(path)) as container:
        return [(p.pts, bytes(p)) for p in container.demux(audio=0) if p.size]


@pytest.fixture
def clip(make_clip: MakeClip) -> Path:
    """A clip with sound whose index is at its end, so that it has to be kept to be read."""
    return make_clip("in.mp4", frames=FRAMES, audio=("aac",), rate=Fraction(30000, 1001))


def test_standard_input(clip: Path, tmp_path: Path) -> None:
    assert vsr(clip, tmp_path / "file.mkv").exit_code == ExitStatus.SUCCESS
    result = vsr("-", tmp_path / "pipe.mkv", stdin=clip.read_bytes())
    assert result.exit_code == ExitStatus.SUCCESS, result.stderr
    assert len(video(tmp_path / "pipe.mkv")) == FRAMES
    assert video(tmp_path / "pipe.mkv") == video(tmp_path / "file.mkv")
    assert audio(tmp_path / "pipe.mkv") == audio(tmp_path / "file.mkv") != []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file.mkv", "in.mp4", "pipe.mkv"]


def test_pictures_of_standard_input_make_their_folder(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "er" / "%02d.png"
    result = vsr("-", output, "--max-frames", "2", stdin=clip.read_bytes())
    assert result.exit_code == ExitStatus.SUCCESS, result.stderr
    assert sorted(path.name for path in output.parent.iterdir()) == ["01.png", "02.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "new"]
    missing = vsr("-", tmp_path / "none" / "out.mkv", stdin=clip.read_bytes())
    assert missing.exit_code == ExitStatus.OUTPUT and "folder does not exist" in missing.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe(clip: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=lambda: pipe.write_bytes(clip.read_bytes()))
    feeder.start()
    result = vsr(pipe, tmp_path / "out.mkv")
    feeder.join()
    assert result.exit_code == ExitStatus.SUCCESS, result.stderr
    assert vsr(clip, tmp_path / "file.mkv").exit_code == ExitStatus.SUCCESS
    assert video(tmp_path / "out.mkv") == video(tmp_path / "file.mkv")
    assert pipe.is_fifo() and not list(tmp_path.glob(".*"))


def test_a_pipe_without_a_video(tmp_path: Path) -> None:
    for content, words in ((b"", "nothing came out of the pipe"), (b"text", "is not a video")):
        result = vsr("-", tmp_path / "out.mkv", stdin=content)
        errors = [line for line in result.stderr.splitlines() if "error" in line]
        assert result.exit_code == ExitStatus.INPUT and len(errors) == 1 and words in errors[0]
        assert list(tmp_path.iterdir()) == []


def test_what_is_told_of_a_pipe_names_it(make_clip: MakeClip, tmp_path: Path) -> None:
    """Not the copy that is kept of it, which nobody knows."""
    clip = make_clip("in.mkv", codec="ffv1", interlaced=True).read_bytes()
    told = vsr("-", tmp_path / "out.mkv", stdin=clip).stderr
    assert "vsr: -: interlaced frames are deinterlaced" in told
    refused = vsr("-", tmp_path / "out.mp4", "--keep-interlaced", stdin=clip).stderr
    assert "vsr: error: - is interlaced, which" in refused


def reduce(*arguments: str | Path, stdin: bytes = b"") -> Result:
    """`vsr degrade` with so much on standard input."""
    return CliRunner().invoke(app, ["degrade", *map(str, arguments)], input=stdin)


def test_standard_input_is_reduced(clip: Path, tmp_path: Path) -> None:
    assert reduce(clip, tmp_path / "file.mkv").exit_code == ExitStatus.SUCCESS
    result = reduce("-", tmp_path / "pipe.mkv", "--json", stdin=clip.read_bytes())
    assert result.exit_code == ExitStatus.SUCCESS, result.stderr
    assert json.loads(result.stdout)["source"] == "-"
    assert (tmp_path / "pipe.mkv").read_bytes() == (tmp_path / "file.mkv").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file.mkv", "in.mp4", "pipe.mkv"]
    wrong = reduce("-", tmp_path / "out.mkv", stdin=b"text")
    assert wrong.exit_code == ExitStatus.INPUT
    assert wrong.stderr.startswith("vsr: error: - is not a video")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_reduced(clip: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=lambda: pipe.write_bytes(clip.read_bytes()), daemon=True)
    feeder.start()
    result = reduce(pipe, tmp_path / "out.mkv")
    feeder.join()
    assert result.exit_code == ExitStatus.SUCCESS, result.stderr
    assert len(video(tmp_path / "out.mkv")) == FRAMES and not list(tmp_path.glob(".*"))


def pictures(stream: bytes, size: tuple[int, int], chroma: int = 2) -> tuple[str, list[list[Any]]]:
    """Header and planes of a y4m of 4:2:0, or with CHROMA 1 of 4:4:4."""
    file = io.BytesIO(stream)
    header = file.readline().decode().strip()
    width, height = size
    frames = []
    while line := file.readline():
        assert line == b"FRAME\n"
        shapes = [(height, width), *[(height // chroma, width // chroma)] * 2]
        frames.append([np.frombuffer(file.read(h * w), np.uint8).reshape(h, w) for h, w in shapes])
    return header, frames


def test_y4m_to_standard_output(clip: Path, tmp_path: Path) -> None:
    result = vsr(clip, "-")
    assert result.exit_code == ExitStatus.SUCCESS, result.stderr
    header, frames = pictures(result.stdout_bytes, (128, 96))
    assert header == "YUV4MPEG2 W128 H96 F30000:1001 Ip A0:0 C420mpeg2"
    assert vsr(clip, tmp_path / "out.mkv", "--codec", "ffv1").exit_code == ExitStatus.SUCCESS
    with Reader(tmp_path / "out.mkv") as reader:
        lossless = list(reader)
    assert len(frames) == len(lossless) == FRAMES
    for ours, wanted in zip(frames, lossless, strict=True):
        for plane, other in zip(ours, wanted.planes, strict=True):
            np.testing.assert_array_equal(plane, other)
    assert "constant frame rate" not in result.stderr
    assert "audio stream 1 (aac" in result.stderr  # it is told that there is no sound


@pytest.mark.parametrize(("span", "site"), [(1, "mpeg2"), (2, "jpeg")])
def test_y4m_says_where_untagged_chroma_was_taken_to_lie(
    make_clip: MakeClip, span: int, site: str
) -> None:
    untagged = make_clip("in.mkv", codec="ffv1", frames=1, tags=ColourTags(1, 1, 1, span))
    header, _ = pictures(vsr(untagged, "-").stdout_bytes, (128, 96))
    assert f" C420{site} " in header


def test_y4m_tells_that_high_dynamic_range_is_lost(make_clip: MakeClip) -> None:
    hdr = make_clip("in.mkv", codec="ffv1", frames=1, tags=ColourTags(9, 9, 16, 1))
    assert "y4m cannot say that its colours are BT.2020, PQ" in vsr(hdr, "-").stderr
    assert vsr(hdr, "-", "--strict").exit_code == ExitStatus.FAILURE


def test_what_y4m_cannot_hold_is_refused_before_the_work(make_clip: MakeClip) -> None:
    tall = make_clip("in.mkv", frames=1, codec="ffv1", pix_fmt="yuv440p")
    for way in ((), ("--dry-run",)):
        result = vsr(tall, "-", *way)
        assert result.exit_code == ExitStatus.OUTPUT and "cannot hold yuv440p" in result.stderr


def test_white_stays_white_in_y4m(tmp_path: Path) -> None:
    """RGB is full range, and the Y'CbCr that becomes of it is not."""
    Image.new("RGB", (64, 48), "white").save(tmp_path / "white.png")
    stream = vsr(tmp_path / "white.png", "-", "--model", "spmc_x4").stdout_bytes
    header, (planes,) = pictures(stream, (128, 96), chroma=1)
    assert "C444" in header and header.endswith("XCOLORRANGE=LIMITED")
    assert [int(np.median(plane)) for plane in planes] == [235, 128, 128]


def test_y4m_through_and_through(clip: Path, tmp_path: Path) -> None:
    """Standard input to standard output, as in the middle of a pipeline."""
    first = vsr(clip, "-").stdout_bytes
    (tmp_path / "first.y4m").write_bytes(first)
    second = vsr("-", "-", stdin=first)
    assert second.exit_code == ExitStatus.SUCCESS, second.stderr
    assert second.stdout_bytes == vsr(tmp_path / "first.y4m", "-").stdout_bytes
    header, frames = pictures(second.stdout_bytes, (256, 192))
    assert "F30000:1001" in header and len(frames) == FRAMES


def test_y4m_tells_that_variable_times_are_lost(make_clip: MakeClip) -> None:
    base = Fraction(1, 1000)
    for rate, times, lost in (
        (25, [0, 40, 80, 200, 240], True),
        (60, [0, 17, 33, 50, 67, 83], False),  # constant, but for the clock of Matroska
    ):
        clip = make_clip("v.mkv", pts=times, frames=len(times), time_base=base, rate=rate)
        result = vsr(clip, "-")
        header, frames = pictures(result.stdout_bytes, (128, 96))
        assert len(frames) == len(times) and f"F{rate}:1" in header
        assert result.stderr.count("constant frame rate: the variable times are lost") == lost


def test_nobody_reads_the_output(clip: Path) -> None:
    with running(clip, "-") as process:
        process.stdout.read(100)
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait(60) == ExitStatus.OUTPUT
    assert "standard output: cannot be written" in said and "Traceback" not in said
    assert "Exception ignored" not in said


def copies(folder: Path) -> list[Path]:
    """What a job keeps of the pipe it reads."""
    return list(folder.glob(".*.vsr-input"))


def begin(process: Any, content: bytes, folder: Path, count: int) -> None:
    """Send a part of the input and wait until it is kept, in the COUNT-th copy."""
    process.stdin.write(content)
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while len(copies(folder)) < count:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")
def test_killed_while_it_reads(clip: Path, tmp_path: Path) -> None:
    """The next job clears up, but leaves what another one is still reading."""
    content = clip.read_bytes()
    with running("-", tmp_path / "alive.mkv") as alive:
        begin(alive, content[:100], tmp_path, 1)
        kept = copies(tmp_path)
        with running("-", tmp_path / "out.mkv") as dead:
            begin(dead, content[:100], tmp_path, 2)
            dead.send_signal(signal.SIGKILL)
            dead.wait(30)
        assert len(copies(tmp_path)) == 2
        result = vsr("-", tmp_path / "out.mkv", stdin=content)
        assert result.exit_code == ExitStatus.SUCCESS, result.stderr
        assert copies(tmp_path) == kept
        alive.stdin.write(content[100:])
        alive.stdin.close()
        said = alive.stderr.read().decode()
        assert alive.wait(60) == ExitStatus.SUCCESS, said
    assert video(tmp_path / "alive.mkv") == video(tmp_path / "out.mkv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["alive.mkv", "in.mp4", "out.mkv"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_stopped_while_it_reads(clip: Path, tmp_path: Path) -> None:
    with running("-", tmp_path / "out.mkv") as process:
        begin(process, clip.read_bytes()[:100], tmp_path, 1)
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read().decode()
        assert process.wait(60) == ExitStatus.INTERRUPTED
    assert "interrupted" in said and "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_streams_that_take_text_alone_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a notebook's do."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr("sys.stdout", io.StringIO())
    with (
        pytest.raises(InputError, match="standard input .* text alone"),
        readable_again(Path("-"), tmp_path / "out.mp4"),
    ):
        pass
    with pytest.raises(OutputError, match="standard output: .* text alone"):
        standard_output()
    assert not list(tmp_path.iterdir())
