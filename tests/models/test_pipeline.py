"""A network of one's own in two commands: what is run, and in which order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from models.spmc import pipeline


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object, fails: str = "") -> list[list[str]]:
    """The programs that were run, with their arguments; the one called FAILS ends in 3."""
    ran: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str]) -> None:
            assert command[:2] == [sys.executable, "-m"]
            ran.append([command[2].removeprefix("models.spmc."), *command[3:]])

        def wait(self) -> int:
            return 3 if ran[-1][0] == fails else 0

    monkeypatch.setattr(pipeline.subprocess, "Popen", Process)
    monkeypatch.setattr("sys.argv", ["pipeline", *map(str, arguments)])
    pipeline.main()
    return ran


def test_what_is_done_is_not_done_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, work = tmp_path / "photos", tmp_path / "work"
    photos.mkdir()
    asked = ("train", "--photos", photos, "--work", work, "--hours", 2)
    with pytest.raises(SystemExit) as ended:
        call(monkeypatch, *asked, fails="train_motion")
    assert ended.value.code == 3
    better, own = str(work / "better.pt"), str(work / "own.toml")
    ran = call(monkeypatch, *asked)
    assert [command[0] for command in ran] == ["train_motion", "train_motion", "train"]
    assert ran[1][ran[1].index("--out") + 1] == better and "--weights" in ran[1]
    assert ran[2][:2] == ["train", own]
    assert ran[2][ran[2].index("--motion") + 1] == better
    assert ran[2][ran[2].index("--hours") + 1] == "2.0"
    assert Path(own).read_text() == pipeline.RECIPE.read_text()
    Path(own).write_text("changed")
    capsys.readouterr()
    assert call(monkeypatch, *asked) == ran[2:]
    told = capsys.readouterr().err
    assert told.count("done before") == 5 and f"{own} is gone on with, not " in told
    assert Path(own).read_text() == "changed"


def test_a_folder_that_is_missing_is_told_before_the_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="photos is missing"):
        call(monkeypatch, "train", "--photos", tmp_path / "photos", "--work", tmp_path)
    assert not list(tmp_path.iterdir())


def test_all_precisions_are_exported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = ("export", "--work", tmp_path, "--out", tmp_path / "out", "--name", "own")
    ran = call(monkeypatch, *asked, "--licence", "CC0")
    assert [command[0] for command in ran] == ["export", "quantise", "halve"]
    assert ran[0][-2:] == ["--licence", "CC0"] and str(tmp_path / "own.pt") in ran[0]
    for command in ran[1:]:
        assert command[command.index("--models") + 1] == str(tmp_path / "out")
        assert command[command.index("--name") + 1] == "own"
