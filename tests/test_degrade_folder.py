"""`vsr degrade` of a folder of videos: every file as alone, and what is said of them all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tests import documented
from tests.conftest import MakeClip
from vsrcli import degrade_folder
from vsrcli.cli import app
from vsrcli.degrade import DegradeOptions, degrade
from vsrcli.errors import ExitStatus, InputError
from vsrcli.media.probe import probe
from vsrcli.notes import ignore


def vsr(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["degrade", *map(str, arguments)])


def sentence(result: Result) -> str:
    """The error a command ends in."""
    return result.stderr.splitlines()[-1].removeprefix("vsr: error: ")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ({}, ()),
        ({"kind": "bi", "noise": 4.0}, ("--kind", "bi", "--noise", "4")),
        ({"max_frames": 2, "scale": 2.0}, ("--max-frames", "2", "--scale", "2")),
    ],
)
def test_every_video_becomes_what_it_does_alone(
    make_clip: MakeClip, tmp_path: Path, options: dict[str, Any], given: tuple[str, ...]
) -> None:
    make_clip("clips/a.mp4", frames=3, audio=["aac"])
    make_clip("clips/b.mkv", frames=4, size=(80, 50))
    make_clip("clips/c.mpg", codec="mpeg2video", format="mpeg", frames=3)
    make_clip("clips/d.webm", codec="libvpx-vp9", frames=2)
    becomes = {"a.mp4": "a.mp4", "b.mkv": "b.mkv", "c.mpg": "c.mkv", "d.webm": "d.webm"}
    result = vsr(tmp_path / "clips", tmp_path / "small", *given)
    assert result.exit_code == ExitStatus.SUCCESS, result.output
    assert "4 of 4 files done" in result.stderr
    assert "vsr: b.mkv: 80x50 at 1/" in result.stderr
    (tmp_path / "alone").mkdir()
    for name, made in becomes.items():
        alone = degrade(
            tmp_path / "clips" / name, tmp_path / "alone" / made, DegradeOptions(**options)
        )
        line = f"{tmp_path / 'small' / made}: {alone.frames} frames of {alone.size[0]}x"
        assert line in result.stdout
    assert contents(tmp_path / "small") == contents(tmp_path / "alone")


def test_json_of_a_folder(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("clips/a.mp4", frames=2)
    (tmp_path / "clips" / "b.mp4").write_text("no video")
    make_clip("clips/c.gif", frames=2, codec="gif", pix_fmt="rgb8")
    call = (tmp_path / "clips", tmp_path / "small", "--json")
    result = vsr(*call)
    assert result.exit_code == ExitStatus.FAILURE
    assert sentence(result) == "1 of 3 files failed: see above"
    found = json.loads(result.stdout)
    assert [Path(each["output"]).name for each in found["done"]] == ["a.mp4", "c.mkv"]
    assert all(set(each) == documented.keys("vsr degrade") for each in found["done"])
    ((source, why),) = found["failed"]
    assert source == str(tmp_path / "clips" / "b.mp4") and "is not a video" in why
    assert why in result.stderr
    assert (found["output"], found["total"]) == (str(tmp_path / "small"), 3)
    assert found["skipped"] == found["damaged"] == []
    again = vsr(*call)
    there = [str(tmp_path / "small" / name) for name in ("a.mp4", "c.mkv")]
    assert again.exit_code == ExitStatus.FAILURE
    assert (json.loads(again.stdout)["done"], json.loads(again.stdout)["skipped"]) == ([], there)
    assert all(f"{path}: exists already, skipped" in again.stderr for path in there)


def test_what_is_there_is_made_anew_only_if_asked(make_clip: MakeClip, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        make_clip(f"clips/{name}", frames=2)
    (tmp_path / "small").mkdir()
    mine = tmp_path / "small" / "a.mp4"
    mine.write_bytes(b"mine")
    call = (tmp_path / "clips", tmp_path / "small")
    result = vsr(*call)
    assert result.exit_code == ExitStatus.SUCCESS
    assert "1 of 2 files done" in result.stderr and "1 was there before" in result.stderr
    assert mine.read_bytes() == b"mine" and str(mine) not in result.stdout
    assert vsr(*call, "--overwrite").exit_code == ExitStatus.SUCCESS
    assert probe(mine).frames == 2


def test_a_damaged_video_has_its_exit_status(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("clips/a.mp4", frames=2)
    clip = make_clip("clips/b.mkv", frames=8, options={"bf": "0", "g": "1"})
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    result = vsr(tmp_path / "clips", tmp_path / "small", "--json")
    assert result.exit_code == ExitStatus.DAMAGED, result.output
    assert json.loads(result.stdout)["damaged"] == [str(clip)]


def test_quiet_says_what_failed_and_nothing_else(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("clips/a.mp4", frames=1)
    call = (tmp_path / "clips", tmp_path / "small", "--quiet")
    result = vsr(*call)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    (tmp_path / "clips" / "b.mp4").write_text("no video")
    result = vsr(*call)
    assert result.stdout == "" and len(result.stderr.splitlines()) == 2
    assert "b.mp4 is not a video" in result.stderr


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("--codec", "libx26x"), "libx26x"),
        (("--preset", "sluggish"), "preset=sluggish"),
        (("--crf", "77"), "libx264 takes 0"),
        (("--kind", "bi", "--codec", "mpeg4"), "not known to be lossless"),
        (("--codec", "huffyuv"), "MP4 cannot hold huffyuv"),
        (("--scale", "1"), "--scale 1"),
    ],
)
def test_a_wrong_command_line_ends_a_folder_at_once(
    make_clip: MakeClip, tmp_path: Path, wrong: tuple[str, ...], words: str
) -> None:
    for name in ("a.mp4", "b.mp4"):
        make_clip(f"clips/{name}", frames=1)
    result = vsr(tmp_path / "clips", tmp_path / "small", *wrong)
    assert result.exit_code == ExitStatus.USAGE and words in sentence(result)
    assert result.stderr.count(words) == 1 and not (tmp_path / "small").exists()


def test_an_option_that_some_files_take_does_not_end_a_folder(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    make_clip("clips/a.mkv", frames=1)
    make_clip("clips/b.webm", codec="libvpx-vp9", frames=1)
    result = vsr(tmp_path / "clips", tmp_path / "small", "--preset", "fast")
    assert result.exit_code == ExitStatus.FAILURE and "has no option preset" in result.stderr
    assert list(contents(tmp_path / "small")) == ["a.mkv"]


@pytest.mark.parametrize("name", ["o.tar", "o.zip", "o.mp4", "%04d.png", "o.gif", "-"])
def test_videos_go_into_a_folder_alone(make_clip: MakeClip, tmp_path: Path, name: str) -> None:
    make_clip("clips/a.mp4", frames=1)
    output = "-" if name == "-" else tmp_path / name
    result = vsr(tmp_path / "clips", output)
    assert result.exit_code == ExitStatus.USAGE
    assert sentence(result).endswith(f"is a folder of videos, and {output} is none; name a folder")
    assert [path.name for path in tmp_path.iterdir()] == ["clips"]


def test_names_that_are_taken(make_clip: MakeClip, tmp_path: Path) -> None:
    clips = make_clip("clips/a.mkv", frames=1).parent
    same = vsr(clips, clips, "--overwrite")
    assert same.exit_code == ExitStatus.USAGE and "is the folder of the inputs" in sentence(same)
    make_clip("clips/a.mpg", codec="mpeg2video", format="mpeg", frames=1)
    twice = vsr(clips, tmp_path / "small")
    assert twice.exit_code == ExitStatus.USAGE and "called the same" in sentence(twice)
    (tmp_path / "file").write_bytes(b"mine")
    (clips / "a.mpg").unlink()
    blocked = vsr(clips, tmp_path / "file")
    assert blocked.exit_code == ExitStatus.OUTPUT and "cannot be made" in sentence(blocked)
    assert (tmp_path / "file").read_bytes() == b"mine" and not (tmp_path / "small").exists()


def test_a_folder_that_may_not_be_written_is_told_once(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips, small = make_clip("clips/a.mkv", frames=1).parent, tmp_path / "small"
    make_clip("clips/b.mkv", frames=1)
    assert vsr(clips, small).exit_code == ExitStatus.SUCCESS
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != small)
    assert vsr(clips, small).exit_code == ExitStatus.SUCCESS  # all is there already
    for name in ("a.mkv", "b.mkv"):
        (small / name).unlink()
    refused = vsr(clips, small)
    assert refused.exit_code == ExitStatus.OUTPUT
    assert sentence(refused).endswith("small: may not be written; choose another folder")
    assert refused.stderr.count("may not be written") == 1


def test_pictures_beside_videos_are_told_and_alone_are_what_they_were(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    """As `vsr upscale` has it."""
    clip = make_clip("clips/a.mkv", frames=1)
    for name in ("1.png", "2.png"):
        Image.new("RGB", (64, 48)).save(clip.with_name(name))
    result = vsr(clip.parent, tmp_path / "small", "--kind", "bi")
    assert result.exit_code == ExitStatus.SUCCESS
    assert f"{clip.parent}: left out, as no videos: 1.png, 2.png" in result.stderr
    assert list(contents(tmp_path / "small")) == ["a.mkv"]
    clip.unlink()
    assert vsr(clip.parent, tmp_path / "lr", "--kind", "bi").exit_code == ExitStatus.SUCCESS
    assert sorted(contents(tmp_path / "lr")) == ["1.png", "2.png"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((), "the same command goes on from what is finished"),
        (("--overwrite",), "the files that are finished are kept"),
    ],
)
def test_what_is_finished_when_interrupted_stays(
    make_clip: MakeClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
    words: str,
) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        make_clip(f"clips/{name}", frames=2)

    def interrupted(source: Path, *arguments: Any, **named: Any) -> Any:
        def stop(done: int, total: int | None) -> None:
            raise KeyboardInterrupt

        if source.name == "b.mp4":
            named["progress"] = stop
        return degrade(source, *arguments, **named)

    monkeypatch.setattr(degrade_folder, "degrade", interrupted)
    call = (tmp_path / "clips", tmp_path / "small")
    result = vsr(*call, *more)
    assert result.exit_code == ExitStatus.INTERRUPTED
    assert sentence(result) == f"interrupted; {words}"
    assert list(contents(tmp_path / "small")) == ["a.mp4"]
    monkeypatch.undo()
    again = vsr(*call)
    assert again.exit_code == ExitStatus.SUCCESS and "1 was there before" in again.stderr
    assert sorted(contents(tmp_path / "small")) == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_folder_without_videos_is_refused_by_the_function(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no videos in this folder"):
        degrade_folder.degrade_folder(
            tmp_path, tmp_path / "small", DegradeOptions(), progress=ignore, note=ignore
        )
