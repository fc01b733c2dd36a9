"""Every script in examples/ runs and does what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.clips import make_frame
from tests.lossless import write_frames
from vsrcli.media.probe import probe

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(script: str, *arguments: Path) -> str:
    """What the script prints."""
    command = [sys.executable, str(EXAMPLES / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_clip_is_what_readme_says() -> None:
    info = probe(EXAMPLES / "bunny.mp4")
    assert (info.width, info.height, info.frames, info.codec) == (320, 180, 50, "h264")
    assert [stream.type for stream in info.streams] == ["video", "audio"]
    assert (EXAMPLES / "bunny.mp4").stat().st_size < 1 << 20


def test_enlarge(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    assert "640x360" in run("enlarge.py", EXAMPLES / "bunny.mp4", output)
    info = probe(output)
    assert (info.width, info.height, info.frames) == (640, 360, 13)


def test_measure(tmp_path: Path) -> None:
    frames = [make_frame("yuv420p", 192, 160, time=8.0 * i, seed=2, index=i) for i in range(6)]
    original = write_frames(tmp_path / "original.mkv", frames)
    rows = dict(line.split()[:2] for line in run("measure.py", original, tmp_path).splitlines())
    assert float(rows["large.mkv"]) > float(rows["bicubic"]) + 1.0
