"""`vsr unmakeup` as typed: outputs, JSON, plans, folders, exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tests import documented
from vsrcli.cli import app

runner = CliRunner()
TINY = Path(__file__).parents[1] / "data" / "tiny_crn.onnx"
BOX = ("--box", "100,60,40,64")


def vsr(*arguments: str | Path) -> Result:
    given = ["unmakeup", *map(str, arguments), "--model", str(TINY), "--device", "cpu"]
    return runner.invoke(app, given)


def portrait(path: Path, level: int = 200) -> Path:
    Image.fromarray(np.full((200, 240, 3), level, np.uint8)).save(path)
    return path


@pytest.fixture
def face(tmp_path: Path) -> Path:
    return portrait(tmp_path / "face.png")


def test_the_output_goes_beside_the_input(face: Path) -> None:
    result = vsr(face, *BOX)
    assert result.exit_code == 0, result.output
    output = face.with_name("face.unmakeup.png")
    assert np.asarray(Image.open(output))[92, 120].tolist() == [180, 180, 180]
    assert "an estimate, no evidence" in result.stderr
    assert result.stdout == ""
    again = vsr(face, *BOX)
    assert again.exit_code == 4 and "--overwrite" in again.stderr
    assert vsr(face, *BOX, "--overwrite").exit_code == 0


def test_json_has_the_figures(face: Path, tmp_path: Path) -> None:
    result = vsr(face, tmp_path / "out.jpg", *BOX, "--json", "--quiet")
    found = json.loads(result.stdout)
    assert set(found) == documented.keys("vsr unmakeup")
    assert found["output"] == str(tmp_path / "out.jpg")
    assert found["size"] == [240, 200] and found["unedited"] is False
    assert found["change"] == pytest.approx(20, abs=0.1)
    assert found["components"]["1"] == pytest.approx(20, abs=0.1)
    assert found["components"]["2-363"] == pytest.approx(0, abs=0.01)


def test_shares_of_the_change(face: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.png"
    assert vsr(face, output, *BOX, "--strength", "0.5", "--tone", "0.5").exit_code == 0
    assert np.asarray(Image.open(output))[92, 120].tolist() == [195, 195, 195]
    assert vsr(face, output, *BOX, "--strength", "0", "-y").exit_code == 0
    assert output.read_bytes() == face.read_bytes()


def test_a_pair_is_two_files(face: Path, tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(8, axis=0).repeat(8, axis=1)
    Image.fromarray(levels).save(tmp_path / "before.png")
    Image.fromarray((levels * 0.8).astype(np.uint8)).save(tmp_path / "after.png")
    pair = ("--pair", tmp_path / "before.png", tmp_path / "after.png")
    result = vsr(face, tmp_path / "out.png", *BOX, *pair)
    assert result.exit_code == 0, result.output
    found = np.asarray(Image.open(tmp_path / "out.png"))[92, 120].astype(int)
    assert np.abs(found - 250).max() <= 2  # 0.8 x 250 = 200
    alone = vsr(face, tmp_path / "no.png", *BOX, "--pair", face, tmp_path / "before.png")
    assert alone.exit_code == 3 and "not of the shape" in alone.stderr
    planned = vsr(face, *BOX, "--dry-run", "--pair", face, tmp_path / "before.png")
    assert planned.exit_code == 3 and "not of the shape" in planned.stderr
    assert not (tmp_path / "no.png").exists()


def test_what_looks_unedited_is_left_alone_and_said(tmp_path: Path) -> None:
    dark = portrait(tmp_path / "dark.png", level=12)
    result = vsr(dark, *BOX)
    assert result.exit_code == 0
    assert "looks unedited, left alone" in result.stderr
    assert (tmp_path / "dark.unmakeup.png").read_bytes() == dark.read_bytes()


def test_a_plan_is_printed_and_nothing_written(face: Path, tmp_path: Path) -> None:
    result = vsr(face, *BOX, "--dry-run")
    assert result.exit_code == 0 and "face.unmakeup.png" in result.stdout.replace("\n", "")
    plan = json.loads(vsr(face, *BOX, "--dry-run", "--json").stdout)
    assert set(plan) == documented.keys("vsr unmakeup --dry-run")
    assert (plan["size"], plan["whole"], plan["model"]) == ([240, 200], False, "tiny_crn")
    assert [path.name for path in tmp_path.iterdir()] == ["face.png"]


def test_pictures_that_show_what_was_done(face: Path, tmp_path: Path) -> None:
    page, parts = tmp_path / "page.png", tmp_path / "parts"
    assert vsr(face, *BOX, "--compare", page, "--components", parts).exit_code == 0
    assert Image.open(page).width == 3 * 240 + 16
    assert len(list(parts.iterdir())) == 4


@pytest.fixture
def faceless(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no faces in plain pictures: looking for them takes a second each."""
    monkeypatch.setattr("vsrcli.portraits.treated.find_faces", lambda *_: [])


def test_a_folder(faceless: None, tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    portrait(folder / "a.png")
    portrait(folder / "b.jpg")
    result = vsr(folder, "--whole", "--json")
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["done"]) == 2
    names = sorted(path.name for path in (tmp_path / "shots.unmakeup").iterdir())
    assert names == ["a.png", "b.jpg"]
    (folder / "c.png").write_bytes(b"nothing")
    failed = vsr(folder, "--whole", "--overwrite")
    assert failed.exit_code == 1 and "1 of 3 pictures failed" in failed.stderr
    planned = vsr(folder, "--whole", "--overwrite", "--dry-run", "--json")
    assert planned.exit_code == 1 and "1 of 3 pictures would fail" in planned.stderr
    assert [Path(each["source"]).name for each in json.loads(planned.stdout)] == ["a.png", "b.jpg"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 3, "no face found"),
        (("--box", "1,2,3"), 2, "x,y,w,h"),
        (("--box", "0,0,500,500"), 2, "240x200"),
        (("--strength", "2"), 2, "from 0 to 1"),
        ((*BOX, "--compare", "page.jpg"), 2, ".png"),
    ],
)
def test_failures_are_one_sentence(
    face: Path, arguments: tuple[str, ...], status: int, words: str
) -> None:
    result = vsr(face, *arguments)
    assert result.exit_code == status
    assert words in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_quiet_tells_what_of_a_folder_failed(
    faceless: None, tmp_path: Path, more: tuple[str, ...]
) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    portrait(folder / "a.png")
    (folder / "c.png").write_bytes(b"nothing")
    (folder / "d.avif").touch()
    quiet = vsr(folder, "--whole", "--quiet", *more).stderr
    assert quiet.count("c.png: not a picture") == 1 and "d.avif" not in quiet
    told = vsr(folder, "--whole", "--overwrite", *more).stderr
    assert told.count("c.png: not a picture") == 1 and told.count("d.avif") == 1


def test_a_folder_takes_no_box(tmp_path: Path) -> None:
    result = vsr(tmp_path, *BOX)
    assert result.exit_code == 2 and "for one picture" in " ".join(result.stderr.split())


def test_help_says_what_it_does_not_do() -> None:
    text = " ".join(vsr("--help").stdout.replace("│", " ").split())
    assert "moderate skin whitening and smoothing" in text
    assert "do not come back" in text and "no evidence" in text
