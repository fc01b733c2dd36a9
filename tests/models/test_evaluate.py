"""The evaluation measures what it says, on clips whose figures are known."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from models.spmc import analysis, evaluate, inputs, report
from models.spmc.inputs import BICUBIC, LANCZOS, Enlarger, Truth, make_low, vsr
from tests.networks.tiny import TINY, tiny_model
from vsrcli.errors import InputError, UsageError
from vsrcli.media.swscale import RgbConverter
from vsrcli.metrics import distortion
from vsrcli.networks.card import find_model

ROOT = Path(__file__).parents[2]


def texture(height: int = 160, width: int = 176, seed: int = 0) -> NDArray[np.uint8]:
    """An RGB picture with detail at several scales."""
    noise = np.random.default_rng(seed).random((height, width, 3))
    layers = [gaussian_filter(noise, (sigma, sigma, 0)) * sigma for sigma in (1.5, 3, 6)]
    picture = sum(layers) - sum(layers).mean()
    return np.clip(128 + picture * 50 / picture.std(), 0, 255).astype(np.uint8)


def panning(frames: int, step: int = 2) -> Truth:
    """A clip whose picture moves to the left by STEP pixels a frame."""
    picture = texture(96, 128 + step * frames)
    return Truth("pan", [picture[:, step * t : step * t + 128] for t in range(frames)])


def write_clip(path: Path, pictures: list[NDArray[np.uint8]]) -> Path:
    """PICTURES as FFV1 in PATH."""
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "bgr0"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def tiny() -> Enlarger:
    """The tiny model, whose flow is constant and whose picture is no enlargement."""
    return Enlarger(tiny_model(), threads=1)


@pytest.fixture(scope="module")
def shipped() -> Enlarger:
    """The shipped model."""
    return Enlarger(find_model(precision="fp32"), threads=1)


@pytest.fixture
def torch() -> Any:
    """PyTorch, on one thread: its threads wait for each other where cores are busy."""
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install 'vsr[train]')")
    torch.set_num_threads(1)
    return torch


@pytest.mark.parametrize(("scale", "size"), [(4.0, (104, 96)), (3.0, (108, 96)), (2.5, (100, 90))])
def test_cropping_leaves_an_even_number_of_lr_pixels(scale: float, size: tuple[int, int]) -> None:
    cut = Truth("odd", [texture(99, 109)]).cropped(scale)
    assert cut.size == size
    for kind in ("bi", "bd", "contest"):
        (low,) = make_low(cut, kind, scale)
        assert (low.width * scale, low.height * scale) == size


def test_420_video_shows_the_picture_it_was_made_of() -> None:
    grey = gaussian_filter(texture(), (2, 2, 0))
    ramp = np.zeros_like(grey)
    ramp[..., 0] = np.linspace(40, 200, ramp.shape[1])
    picture = (grey // 2 + ramp // 2).astype(np.uint8)
    frame = inputs.a_frame(inputs.video_planes(picture), inputs.YUV420, 0)
    seen = np.stack(RgbConverter()(frame).planes, -1)
    assert np.abs(seen.astype(int) - picture).mean() < 1.5
    assert [plane.shape for plane in frame.planes] == [(160, 176), (80, 88), (80, 88)]


def test_left_sited_chroma_lies_on_even_columns() -> None:
    """A colour ramp: chroma sample i is that of column 2i, not of the middle of 2i and 2i + 1."""
    picture = np.zeros((8, 256, 3), np.uint8)
    picture[..., 2] = np.arange(256)
    _, cb, _ = inputs.video_planes(picture)
    exact = 128 + 224 * 0.5 * np.arange(0, 256, 2) / 255
    assert np.abs(cb[2, 4:-4] - exact[4:-4]).max() <= 0.51


def test_psnr_of_bicubic_is_that_of_the_formula(tiny: Enlarger) -> None:
    truth = panning(3)
    records = evaluate.psnr_table(truth, tiny, [4.0], ["bi"], [BICUBIC, LANCZOS, vsr(3)])
    low = make_low(truth, "bi", 4)
    frames = list(inputs.interpolated(low, "bicubic", truth.size))
    errors = [np.square(truth.luma(t) - frame.planes[0]).mean() for t, frame in enumerate(frames)]
    expected = np.mean([10 * np.log10(255**2 / error) for error in errors])
    by_method = {record["method"]: record for record in records}
    assert by_method["bicubic"]["psnr_y"] == pytest.approx(expected, abs=1e-9)
    assert by_method["bicubic"]["frames"] == 3
    assert by_method["lanczos"]["psnr_y"] != by_method["bicubic"]["psnr_y"]
    assert by_method["vsr 3"]["psnr_y"] < 20
    assert "psnr_rgb" not in by_method["bicubic"]


def test_a_black_frame_leaves_a_mean_of_its_clip(tiny: Enlarger) -> None:
    """As clips begin that fade in: no enlargement errs there, so the mean had been infinite."""
    truth = panning(3)
    faded = replace(truth, pictures=[np.zeros_like(truth.pictures[0]), *truth.pictures[1:]])
    low = make_low(faded, "bi", 4)
    others = [
        distortion(faded.luma(t), frame.planes[0], 255).psnr
        for t, frame in enumerate(inputs.interpolated(low, "bicubic", faded.size))
    ][1:]
    found = evaluate.score(faded, low, BICUBIC, tiny)
    assert found["psnr_y"] == pytest.approx((99 + sum(others)) / 3)
    black = Truth("black", [np.zeros((64, 64, 3), np.uint8)] * 3)
    assert "Infinity" not in json.dumps(
        evaluate.psnr_table(black, tiny, [4], ["contest"], [BICUBIC])
    )
    (details,) = analysis.details(black, tiny, [3])
    assert details["consecutive"] <= 99


def test_contest_input_is_scored_in_rgb_and_loses_by_compression(tiny: Enlarger) -> None:
    truth = panning(3)
    clean, coded = (
        evaluate.psnr_table(truth, tiny, [4.0], [kind], [BICUBIC])[0] for kind in ("bi", "contest")
    )
    assert float(coded["psnr_y"]) < float(clean["psnr_y"])
    assert 15 < float(coded["psnr_rgb"]) < float(coded["psnr_y"])


def test_the_network_beats_bicubic_and_gains_by_real_frames(shipped: Enlarger) -> None:
    truth = panning(5, step=1)
    low = make_low(truth, "bi", 4)
    bicubic = evaluate.score(truth, low, BICUBIC, shipped)
    network = evaluate.score(truth, low, vsr(3), shipped)
    assert float(network["psnr_y"]) > float(bicubic["psnr_y"])
    three, *more = analysis.details(truth, shipped, [3, 9])
    assert not more, "five frames hold no nine"
    assert float(three["consecutive"]) > float(three["identical"])


def test_of_a_window_no_other_frame_is_seen() -> None:
    """Nor any that the state would carry into it: "N consecutive frames" are N frames."""
    seen: list[list[int]] = []

    def enlarge(frames: list[Any], method: Any, size: tuple[int, int]) -> Any:
        seen.append([frame.index for frame in frames])
        return inputs.interpolated(frames, "bicubic", size)

    (three,) = analysis.details(panning(5), enlarge, [3])  # type: ignore[arg-type]
    assert seen == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [1] * 3, [2] * 3, [3] * 3]
    assert three["consecutive"] == three["identical"], "bicubic sees the middle one alone"


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shift", [1, 4, 16])
def test_a_shifted_pair_is_shifted_by_quarters(axis: int, shift: int) -> None:
    luma = inputs.luma_plane(texture())
    neighbour, reference = analysis.shifted_pair(luma, shift, axis, 4)
    assert neighbour.shape == reference.shape
    assert all(size % 4 == 0 for size in neighbour.shape)
    if shift % 4 == 0:
        whole = shift // 4
        moved = np.roll(neighbour, -whole, axis)
        inner = (slice(3, -whole - 3),) * 2
        assert np.array_equal(moved[inner], reference[inner])


def test_motion_errors_are_small_for_small_shifts(shipped: Enlarger) -> None:
    records = analysis.motion_errors(Truth("still", [texture(224, 240)]), shipped, threads=1)
    errors = {record["shift"]: record for record in records}
    assert set(errors) == {0.25, 0.5, 0.75, 1.0, 2.0, 4.0, 8.0}
    assert float(errors[0.25]["network"]) < 0.25, "worse than seeing no motion at all"
    assert float(errors[1.0]["network"]) < 1.0
    assert float(errors[1.0]["phase correlation"]) < 0.05


def test_drift_compares_the_same_pictures(tiny: Enlarger) -> None:
    scene = analysis.pan_positions(Truth("pan", [texture(64, 120)]))
    assert len(scene.pictures) == analysis.PAN + 1
    assert np.array_equal(scene.pictures[0][:, 1:], scene.pictures[1][:, :-1])
    records = analysis.drift(Truth("pan", [texture(64, 120)]), tiny, frames=160)
    assert [record["shot"] for record in records] == ["static", "pan"]
    assert len(analysis.EARLY) == len(analysis.LATE) == analysis.PAN
    assert (analysis.LATE.start - analysis.EARLY.start) % (2 * analysis.PAN) == 0
    assert analysis.drift(Truth("small", [texture(40, 60)]), tiny) == []


def test_the_truth_is_steady_and_flicker_is_not() -> None:
    pytest.importorskip("cv2", reason="OpenCV is not installed (pip install 'vsr[train]')")
    from models.spmc.consistency import Steadiness

    truth = panning(4, step=3)
    steadiness = Steadiness(truth)
    own = steadiness.truth()
    assert own["tof"] == 0
    assert own["motion"] == pytest.approx(3, abs=0.5)
    planes = [inputs.luma_plane(picture) for picture in truth.pictures]
    noise = np.random.default_rng(1)
    flicker = [
        np.clip(plane + noise.normal(0, 12, plane.shape), 0, 255).astype(np.uint8)
        for plane in planes
    ]
    worse = steadiness.score(flicker)
    assert float(worse["tof"]) > 0.1
    assert float(worse["warping"]) > float(own["warping"]) + 5
    assert float(own["warping"]) < 6


def test_without_opencv_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from models.spmc import consistency

    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UsageError, match=r"vsr\[train\]"):
        consistency.opencv()
    monkeypatch.setattr(evaluate, "load_truths", lambda *_: pytest.fail("work was begun"))
    assert "vsr[train]" in stopped(monkeypatch, "clips", "--tables", "psnr,time")


def test_tables_have_a_line_for_each_clip_and_the_mean() -> None:
    records = [
        {"clip": clip, "method": method, "psnr_y": value, "scale": 4.0, "input": "bi", "ssim": 0.5}
        for clip, method, value in (
            ("one", "bicubic", 20.0),
            ("one", "vsr 5", 24.0),
            ("two", "bicubic", 30.0),
        )
    ]
    title, head, one, two, mean = report.show_psnr(records).strip().splitlines()
    assert title == "PSNR-Y (dB) and SSIM, x4, bi"
    assert head.split() == ["bicubic", "vsr", "5"]
    assert one.split() == ["one", "20.00", "0.5000", "24.00", "0.5000"]
    assert two.split() == ["two", "30.00", "0.5000", "-"]
    assert mean.split() == ["mean", "25.00", "0.5000", "-"], "means of other clips mislead"


def test_the_command_prints_tables_and_writes_json(tmp_path: Path) -> None:
    clip = tmp_path / "clips" / "moving"
    clip.mkdir(parents=True)
    for number, picture in enumerate(panning(4).pictures):
        Image.fromarray(picture).save(clip / f"{number}.png")
    found = tmp_path / "found.json"
    command = [sys.executable, "-m", "models.spmc.evaluate", str(clip.parent), "--json", str(found)]
    command += ["--model", str(TINY), "--tables", "psnr", "--frames-limit", "2", "--threads", "1"]
    command += ["--scales", "2.5,4", "--inputs", "bd"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "moving: 2 frames of 128x96" in done.stdout
    assert "PSNR-Y (dB) and SSIM, x2.5, bd" in done.stdout
    stored = json.loads(found.read_text(encoding="utf-8"))
    assert stored["clips"] == {"moving": "2 frames of 128x96"}
    assert stored["protocol"] == list(evaluate.PROTOCOL)
    table = stored["tables"]["psnr"]
    assert [record["scale"] for record in table] == [2.5] * 6 + [4.0] * 6


def test_an_unknown_table_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        evaluate.parser().parse_args(["x", "--tables", "psnr,beauty"])
    assert stopped.value.code == 2
    with pytest.raises(SystemExit):
        evaluate.parser().parse_args(["x", "--scales", "5"])


def stopped(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    """The sentence that the command ends with."""
    monkeypatch.setattr("sys.argv", ["evaluate", *map(str, arguments), "--model", str(TINY)])
    with pytest.raises(SystemExit) as ended:
        evaluate.main()
    return str(ended.value.code)


def test_what_cannot_be_measured_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, psnr = tmp_path / "clips" / "small", ("--tables", "psnr")
    assert stopped(monkeypatch, tmp_path / "no", *psnr).endswith("no does not exist")
    pictures.mkdir(parents=True)
    Image.fromarray(texture(7, 9)).save(pictures / "1.png")
    told = stopped(monkeypatch, pictures, *psnr, "--json", tmp_path / "no" / "a.json")
    assert f"{tmp_path / 'no'} is no folder" in told
    for wrong in (("--windows", "0"), ("--windows", "32"), ("--frames-limit", "0")):
        assert stopped(monkeypatch, pictures, *psnr, *wrong) == "2"


@pytest.mark.parametrize("table", ["psnr", "details", "channels"])
def test_what_is_too_small_to_be_measured_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    if table == "channels":
        pytest.importorskip("onnx", reason="onnx is not installed (pip install 'vsr[train]')")
    (pictures := tmp_path / "clips" / "small").mkdir(parents=True)
    Image.fromarray(texture(7, 9)).save(pictures / "1.png")
    told = stopped(monkeypatch, pictures.parent, "--tables", table)
    assert told == "error: small is 9x7: at x4 its sides must be 8 pixels or more"


def test_a_damaged_clip_is_no_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = [texture(96, 96, seed) for seed in range(6)]
    whole = write_clip(tmp_path / "whole.mkv", clip)
    content = whole.read_bytes()
    cut = tmp_path / "clips" / "cut.mkv"
    cut.parent.mkdir()
    cut.write_bytes(content[: len(content) * 3 // 4])
    assert "cut.mkv is damaged" in stopped(monkeypatch, cut.parent, "--tables", "psnr")
    (truth,) = inputs.load_truths(cut.parent, 2)
    assert len(truth.pictures) == 2, "the first frames are whole"
    assert len(inputs.load_truths(tmp_path / "whole.mkv")[0].pictures) == 6


def test_two_clips_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their figures would stand under one name."""
    for suffix in (".mkv", ".avi"):
        write_clip((tmp_path / "one").with_suffix(suffix), [texture(32, 32)] * 2)
    told = stopped(monkeypatch, tmp_path, "--tables", "psnr")
    assert "two clips called one" in told


