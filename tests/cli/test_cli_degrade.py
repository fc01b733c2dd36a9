"""`vsr degrade` as typed: what is written, what is said, exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner, Result

from tests.conftest import MakeClip
from vsrcli.cli import app
from vsrcli.media.probe import probe

runner = CliRunner()


def vsr(*arguments: str | Path) -> Result:
    return runner.invoke(app, ["degrade", *map(str, arguments)])


def test_says_what_was_written(make_clip: MakeClip, tmp_path: Path) -> None:
    clip, output = make_clip(size=(128, 96), frames=5), tmp_path / "lr.mp4"
    result = vsr(clip, output)
    assert result.exit_code == 0
    line = " ".join(result.stdout.split())
    assert "5 frames of 32x24, libx264 preset slow crf 21" in line
    assert line.endswith(f"{output.stat().st_size} bytes")
    info = probe(output)
    assert (info.width, info.height, info.codec) == (32, 24, "h264")


def test_one_frame_is_called_that(make_clip: MakeClip, tmp_path: Path) -> None:
    result = vsr(make_clip(frames=1), tmp_path / "lr.png", "--kind", "bi")
    assert "lr.png: 1 frame of 16x12, png" in " ".join(result.stdout.split())


def test_json_is_all_there_is_on_stdout(make_clip: MakeClip, tmp_path: Path) -> None:
    clip, output = make_clip(size=(128, 96), frames=5), tmp_path / "lr.mkv"
    result = vsr(
        clip, output, "--json", "--kind", "bd", "--scale", "2", "--noise", "3", "--max-frames", "2"
    )
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["kind"] == "bd"
    assert report["size_in"] == [128, 96]
    assert report["size"] == [64, 48]
    assert report["frames"] == 2
    assert report["codec"] == "ffv1"
    assert report["bytes"] == output.stat().st_size
    assert report["dropped"] == []


def test_seed_changes_the_noise_and_nothing_else(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip(size=(64, 48), frames=2)
    files = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        path = tmp_path / f"{name}.mkv"
        vsr(clip, path, "--kind", "bi", "--noise", "4", "--seed", seed)
        files.append(path.read_bytes())
    assert files[0] == files[1] != files[2]


def test_quiet_says_nothing(make_clip: MakeClip, tmp_path: Path) -> None:
    result = vsr(make_clip(frames=2), tmp_path / "lr.mp4", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_lossy_streams_are_named(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mkv", frames=2, attachments=[("font.ttf", "font/ttf", b"font")])
    result = vsr(clip, tmp_path / "lr.mp4", "--json")
    assert result.exit_code == 0
    (line,) = json.loads(result.stdout)["dropped"]
    assert "attachment" in line
    assert line in result.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["{clip}", "{clip}"], 2, "is the input"),
        (["{clip}", "{existing}"], 4, "exists already"),
        (["{missing}", "{output}"], 3, "missing.mp4"),
        (["{clip}", "{output}", "--scale", "1"], 2, "--scale 1"),
        (["{clip}", "{output}", "--scale", "inf"], 2, "--scale inf"),
        (["{clip}", "{output}", "--noise", "inf"], 2, "--noise inf"),
        (["{clip}", "{output}", "--kind", "nearest"], 2, "--kind"),
        (["{clip}", "{output}", "--codec", "libx26x"], 2, "libx26x"),
        (["{clip}", "{output}", "--preset", "sluggish"], 2, "sluggish"),
        (["{clip}", "{output}", "--scale", "40"], 3, "too small"),
        (["{clip}", "{output}.txt"], 2, ".txt"),
    ],
)
def test_failures_have_their_exit_status(
    make_clip: MakeClip, tmp_path: Path, arguments: list[str], status: int, message: str
) -> None:
    existing = tmp_path / "existing.mp4"
    existing.write_bytes(b"mine")
    paths = {
        "clip": make_clip(frames=2),
        "existing": existing,
        "missing": tmp_path / "missing.mp4",
        "output": tmp_path / "lr.mp4",
    }
    result = vsr(*(argument.format(**paths) for argument in arguments))
    assert result.exit_code == status
    assert message in " ".join(result.stderr.split())
    assert existing.read_bytes() == b"mine"
    assert not paths["output"].exists()


def test_damage_is_told_and_has_its_exit_status(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", frames=8, options={"bf": "0", "g": "1"})
    with av.open(clip) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(clip.read_bytes())
    start, size = packets[4]
    data[start : start + size] = b"\xff" * size
    clip.write_bytes(data)
    result = vsr(clip, tmp_path / "lr.mkv", "--json")
    assert result.exit_code == 7
    found = json.loads(result.stdout)
    assert (found["frames"], found["concealed"], found["truncated"]) == (8, 1, False)
