"""Jobs where files behave as on Windows."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from tests.conftest import MakeClip
from tests.networks.tiny import TINY
from tests.windows import as_on_windows as as_on_windows
from vsrcli import DegradeOptions, UpscaleOptions, degrade, upscale
from vsrcli.cli import app
from vsrcli.errors import OutputError
from vsrcli.media.folder import JobFolder

pytestmark = pytest.mark.usefixtures("as_on_windows")
OPTIONS = UpscaleOptions(model=str(TINY), frames=3, device="cpu", scale=2, overwrite=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For the output alone."""
    path = tmp_path / "new"
    path.mkdir()
    return path


@pytest.mark.parametrize("name", ["out.mkv", "out.mp4", "out.gif", "out.png", "%04d.jpg"])
def test_a_job_is_finished_and_leaves_nothing_behind(
    name: str, make_clip: MakeClip, folder: Path
) -> None:
    pictures = name.endswith((".png", ".jpg"))
    source = make_clip("in.mp4", frames=1 if pictures else 4, audio=() if pictures else ("aac",))
    for _ in ("new", "over the first"):
        upscale(source, folder / name, OPTIONS)
        assert [each.name for each in folder.iterdir()] == [name.replace("%04d", "0001")]


def test_degrade_finishes(make_clip: MakeClip, folder: Path) -> None:
    source = make_clip("in.mp4", frames=4)
    for overwrite in (False, True):
        degrade(source, folder / "out.mp4", DegradeOptions(overwrite=overwrite))
        assert [each.name for each in folder.iterdir()] == ["out.mp4"]


def test_a_folder_becomes_a_tar(make_clip: MakeClip, tmp_path: Path, folder: Path) -> None:
    (tmp_path / "in").mkdir()
    make_clip("in/a.mkv", frames=2)
    command = ["upscale", "--model", str(TINY), str(tmp_path / "in"), str(folder / "out.tar")]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert [each.name for each in folder.iterdir()] == ["out.tar"]


def test_copies_of_pipes_do_not_stay(
    make_clip: MakeClip, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its own nor that of a job that was killed; one that is open does."""
    (folder / ".vsr-killed.vsr-input").touch()
    source = make_clip("in.mkv", frames=2).read_bytes()
    with (folder / ".vsr-busy.vsr-input").open("w"):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(source)))
        upscale("-", folder / "out.mkv", OPTIONS)
    left = sorted(each.name for each in folder.iterdir())
    assert left == [".vsr-busy.vsr-input", "out.mkv"]


def test_two_jobs_of_one_output_do_not_meet(folder: Path) -> None:
    with JobFolder(folder / "out.mp4").open({}) as first:
        with pytest.raises(OutputError, match="another vsr is at work"):
            JobFolder(folder / "out.mp4").open({})
        first.remove()
    assert not list(folder.iterdir())


def test_what_was_finished_is_kept(make_clip: MakeClip, folder: Path) -> None:
    source, output = make_clip("in.mp4", frames=4), folder / "out.mp4"

    def stop(done: int, _: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscale(source, output, replace(OPTIONS, overwrite=False), progress=stop)
    assert not output.exists()
    assert upscale(source, output, replace(OPTIONS, overwrite=False)).frames == 4
    assert [each.name for each in folder.iterdir()] == ["out.mp4"]