def test_backward_warping_and_splatting_agree_on_a_known_motion(torch: Any) -> None:
    from models.spmc.ablation import read_backwards
    from models.spmc.geometry import places, splat

    luma = gaussian_filter(inputs.luma_plane(texture()).astype(np.float32) / 255, 3)
    picture = torch.from_numpy(luma)[None, None]
    flow = torch.zeros(1, 1, 2, *luma.shape)
    flow[:, :, 0], flow[:, :, 1] = 2.25, -1.5
    canvas, weight = (read_backwards(each, flow) for each in (picture, torch.ones_like(picture)))
    at = places(flow)
    value, share = (splat(each, at) for each in (picture, torch.ones_like(picture)))
    inner = (slice(None), slice(8, -8), slice(8, -8))
    hit = share[inner] > 0.2
    difference = (value[inner] / share[inner] - (canvas / weight)[inner])[hit].abs()
    assert hit.float().mean() > 0.05
    assert float(difference.max()) < 0.02
    assert float(weight.sum(-1)[inner[:3]].mean()) == pytest.approx(1)
    assert float(share.sum(-1)[inner[:3]].mean()) == pytest.approx(1)


def test_variants_share_their_parameters_and_differ_in_what_they_see(torch: Any) -> None:
    from models.spmc.ablation import VARIANTS, dress
    from models.spmc.network import Spmc

    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(1, 3, 8, 8, generator=generator)
    changed = frames.clone()
    changed[:, 0] = torch.rand(8, 8, generator=generator)
    counts = set()
    for variant in VARIANTS:
        torch.manual_seed(1)
        network = Spmc()
        network.fusion.head.weight.data.mul_(100)
        dress(network, variant)
        with torch.no_grad():
            one, other = network(frames, 1), network(changed, 1)
            late = network(frames, 1, motion_learns=False, before=2)  # as training calls it
        torch.testing.assert_close(late, one[:, 2:])
        seen = [not torch.equal(one[:, t], other[:, t]) for t in range(3)]
        counts.add(sum(part.numel() for part in network.parameters()))
        assert seen == [True, not variant.one_frame or variant.state, variant.state], variant.name
    assert len(counts) == 1


