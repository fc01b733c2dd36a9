"""`vsr psnr` as typed: tables, JSON, CSV, pictures, exit statuses."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tests.clips import make_frame
from tests.lossless import noisy, write_frames
from vsrcli.cli import app
from vsrcli.psnr import psnr
from vsrcli.scores import Protocol

runner = CliRunner()
SIZE = (48, 32)


def vsr(*arguments: str | Path) -> Result:
    return runner.invoke(app, ["psnr", *map(str, arguments)])


def write(path: Path, count: int = 4, sigma: float = 0.0) -> Path:
    frames = [make_frame("yuv420p", *SIZE, time=float(4 * i)) for i in range(count)]
    return write_frames(
        path, [noisy(frame, sigma * (i + 1), seed=i) for i, frame in enumerate(frames)]
    )


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return write(tmp_path / "ref.mkv")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return write(tmp_path / "out.mkv", sigma=2.0)


def figures(line: str) -> list[str]:
    return line.split()


def test_table_states_protocol_and_figures(reference: Path, output: Path) -> None:
    result = vsr(reference, output, "--crop", "4", "--skip-ends", "1")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "ref.mkv(2framescompared)" in text.replace(" ", "")  # a long path is broken anywhere
    assert "PSNR in dB of RGB, all frames but 1 at either end, 4 pixels cropped" in text

    row = psnr(reference, output, protocol=Protocol(crop=4, skip_ends=1)).outputs[0]
    name, pooled, mean, y, u, v, ssim, *worst = figures(result.stdout.splitlines()[-1])
    assert name == "out.mkv"
    assert (pooled, mean) == (f"{row.psnr_pooled:.3f}", f"{row.psnr_mean:.3f}")
    assert [y, u, v] == [f"{row.pooled(c):.2f}" for c in ("y", "u", "v")]  # type: ignore[arg-type]
    assert ssim == f"{row.ssim:.4f}"
    assert worst == [f"{row.worst[1].psnr('rgb'):.2f}", "#2"]
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_several_outputs_and_baselines_make_one_table(
    tmp_path: Path, reference: Path, output: Path
) -> None:
    baseline = tmp_path / "lr.mkv"
    write_frames(baseline, [make_frame("yuv420p", 12, 8, time=float(i)) for i in range(4)])
    result = vsr(reference, output, reference, "--baseline", baseline, "--no-ssim")
    rows = [figures(line) for line in result.stdout.splitlines()[-4:]]
    assert [row[0] for row in rows] == ["out.mkv", "ref.mkv", "bicubic", "lanczos"]
    assert rows[1][1] == "inf"
    assert "SSIM" not in result.stdout


def test_json_holds_everything_and_null_for_infinity(reference: Path, output: Path) -> None:
    result = vsr(reference, output, reference, "--json", "--channel", "y")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["protocol"]["channel"] == "y"
    scored, same = report["outputs"]
    assert scored["psnr_pooled"] == scored["pooled"]["y"] == scored["clips"][0]["psnr_pooled"]
    assert not scored["identical"]
    frames = scored["clips"][0]["frames"]
    assert [frame["frame"] for frame in frames] == [0, 1, 2, 3]
    psnrs = [frame["psnr_y"] for frame in frames]
    assert scored["psnr_mean"] == pytest.approx(np.mean(psnrs))
    errors = [10 ** (-value / 10) for value in psnrs]
    assert scored["psnr_pooled"] == pytest.approx(-10 * np.log10(np.mean(errors)))
    assert scored["worst"] == {"clip": "ref", "frame": 3, "psnr": psnrs[3]}
    assert 0 < scored["ssim"] < 1
    assert same["identical"] is True
    assert same["psnr_pooled"] is None
    assert same["clips"][0]["frames"][0]["psnr_rgb"] is None


def test_minimum_decides_the_exit_status(reference: Path, output: Path) -> None:
    figure = psnr(reference, output).outputs[0].psnr_pooled
    assert vsr(reference, output, "--min-psnr", f"{figure - 0.01:.3f}").exit_code == 0
    low = vsr(reference, output, reference, "--min-psnr", f"{figure + 0.01:.3f}")
    assert low.exit_code == 1
    assert "out.mkv" in low.stdout
    assert f"{figure:.3f} dB, less than" in " ".join(low.stderr.split())


def test_what_no_figure_can_meet_is_refused(reference: Path, output: Path) -> None:
    refused = vsr(reference, output, "--min-psnr", "nan")
    assert refused.exit_code == 2 and "--min-psnr nan" in refused.stderr


def test_figures_and_curves_do_not_go_into_one_file(reference: Path, output: Path) -> None:
    path = reference.parent / "both.png"
    refused = vsr(reference, output, "--csv", path, "--plot", path, "--overwrite")
    assert refused.exit_code == 2 and "--csv and --plot" in refused.stderr
    assert not path.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs names that are no text")
def test_csv_holds_names_that_are_no_text(tmp_path: Path, reference: Path) -> None:
    name, path = os.fsdecode(b"\xff.mkv"), tmp_path / "figures.csv"
    shutil.copy(reference, tmp_path / name)
    result = vsr(reference, tmp_path / name, "--csv", path)
    assert result.exit_code == 0, result.stderr
    assert b"\xff.mkv," in path.read_bytes()


def test_csv_has_a_line_for_every_frame(tmp_path: Path, reference: Path, output: Path) -> None:
    path = tmp_path / "figures.csv"
    assert vsr(reference, output, reference, "--csv", path, "--offset", "0").exit_code == 0
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    frames = psnr(reference, output).outputs[0].clips[0].frames
    assert float(rows[2]["psnr_rgb"]) == pytest.approx(frames[2].psnr("rgb"), abs=1e-5)
    assert float(rows[2]["ssim"]) == pytest.approx(frames[2].ssim, abs=1e-5)
    assert (rows[2]["frame"], rows[2]["output_frame"]) == ("2", "2")
    assert rows[7]["psnr_yuv"] == "inf"


def pixels(picture: Path, colour: tuple[int, int, int]) -> int:
    """How many pixels have the colour, or nearly."""
    with Image.open(picture) as image:
        samples = np.asarray(image.convert("RGB")).astype(int)
    return int((np.abs(samples - colour).max(axis=2) < 30).sum())


def test_plot_draws_a_line_for_each_output(tmp_path: Path, reference: Path, output: Path) -> None:
    worse = write(tmp_path / "worse.mkv", sigma=6.0)
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    blue, vermilion = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)
    assert vsr(reference, output, "--plot", one, "--no-ssim").exit_code == 0
    assert pixels(one, blue) > 1000
    assert pixels(one, vermilion) == 0
    assert vsr(reference, output, worse, "--plot", two, "--no-ssim").exit_code == 0
    assert pixels(two, vermilion) > 1000
    assert pixels(two, blue) > 1000


def test_a_long_legend_goes_on_in_another_line(tmp_path: Path, reference: Path) -> None:
    outputs = [write(tmp_path / f"{name}_of_an_output.mkv", sigma=9.0) for name in "abcdef"]
    outputs.append(write(tmp_path / "other" / outputs[0].name, sigma=9.0))
    plot = tmp_path / "plot.png"
    result = vsr(reference, *outputs, "--plot", plot, "--no-ssim", "--skip-ends", "1")
    assert result.exit_code == 0
    drawn = np.asarray(Image.open(plot).convert("L"))
    assert drawn[:, 1185:].min() == 255  # nothing is cut off by the right edge
    assert pixels(plot, (0, 0, 0)) > 20  # the seventh has its place


def test_identical_clips_can_be_plotted(tmp_path: Path, reference: Path) -> None:
    path = tmp_path / "plot.png"
    assert vsr(reference, reference, "--plot", path, "--no-ssim").exit_code == 0
    assert 0 < pixels(path, (0x00, 0x72, 0xB2)) < 300  # the legend alone: there is no line


def test_nothing_that_is_scored_is_overwritten(tmp_path: Path) -> None:
    for name in ("ref", "out"):
        write(tmp_path / name / "1.mkv", 2)
    clip = tmp_path / "out" / "1.mkv"
    before = clip.read_bytes()
    refused = vsr(tmp_path / "ref", tmp_path / "out", "--csv", clip, "--overwrite")
    assert refused.exit_code == 2 and "is to be scored" in refused.stderr
    assert clip.read_bytes() == before
    beside = tmp_path / "out" / "figures.csv"
    for more in ((), ("--overwrite",)):
        assert vsr(tmp_path / "ref", tmp_path / "out", "--csv", beside, *more).exit_code == 0


@pytest.mark.parametrize("option", ["--csv", "--plot"])
def test_no_file_is_overwritten_unasked(
    tmp_path: Path, reference: Path, output: Path, option: str
) -> None:
    path = tmp_path / "figures.png"
    path.write_bytes(b"precious")
    before = reference.read_bytes()
    refused = vsr(reference, output, option, path)
    assert refused.exit_code == 4 and "figures.png: exists already" in refused.stderr
    assert path.read_bytes() == b"precious" and not refused.stdout
    assert vsr(reference, output, option, reference, "--overwrite").exit_code == 2
    assert vsr(reference, output, option, output, "--overwrite").exit_code == 2
    assert reference.read_bytes() == before
    assert vsr(reference, output, option, path, "--overwrite").exit_code == 0
    assert path.read_bytes()[:4] in (b"outp", b"\x89PNG")
    assert {each.name for each in tmp_path.iterdir()} == {"figures.png", "ref.mkv", "out.mkv"}


def test_folders_show_every_clip(tmp_path: Path) -> None:
    for name in ("1", "10", "2"):
        write(tmp_path / "ref" / f"{name}.mkv", 2)
        write(tmp_path / "out" / f"{name}_x4.mkv", 2, sigma=float(name))
    result = vsr(tmp_path / "ref", tmp_path / "out", "--no-ssim", "--plot", tmp_path / "p.png")
    assert result.exit_code == 0
    assert "6 frames compared in 3 clips" in " ".join(result.stdout.split())
    assert "of clips" in result.stdout
    assert [figures(line)[0] for line in result.stdout.splitlines()[-3:]] == ["1", "2", "10"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["{ref}", "{short}"], 3, "has 2 frames"),
        (["{ref}", "{missing}"], 3, "missing.mkv"),
        (["{ref}", "{small}"], 3, "--resize"),
        (["{ref}"], 2, "nothing to score"),
        (["{ref}", "{ref}", "--crop", "16"], 3, "leaves nothing"),
        (["{ref}", "{ref}", "--crop", "-1"], 2, "--crop"),
        (["{ref}", "{ref}", "--channel", "luma"], 2, "--channel"),
        (["{ref}", "{ref}", "--csv", "{missing}/a.csv"], 4, "does not exist"),
        (["{ref}", "{ref}", "--plot", "{plot}"], 4, "cannot be written"),
    ],
)
def test_failures_have_their_exit_status(
    tmp_path: Path, reference: Path, arguments: Sequence[str], status: int, message: str
) -> None:
    paths = {
        "ref": reference,
        "missing": tmp_path / "missing.mkv",
        "short": write(tmp_path / "short.mkv", 2),
        "small": write_frames(tmp_path / "small.mkv", [make_frame("yuv420p", 24, 16)] * 4),
        "plot": tmp_path / "plot.nonsense",
    }
    result = vsr(*(argument.format(**paths) for argument in arguments))
    assert result.exit_code == status
    assert message in " ".join(result.stderr.split())


def test_table_states_that_the_longer_clip_was_cut(tmp_path: Path, reference: Path) -> None:
    text = " ".join(vsr(reference, write(tmp_path / "short.mkv", 3), "--shortest").stdout.split())
    assert "(3 frames compared)" in text
    assert "of RGB, all frames up to the end of the shorter clip, no crop" in text


def test_notes_go_to_stderr(tmp_path: Path, reference: Path) -> None:
    small = write_frames(tmp_path / "small.mkv", [make_frame("yuv420p", 24, 16)] * 4)
    result = vsr(reference, small, "--resize", "--json")
    assert "resized by bicubic from 24x16" in " ".join(result.stderr.split())
    assert json.loads(result.stdout)["outputs"][0]["clips"][0]["notes"]
    assert vsr(reference, small, "--resize", "--quiet").stderr == ""


def test_damage_is_told_by_the_exit_status(tmp_path: Path, reference: Path) -> None:
    out = write(tmp_path / "out" / reference.name)  # of the same name, which tells nothing
    data = bytearray(out.read_bytes())
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: int(len(data) * 0.6)])
    result = vsr(reference, cut, "--shortest", "--json")
    (row,) = json.loads(result.stdout)["outputs"]
    assert (result.exit_code, row["damaged"], row["clips"][0]["damaged"]) == (7, True, True)
    assert f"{cut}: the file ends early" in result.stderr.replace("\n", " ")
    failed = vsr(reference, cut)
    assert failed.exit_code == 3
    assert "the file ends early" in " ".join(failed.stderr.split())
    whole = vsr(reference, out, "--json")
    assert (whole.exit_code, json.loads(whole.stdout)["outputs"][0]["damaged"]) == (0, False)


def test_the_table_of_damaged_pictures_is_shown(tmp_path: Path) -> None:
    for folder in ("hr", "sr"):
        (tmp_path / folder).mkdir()
        for number in range(6):
            picture = Image.new("RGB", SIZE, (40 * number,) * 3)
            picture.save(tmp_path / folder / f"{number}.png")
    (tmp_path / "sr" / "3.png").write_bytes(b"no picture")
    for options in ([], ["--max-frames", "4"]):
        result = vsr(tmp_path / "hr", tmp_path / "sr", *options)
        assert result.exit_code == 7
        assert figures(result.stdout.splitlines()[-1])[0] == "sr"
        assert "sr: 1 damaged frame was replaced" in " ".join(result.stderr.split())
    assert vsr(tmp_path / "hr", tmp_path / "sr", "--max-frames", "1").exit_code == 0
    assert vsr(tmp_path / "hr", tmp_path / "sr", "--min-psnr", "90").exit_code == 1
