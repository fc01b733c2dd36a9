"""What can go wrong while a job runs: each fault ends in a known state and harms nothing."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tests.conftest import MakeClip
from tests.jobs import ROOT, SEGMENT, do, job_of, options
from tests.networks.tiny import TINY
from tests.segments import packets
from vsrcli import degrade, upscale
from vsrcli.cli import app
from vsrcli.errors import (
    ExitStatus,
    InputError,
    ModelError,
    OutOfMemoryError,
    OutputError,
    UsageError,
)
from vsrcli.media.folder import JobFolder
from vsrcli.media.reader import Reader
from vsrcli.networks.session import Session
from vsrcli.options import MAX_PIXELS

FRAMES = 40


@pytest.fixture
def clip(make_clip: MakeClip) -> Path:
    """Four segments with sound."""
    return make_clip("in.mkv", frames=FRAMES, audio=("aac",))


def vsr(*arguments: str | Path) -> Result:
    """`vsr upscale` with the tiny model."""
    common = ["--model", str(TINY), "--device", "cpu"]
    return CliRunner().invoke(app, ["upscale", *common, *map(str, arguments)])


def at(frame: int, act: Callable[[], object]) -> Callable[[int, int | None], None]:
    """A progress function that acts once FRAME frames are done."""

    def progress(done: int, total: int | None) -> None:
        if done == frame:
            act()

    return progress


def finishes(clip: Path, output: Path) -> None:
    """The same job goes on and ends well."""
    assert do(clip, output, overwrite=True).frames == FRAMES
    with Reader(output) as frames:
        assert len(list(frames)) == FRAMES
    assert not JobFolder(output).path.exists()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own for so many bytes."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("size", ["24k", "100k", "160k"])
def test_disk_full(clip: Path, tmp_path: Path, size: str) -> None:
    whole = tmp_path / "whole.mkv"
    do(clip, whole)
    with small_disk(tmp_path / "disk", size) as disk:
        output = disk / "out.mkv"
        output.write_bytes(b"precious")
        with pytest.raises(OutputError, match="the disk is full; free some space"):
            do(clip, output, overwrite=True)
        assert output.read_bytes() == b"precious"
        assert not list(disk.rglob(".*"))
        subprocess.run(["mount", "-o", "remount,size=10m", str(disk)], check=True)
        finishes(clip, output)
        assert output.read_bytes() == whole.read_bytes()


def test_file_size_limit(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    output.write_bytes(b"precious")
    code = (
        "import resource, signal, sys; from pathlib import Path; from tests.jobs import do\n"
        "from vsrcli.errors import OutputError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "try: do(Path(sys.argv[1]), Path(sys.argv[2]), overwrite=True)\n"
        "except OutputError as failure: print(failure)"
    )
    command = [sys.executable, "-c", code, str(clip), str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "the disk is full" in done.stdout and done.stderr == ""
    assert output.read_bytes() == b"precious"
    finishes(clip, output)


@pytest.mark.parametrize("frame", [3, SEGMENT, 2 * SEGMENT + 3, FRAMES])
def test_job_folder_removed_midway(clip: Path, tmp_path: Path, frame: int) -> None:
    output = tmp_path / "out.mkv"
    output.write_bytes(b"precious")
    gone = at(frame, lambda: shutil.rmtree(JobFolder(output).path))
    with pytest.raises(OutputError, match="does not exist|no finished segment"):
        do(clip, output, progress=gone, overwrite=True)
    assert output.read_bytes() == b"precious"
    finishes(clip, output)


def test_output_folder_removed_midway(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    with pytest.raises(OutputError, match="folder does not exist"):
        do(clip, folder / "out.mkv", progress=at(SEGMENT + 3, lambda: shutil.rmtree(folder)))
    assert not folder.exists()
    folder.mkdir()
    finishes(clip, folder / "out.mkv")


def test_input_removed_midway(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    with pytest.raises(InputError, match=r"in\.mkv"):
        do(clip, output, progress=at(SEGMENT + 3, clip.unlink))
    assert not output.exists()


def test_the_output_appears_meanwhile(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    with pytest.raises(OutputError, match="has appeared meanwhile|exists already"):
        do(clip, output, progress=at(SEGMENT, lambda: output.write_bytes(b"somebody's")))
    with pytest.raises(OutputError, match="exists already"):
        do(clip, output)
    assert output.read_bytes() == b"somebody's"
    finishes(clip, output)


def failing(monkeypatch: pytest.MonkeyPatch, failure: Exception, call: int, times: int) -> None:
    """Let onnxruntime fail at so many runs of a fusion, from the CALL-th on."""
    calls = 0
    begin = Session.__init__

    def patched(self: Session, path: Path, device: Any, session: Any) -> None:
        begin(self, path, device, session)
        if "fusion" in path.name:
            self._session = Failing(session)

    class Failing:
        def __init__(self, session: Any) -> None:
            self.io_binding, self.run_well = session.io_binding, session.run_with_iobinding

        def run_with_iobinding(self, binding: Any) -> None:
            nonlocal calls
            calls += 1
            if call <= calls < call + times:
                raise failure
            self.run_well(binding)

    monkeypatch.setattr(Session, "__init__", patched)


def test_onnxruntime_fails_midway(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

    output = tmp_path / "out.mkv"
    failing(monkeypatch, ort_errors.RuntimeException("node 7 exploded"), 30, 1000)
    with pytest.raises(ModelError, match="node 7 exploded"):
        do(clip, output)
    assert len(JobFolder(output).finished()) == 1 and not output.exists()
    monkeypatch.undo()
    finishes(clip, output)


def test_out_of_memory_on_a_tile_backs_off(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, notes = tmp_path / "out.mkv", []
    failing(monkeypatch, MemoryError(), 20, 2)
    assert do(clip, output, note=notes.append, codec="ffv1").frames == FRAMES
    assert [note for note in notes if "out of memory on cpu: going on with tiles of" in note]
    monkeypatch.undo()
    do(clip, tmp_path / "whole.mkv", codec="ffv1")
    with Reader(output) as tiled, Reader(tmp_path / "whole.mkv") as whole:
        for ours, theirs in zip(tiled, whole, strict=True):
            assert np.array_equal(ours.planes[0], theirs.planes[0])


def test_out_of_memory_for_good(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.mkv"
    failing(monkeypatch, MemoryError(), SEGMENT + 20, 1000)
    with pytest.raises(OutOfMemoryError, match="too little memory"):
        do(clip, output)
    assert JobFolder(output).finished() and not output.exists()


@pytest.mark.parametrize("part", ["look", "advance", "finish"])
def test_numpy_out_of_memory_is_one_sentence(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def full(*arguments: Any, **named: Any) -> Any:
        raise np._core._exceptions._ArrayMemoryError((9, 9), np.dtype("u1"))

    monkeypatch.setattr(f"vsrcli.enlarge.FrameEnlarger.{part}", full)
    with pytest.raises(OutOfMemoryError, match="too little memory for frames of 256x192"):
        do(clip, tmp_path / "out.mkv")


def damage(path: Path, places: tuple[float, ...], run: int = 200) -> None:
    """Overwrite RUN bytes at each share of the file."""
    data = bytearray(path.read_bytes())
    for place in places:
        begin = int(len(data) * place)
        data[begin : begin + run] = np.random.default_rng(1).bytes(run)
    path.write_bytes(data)


@pytest.fixture
def damaged(make_clip: MakeClip) -> Path:
    """A clip whose packets in the middle are noise."""
    path = make_clip("bad.ts", frames=FRAMES, codec="mpeg2video", audio=("mp2",))
    damage(path, (0.4, 0.5), 1500)
    return path


def test_a_frame_that_lost_a_part_is_damage_of_the_job(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.avi", frames=FRAMES, codec="mpeg4", size=(176, 144), options={"bf": "0"})
    with av.open(str(clip)) as container:
        packet = [bytes(p) for p in container.demux(container.streams.video[0]) if p.size][2]
    middle = packet[len(packet) // 3 :][:60]
    noise = np.random.default_rng(3).bytes(60)
    clip.write_bytes(clip.read_bytes().replace(middle, noise))
    result = vsr(clip, tmp_path / "out.mp4")
    assert result.exit_code == ExitStatus.DAMAGED
    assert ", 1 damaged frame mended" in result.stderr
    reduced = degrade(clip, tmp_path / "small.mp4")
    assert (reduced.frames, reduced.mended, reduced.damaged) == (FRAMES, 1, True)


@pytest.mark.parametrize("policy", ["conceal", "skip", "stop"])
def test_damage_is_told_by_the_exit_status(damaged: Path, tmp_path: Path, policy: str) -> None:
    output = tmp_path / "out.mkv"
    result = vsr(damaged, output, "--on-error", policy)
    if policy == "stop":
        assert result.exit_code == ExitStatus.INPUT
        assert "bad.ts is damaged" in result.stderr and not output.exists()
        return
    assert result.exit_code == ExitStatus.DAMAGED, result.stderr
    with Reader(output) as frames:
        count = len(list(frames))
    lost = upscale(damaged, output, options(on_error=policy, overwrite=True))
    assert lost.damaged and lost.frames == count
    if policy == "conceal":
        assert "concealed" in result.stderr and lost.concealed and count + lost.left_out == FRAMES
    else:
        assert "left out" in result.stderr and lost.left_out and count + lost.left_out == FRAMES


def sound_headers(path: Path) -> list[int]:
    """Where the headers of the AAC packets in a transport stream lie that come whole."""
    data = path.read_bytes()
    found = (match.start() for match in re.finditer(rb"\xff[\xf0\xf1]\x4c\x80", data))
    return [place for place in found if place % 188 < 180]


@pytest.mark.parametrize(
    "flips",
    [{1: 0xF0}, {1: 0x01, 6: 0x03}],
    ids=["no header at all", "a header as FFmpeg does not support it"],
)
def test_damaged_sound_is_left_out_where_the_container_does_not_take_it(
    make_clip: MakeClip, tmp_path: Path, flips: dict[int, int]
) -> None:
    clip = make_clip("in.ts", frames=FRAMES, audio=("aac",))
    whole = len(packets(clip, "audio"))
    data, place = bytearray(clip.read_bytes()), sound_headers(clip)[20]
    for byte, bits in flips.items():
        data[place + byte] ^= bits
    clip.write_bytes(data)
    output = tmp_path / "out.mp4"
    result = vsr(clip, output)
    assert result.exit_code == ExitStatus.DAMAGED, result.stderr
    note = "audio stream 1: 1 damaged packet was left out, which MP4 does not take"
    assert note in result.stderr and "1 packet of damaged sound" in result.stderr
    assert len(packets(output, "audio")) == whole - 1
    assert len(packets(output, "video")) == FRAMES
    lost = upscale(clip, output, options(overwrite=True))
    assert (lost.packets_left_out, lost.left_out, lost.damaged) == (1, 0, True)


def test_sound_of_which_nothing_can_be_copied_is_named(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.ts", frames=FRAMES, audio=("aac",))
    data = bytearray(clip.read_bytes())
    for place in sound_headers(clip)[10:]:
        data[place + 1] ^= 0x01
        data[place + 6] ^= 0x03
    clip.write_bytes(data)
    result = vsr(clip, tmp_path / "out.mp4", "--start", "1")
    assert result.exit_code == ExitStatus.OUTPUT
    assert "audio stream 1 cannot be copied (MP4 takes none of its packets)" in result.stderr
    assert not (tmp_path / "out.mp4").exists()


def test_damage_in_what_waits_for_a_tar_is_told_when_it_is_written(
    damaged: Path, make_clip: MakeClip, tmp_path: Path
) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    damaged.rename(clips / "a.ts")
    (clips / "b.mp4").write_text("no video")
    assert vsr(clips, tmp_path / "out.tar").exit_code == ExitStatus.FAILURE
    make_clip("clips/b.mp4", frames=2)
    result = vsr(clips, tmp_path / "out.tar", "--json")
    assert result.exit_code == ExitStatus.DAMAGED, result.output
    assert json.loads(result.stdout)["damaged"] == [str(clips / "a.ts")]
    assert f"{clips / 'a.ts'}: is damaged, as was told when it was enlarged" in result.stderr


def test_a_truncated_file_is_told_by_the_exit_status(make_clip: MakeClip, tmp_path: Path) -> None:
    path = make_clip("cut.mkv", frames=FRAMES)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert vsr(path, tmp_path / "out.mkv").exit_code == ExitStatus.DAMAGED
    result = vsr(path, tmp_path / "none.mkv", "--on-error", "stop")
    assert result.exit_code == ExitStatus.INPUT and "ends early" in result.stderr


def test_undamaged_is_success(clip: Path, tmp_path: Path) -> None:
    for policy in ("conceal", "skip", "stop"):
        result = vsr(clip, tmp_path / f"{policy}.mkv", "--on-error", policy)
        assert result.exit_code == ExitStatus.SUCCESS


def test_frames_too_large_are_refused(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("wide.mkv", size=(8192, 2304), frames=1, codec="ffv1", pix_fmt="gray")
    with pytest.raises(UsageError, match="is more than 256 megapixels a frame; choose a smaller"):
        job_of(clip, tmp_path / "out.mkv")
    assert job_of(clip, tmp_path / "out.mkv", scale=2.0).size == (16384, 4608)
    assert MAX_PIXELS < 8192 * 2304 * 16


def test_a_declared_size_is_not_believed(make_clip: MakeClip, tmp_path: Path) -> None:
    """A y4m of a hundred bytes that says it holds 30000 x 30000 pixels costs no memory."""
    bomb = tmp_path / "bomb.y4m"
    bomb.write_bytes(b"YUV4MPEG2 W30000 H30000 F25:1 Ip A1:1 C420jpeg\nFRAME\n" + bytes(50))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"bomb\.y4m"):
        job_of(bomb, tmp_path / "out.mkv")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_read_only_folder(clip: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        result = vsr(clip, disk / "out.mkv")
        assert result.exit_code == ExitStatus.OUTPUT
        assert "may not be written" in result.stderr and "Traceback" not in result.stderr


NAMES = [
    "with space.mkv",
    'it\'s "quoted".mkv',
    "größe 日本 \U0001f3ac.mkv",
    "-y.mkv",
    "a:b.mkv",
    "100%d [x] {y} $HOME `z`.mkv",
    "new\nline.mkv",
    "ü" * 125 + ".mkv",
    "x" * 251 + ".mkv",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / name
    clip.rename(source)
    monkeypatch.chdir(tmp_path)
    result = vsr("--max-frames", "3", "--", Path("in", name), name)
    assert result.exit_code == ExitStatus.SUCCESS, result.stderr
    with Reader(tmp_path / name) as frames:
        assert len(list(frames)) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["in", name])


def test_a_leading_dash_needs_no_folder(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clip.rename(tmp_path / "-in.mkv")
    assert vsr("--max-frames", "1", "--", "-in.mkv", "-out.mkv").exit_code == ExitStatus.SUCCESS
    assert (tmp_path / "-out.mkv").exists()