def test_filmed_photographs_become_strips(torch: Any) -> None:
    from models.spmc import pictures

    truth = pictures.filmed(pictures.PHOTOS[0])
    assert len(truth.pictures) == pictures.FRAMES
    assert all(picture.std() > 20 for picture in truth.pictures)
    panels = [("one", truth.pictures[0]), ("two", truth.pictures[1])]
    page = np.asarray(pictures.side_by_side(panels, (10, 20)))
    side, zoom = pictures.CROP * pictures.ZOOM, pictures.ZOOM
    assert page.shape == (side + pictures.LABEL, 2 * side + pictures.GAP, 3)
    first = page[pictures.LABEL :: zoom, :side:zoom]
    assert np.array_equal(
        first, truth.pictures[0][10 : 10 + pictures.CROP, 20 : 20 + pictures.CROP]
    )
    assert distortion(first[..., 0], page[pictures.LABEL :: zoom, side + 8 :: zoom, 0], 255).total


def test_pictures_of_several_sizes_are_no_clip(tmp_path: Path) -> None:
    """They had been scaled to the size of the first and measured as frames of one video."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, width in (("a", 48), ("b", 48), ("c", 64)):
        Image.fromarray(texture(40, width)).save(folder / f"{name}.png")
    with pytest.raises(InputError, match="photos: its pictures are of several sizes or kinds"):
        inputs.load_truths(folder)
    (folder / "c.png").unlink()
    (truth,) = inputs.load_truths(folder)
    assert len(truth.pictures) == 2


def test_memory_is_measured_of_our_graphs_alone(tmp_path: Path) -> None:
    from models.spmc.measure import peak

    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(InputError, match="damaged or no ONNX file"):
        peak(tmp_path / "text.onnx", 1)
    with pytest.raises(InputError, match="none of the graphs"):
        peak(ROOT / "models" / "crn.onnx", 1)
