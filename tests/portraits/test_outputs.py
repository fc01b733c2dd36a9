"""Where results go, and what is found out before the work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vsrcli.errors import OutputError, UsageError
from vsrcli.portraits.options import UnmakeupOptions
from vsrcli.portraits.outputs import check_outputs, default_output
from vsrcli.portraits.plan import plan
from vsrcli.unmakeup import unmakeup

from .stills import BOX, HEIGHT, WIDTH, load, noise, options, run, save


def test_outputs_are_checked_before_the_work(source: Path, tmp_path: Path) -> None:
    (tmp_path / "there.png").write_bytes(b"kept")
    with pytest.raises(OutputError, match=r"there\.png: exists already; use --overwrite"):
        run(source, tmp_path / "there.png")
    assert (tmp_path / "there.png").read_bytes() == b"kept"
    run(source, tmp_path / "there.png", overwrite=True)
    assert load(tmp_path / "there.png").shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(UsageError, match="is the input itself"):
        run(source, source, overwrite=True)
    with pytest.raises(OutputError, match=r"out\.gif: write to \.jpg, \.png"):
        run(source, tmp_path / "out.gif")
    transparent = save(tmp_path / "clear.png", noise(4))
    with pytest.raises(OutputError, match="JPEG has no transparency"):
        run(transparent, tmp_path / "clear.jpg")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    "fields",
    [
        {"strength": 1.1},
        {"tone": -0.1},
        {"texture": float("nan")},
        {"box": (0, 0, 4, 40)},
        {"threads": -1},
    ],
)
def test_values_out_of_range_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        options(**fields)


def test_names_of_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_output(Path("a/face.JPG")) == Path("a/face.unmakeup.JPG")
    assert default_output(Path("a/face.bmp")) == Path("a/face.unmakeup.png")
    with pytest.raises(UsageError, match="name an output"):
        default_output(Path("/"))
    folder = tmp_path / "shots"
    folder.mkdir()
    assert default_output(folder) == tmp_path / "shots.unmakeup"
    monkeypatch.chdir(tmp_path)  # as it was typed, where that names it
    assert default_output(Path("shots")) == Path("shots.unmakeup")
    monkeypatch.chdir(folder)
    for typed in (".", "../shots/..", ".."):
        named = default_output(Path(typed))
        assert named.resolve() == Path(typed).resolve().with_name(named.name)
        assert named.name == f"{Path(typed).resolve().name}.unmakeup"


def test_folders_for_components_are_checked_before_the_work(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    output = tmp_path / "out.png"
    check_outputs(source, output, options(), components=tmp_path / "empty")
    with pytest.raises(OutputError, match="is a file; name a folder"):
        check_outputs(source, output, options(), components=tmp_path / "file" / "parts")


def test_a_plan_writes_nothing(source: Path, tmp_path: Path) -> None:
    planned = plan(source, None, options())
    assert (planned.size, planned.faces) == ((WIDTH, HEIGHT), ((94, 60, 51, 64),))
    assert planned.output == str(tmp_path / "face.unmakeup.png")
    assert [path.name for path in tmp_path.iterdir()] == ["face.png"]


def test_a_plan_names_what_the_run_would_lose(source: Path, tmp_path: Path) -> None:
    commented, target = tmp_path / "said.jpg", tmp_path / "out.png"
    Image.open(source).convert("RGB").save(commented, comment=b"by me")
    told: list[str] = []
    planned = plan(commented, target, options())
    unmakeup(commented, target, options(force=True), note=told.append)
    assert planned.notes == ("its comment is not kept; choose .jpg",)
    assert f"{commented.name}: {planned.notes[0]}" in told
    assert plan(commented, tmp_path / "out.jpg", options()).notes == ()


def test_a_plan_refuses_what_the_run_would(tmp_path: Path) -> None:
    save(tmp_path / "clear.png", noise(4))
    with pytest.raises(OutputError, match="no transparency"):
        plan(tmp_path / "clear.png", tmp_path / "out.jpg", options(box=BOX))
    save(tmp_path / "face.png", noise())
    with pytest.raises(UsageError, match="write it to a .png"):
        page = tmp_path / "page.jpg"
        plan(tmp_path / "face.png", tmp_path / "out.png", options(box=BOX), compare=page)


def test_nothing_that_is_read_is_written_over(tmp_path: Path) -> None:
    source, before, after = (tmp_path / f"{name}.png" for name in ("face", "before", "after"))
    for path in (source, before, after):
        Image.new("RGB", (64, 64), "grey").save(path)
    held = {path: path.read_bytes() for path in (source, before, after)}
    out = tmp_path / "out.png"
    overwriting = UnmakeupOptions(overwrite=True, whole=True)
    paired = replace(overwriting, pair=(before, after))
    with pytest.raises(UsageError, match="is read for this"):
        check_outputs(source, out, overwriting, compare=source)
    for path in (before, after):
        with pytest.raises(UsageError, match="is read for this"):
            check_outputs(source, path, paired)
    with pytest.raises(UsageError, match="is the output"):
        check_outputs(source, out, overwriting, compare=out)
    assert {path: path.read_bytes() for path in held} == held


def test_the_comparison_does_not_go_over_the_output(source: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.png").symlink_to("out.png")
    for name in ("out.png", "folder/../out.png", "link.png"):
        with pytest.raises(UsageError, match="is the output; choose another name"):
            plan(source, tmp_path / "out.png", options(overwrite=True), compare=tmp_path / name)


def test_a_folder_of_components_is_looked_at_before_the_work(tmp_path: Path) -> None:
    source, folder = tmp_path / "face.png", tmp_path / "parts"
    Image.new("RGB", (64, 64), "grey").save(source)
    options = UnmakeupOptions(whole=True)
    with pytest.raises(OutputError, match="is a file"):
        check_outputs(source, tmp_path / "out.png", options, components=source)
    folder.mkdir()
    (folder / "face-1.input.png").write_bytes(b"of another run")
    with pytest.raises(OutputError, match="exists already"):
        check_outputs(source, tmp_path / "out.png", options, components=folder)


@pytest.mark.parametrize("name", ["out.png", "compare.png"])
def test_a_file_in_the_way_is_seen_before_the_work(name: str, source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fields = {"compare": tmp_path / "file" / name} if name == "compare.png" else {}
    output = tmp_path / "free.png" if fields else tmp_path / "file" / name
    with pytest.raises(OutputError, match="is a file; name a folder"):
        plan(source, output, options(), **fields)


@pytest.mark.parametrize("name", ["folder", "folder.png"])
def test_a_folder_in_the_way_is_seen_before_the_work(
    name: str, source: Path, tmp_path: Path
) -> None:
    (tmp_path / name).mkdir()
    for output, fields in ((name, {}), ("out.png", {"compare": tmp_path / name})):
        with pytest.raises(OutputError, match=f"{name}: is a folder; name a file in it"):
            plan(source, tmp_path / output, options(overwrite=True), **fields)


@pytest.mark.parametrize(("suffix", "size"), [(".webp", (16, 16384)), (".jpg", (65501, 16))])
def test_sizes_that_a_format_does_not_hold_are_refused_before_the_work(
    tmp_path: Path, suffix: str, size: tuple[int, int]
) -> None:
    source = tmp_path / "face.png"
    Image.new("RGB", size).save(source)
    with pytest.raises(OutputError, match="pixels a side; use .png or .tif"):
        plan(source, tmp_path / f"out{suffix}", options(box=(0, 0, 16, 16)))


@pytest.mark.parametrize("letter", ["n", "\u00fc"])
def test_the_longest_names_are_written(tmp_path: Path, letter: str) -> None:
    stem = letter * (250 // len(letter.encode()))
    source = save(tmp_path / "face.png", noise())
    run(source, tmp_path / f"{stem}.png")
    assert len(list(tmp_path.iterdir())) == 2
