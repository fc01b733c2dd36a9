"""What all commands have in common: empty values, names as they are, the standard streams."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.conftest import MakeClip
from tests.networks.tiny import TINY
from vsrcli.cli import app
from vsrcli.errors import ExitStatus


def vsr(*arguments: str | Path) -> Result:
    """Run the command line."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_names_are_told_as_they_are(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("no:smile:[b].mp4", frames=1)
    made = vsr("upscale", source, tmp_path / "x:smile:.mp4", "--model", TINY, "--verbose")
    assert "vsr: no:smile:[b].mp4: " in made.stderr  # a note
    assert f"{tmp_path / 'x:smile:.mp4'}: 256x192" in made.stderr
    assert f"{source} -> {tmp_path / 'x:smile:.mp4'}" in made.stderr  # for the curious
    refused = vsr("upscale", tmp_path / "none:smile:.mp4", tmp_path / "o.mp4")
    assert "none:smile:.mp4 does not exist" in refused.stderr  # an error


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("upscale", "", "out"), "IN"),
        (("upscale", "clip.mp4", ""), "OUT"),
        (("upscale", "clip.mp4", "out.mp4", "--compare", ""), "--compare"),
        (("degrade", "", "out.mp4"), "IN"),
        (("degrade", "clip.mp4", ""), "OUT"),
        (("psnr", "", "clip.mp4"), "REF"),
        (("psnr", "clip.mp4", "clip.mp4", ""), "OUT"),
        (("psnr", "clip.mp4", "clip.mp4", "--csv="), "--csv"),
        (("unmakeup", ""), "IN"),
        (("unmakeup", "face.jpg", ""), "OUT"),
        (("unmakeup", "face.jpg", "--pair", "", "b.jpg"), "--pair"),
    ],
)
def test_an_empty_value_is_not_the_current_folder(
    make_clip: MakeClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    name: str,
) -> None:
    make_clip(frames=1)
    monkeypatch.chdir(tmp_path)
    result = vsr(*arguments)
    assert result.exit_code == ExitStatus.USAGE
    assert result.stderr.startswith(f"vsr: error: {name} is empty")
    assert result.stderr.count("\n") == 1 and result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
