"""What is the same whatever interlaced frames become, pictures of every field or a film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.conftest import MakeClip
from tests.jobs import SEGMENT, do, options
from vsrcli.cli import app
from vsrcli.errors import ExitStatus, UsageError
from vsrcli.job import identity_of, prepare
from vsrcli.options import UpscaleOptions

FIELDS: dict[str, Any] = {"interlaced": True, "velocity": (4, 0)}
WAYS = [("double_rate", {}, 16, 32), ("inverse_telecine", {"pulldown": True}, 30, 24)]


@pytest.mark.parametrize(("way", "clip", "frames", "pictures"), WAYS)
def test_interrupted_or_shared_it_ends_in_the_same_bytes(
    make_clip: MakeClip,
    tmp_path: Path,
    way: str,
    clip: dict[str, Any],
    frames: int,
    pictures: int,
) -> None:
    path = make_clip("in.mkv", codec="ffv1", frames=frames, audio=("aac",), **FIELDS, **clip)
    whole, resumed, shared = (tmp_path / name / "out.mkv" for name in ("one", "two", "three"))
    for output in (whole, resumed, shared):
        output.parent.mkdir()
    asked: dict[str, Any] = {way: True}
    assert do(path, whole, **asked).frames == pictures

    def stop(done: int, total: int | None) -> None:
        if done == SEGMENT + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(path, resumed, progress=stop, **asked)
    with pytest.raises(UsageError, match=f"--{way.replace('_', '-')} True, now False"):
        do(path, resumed)
    assert do(path, resumed, **asked).resumed == SEGMENT
    do(path, shared, workers=2, **asked)
    assert whole.read_bytes() == resumed.read_bytes() == shared.read_bytes()


@pytest.mark.parametrize("way", ["double_rate", "inverse_telecine"])
def test_progressive_video_is_told_and_stays_as_it_is(
    make_clip: MakeClip, tmp_path: Path, way: str
) -> None:
    path = make_clip("in.mkv", codec="mpeg2video")
    notes: list[str] = []
    jobs = [
        prepare(path, tmp_path / "o.mkv", options(**{way: asked}), note=notes.append)
        for asked in (False, True)
    ]
    (note,) = notes
    assert note.startswith("in.mkv: ") and f"--{way.replace('_', '-')} does nothing" in note
    assert identity_of(jobs[0]) == identity_of(jobs[1]) and jobs[0].info == jobs[1].info


@pytest.mark.parametrize(
    "both",
    [
        ("--double-rate", "--inverse-telecine"),
        ("--double-rate", "--keep-interlaced"),
        ("--inverse-telecine", "--keep-interlaced"),
    ],
)
def test_two_ways_exclude_each_other(make_clip: MakeClip, both: tuple[str, str]) -> None:
    path = make_clip("in.mp4", **FIELDS)
    refused = CliRunner().invoke(app, ["upscale", str(path), str(path.parent / "o.mp4"), *both])
    assert refused.exit_code == ExitStatus.USAGE
    assert f"{both[0]} and {both[1]} exclude each other" in refused.stderr


def test_the_library_refuses_both_at_once() -> None:
    with pytest.raises(UsageError, match="--double-rate and --keep-interlaced"):
        UpscaleOptions(double_rate=True, deinterlace=False)
