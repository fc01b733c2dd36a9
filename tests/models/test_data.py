"""Training clips: out of any video and photograph, into a cache that is whole."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from vsrcli.errors import InputError

FRAMES = 8


def moving(height: int = 128, width: int = 160) -> NDArray[np.uint8]:
    """Grey pictures [FRAMES, H, W] that move, with detail."""
    noise = gaussian_filter(np.random.default_rng(0).random((height, width + 3 * FRAMES)), 1.2)
    picture = np.clip(125 + (noise - noise.mean()) * 12 / noise.std(), 16, 235).astype(np.uint8)
    return np.stack([picture[:, 3 * t : 3 * t + width] for t in range(FRAMES)])


def write(path: Path, pix_fmt: str, pictures: NDArray[np.uint8]) -> None:
    """PICTURES as a lossless video of PIX_FMT, whose luma they are, or red, green and blue."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height = pictures.shape[2], pictures.shape[1]
        stream.pix_fmt = pix_fmt
        for picture in pictures:
            if pix_fmt == "bgr0":
                tinted = np.stack([picture // 4, picture, picture // 2], -1)
                frame = av.VideoFrame.from_ndarray(tinted, "bgr24").reformat(format="bgr0")
            else:
                frame = av.VideoFrame(pictures.shape[2], pictures.shape[1], pix_fmt)
                for plane in frame.planes:
                    grey = np.full((plane.height, plane.line_size // 2), 512, "<u2")
                    if plane is frame.planes[0] or plane.width == pictures.shape[2]:
                        grey[:, : plane.width] = picture.astype("<u2") * 4
                    plane.update(grey.tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_video_of_ten_bits_is_cached_in_eight(torch: Any, tmp_path: Path) -> None:
    from models.spmc.shots import shots

    pictures = moving()
    write(tmp_path / "deep.mkv", "yuv420p10le", pictures)
    (clip,) = shots(tmp_path / "deep.mkv", FRAMES, 1, None)
    assert clip.dtype == np.uint8
    assert np.array_equal(clip, pictures)


def test_luma_of_rgb_video_is_no_single_channel(torch: Any, tmp_path: Path) -> None:
    from models.spmc.shots import shots

    pictures = moving()
    write(tmp_path / "rgb.mkv", "bgr0", pictures)
    (clip,) = shots(tmp_path / "rgb.mkv", FRAMES, 1, None)
    blue, green, red = pictures // 4, pictures, pictures // 2
    expected = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
    assert np.abs(clip - expected).max() <= 0.51


def prepare(monkeypatch: pytest.MonkeyPatch, *options: object) -> None:
    """Run `models.spmc.data` with OPTIONS."""
    from models.spmc import data

    monkeypatch.setattr(sys, "argv", ["data", *map(str, options)])
    data.main()


def test_a_video_that_was_interrupted_is_cached_anew(
    torch: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from models.spmc import data

    videos, cache = tmp_path / "videos", tmp_path / "cache"
    videos.mkdir()
    write(videos / "clip.mkv", "yuv420p10le", moving())
    (videos / "notes.txt").write_text("no video")
    (videos / "folder").mkdir()
    options = ("--videos", videos, "--cache", cache, "--length", 4)
    seldom = data.shots

    def cut_short(*given: Any) -> Iterator[Any]:
        yield next(seldom(*given))
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "shots", cut_short)
    with pytest.raises(SystemExit) as ended:
        prepare(monkeypatch, *options)
    assert ended.value.code == 130
    assert not list(cache.glob("*.npz")), "half a video would pass for all of it"
    monkeypatch.setattr(data, "shots", seldom)
    prepare(monkeypatch, *options)
    capsys.readouterr()
    prepare(monkeypatch, *options)
    assert "clip.mkv: " in (said := capsys.readouterr().err) and "that name already" in said
    names = ["clip.mkv_000.npz", "clip.mkv_001.npz"]
    assert [path.name for path in sorted(cache.iterdir())] == names
    assert [clip["hr"].shape for clip in data.load(cache)] == [(4, 128, 160)] * 2


def test_what_is_not_cached_is_said(
    torch: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photos, cache = tmp_path / "photos", tmp_path / "cache"
    photos.mkdir()
    noise = gaussian_filter(np.random.default_rng(1).random((460, 440)), 1)
    picture = Image.fromarray((255 * (noise - noise.min()) / np.ptp(noise)).astype(np.uint8))
    picture.save(photos / "a.JPEG")
    picture.save(photos / "a.png")
    picture.resize((300, 400)).save(photos / "small.png")
    (photos / "broken.jpg").write_bytes(b"no picture")
    prepare(monkeypatch, "--photos", photos, "--cache", cache, "--per-photo", 1, "--length", 2)
    said = capsys.readouterr()
    assert [path.name for path in cache.iterdir()] == ["a_photo_000.npz"]
    assert said.out == "1 clips of photographs\n"
    assert [line.split(": ")[1].split("/")[-1] for line in said.err.splitlines()] == [
        "a.png",
        "broken.jpg is no picture, or is damaged",
        "small.png",
    ]
    for options in (["--photos", tmp_path / "none"], ["--videos", tmp_path / "none"], []):
        with pytest.raises(SystemExit) as ended:
            prepare(monkeypatch, *options, "--cache", cache)
        assert ended.value.code not in (0, None)


def test_a_cache_that_is_empty_or_damaged_is_named(torch: Any, tmp_path: Path) -> None:
    from models.spmc.data import Clips, load, store

    with pytest.raises(InputError, match="holds no clips"):
        load(tmp_path)
    store(moving(), tmp_path / "whole.npz")
    with pytest.raises(InputError, match="none of 1 clips has 8 frames and 256 pixels"):
        Clips(load(tmp_path), FRAMES, 64, {"bi": 1.0})
    half = (tmp_path / "whole.npz").read_bytes()[:9000]
    (tmp_path / "half.npz").write_bytes(half)
    with pytest.raises(InputError, match="half.npz is damaged"):
        load(tmp_path)
    np.savez(tmp_path / "half.npz", hr=moving())
    with pytest.raises(InputError, match="half.npz has no bi_x4"):
        load(tmp_path)


def test_motion_is_taught_by_photographs_of_any_kind(
    torch: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Drawn pictures are PNG; they had been no photographs here."""
    from models.spmc import train_motion

    picture = np.random.default_rng(0).integers(0, 255, (600, 600), np.uint8)
    Image.fromarray(picture).save(tmp_path / "drawn.png")
    out = tmp_path / "motion.pt"
    command = ["train_motion", "--photos", tmp_path, "--out", out, "--hours", 1e-9, "--threads", 1]
    monkeypatch.setattr(sys, "argv", [*map(str, command)])
    train_motion.main()
    assert torch.load(out, weights_only=True)
    recipe, stage = (
        tmp_path / "own.toml",
        "steps = 1, rate = 1.0, batch = 1, length = 2, patch = 16",
    )
    text = f"stages = [{{ {stage} }}]\n[network]\nmotion = [8, 8]\n[mixture]\nbi = 1\n"
    recipe.write_text(text, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [*map(str, command), "--config", str(recipe)])
    train_motion.main()
    assert len(torch.load(out, weights_only=True)["levels.0.0.bias"]) == 8
    (tmp_path / "drawn.png").unlink()
    with pytest.raises(SystemExit, match="holds no photographs"):
        train_motion.main()
    Image.new("L", (400, 5)).save(tmp_path / "small.png")
    with pytest.raises(SystemExit, match="none of its photographs is of use"):
        train_motion.main()
    assert "small.png: its sides must be 256 pixels or more" in capsys.readouterr().err


def test_a_photograph_of_sixteen_bits_is_not_white(torch: Any, tmp_path: Path) -> None:
    from models.spmc.filming import photo_luma

    picture = np.random.default_rng(0).integers(0, 256, (40, 48), np.uint8)
    Image.fromarray(picture.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    assert np.array_equal(photo_luma(tmp_path / "deep.png"), picture)


@pytest.mark.parametrize("reader", ["spmc.filming.photo_luma", "crn.canvas.read"])
def test_a_picture_of_too_many_pixels_is_named(
    torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    """Of as many as phones have by now Pillow's error is neither an OSError nor a ValueError."""
    module, _, name = reader.rpartition(".")
    read = getattr(importlib.import_module(f"models.{module}"), name)
    Image.new("L", (60, 60)).save(tmp_path / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError, match=r"huge\.png has too many pixels"):
        read(tmp_path / "huge.png")


def test_a_photograph_that_gives_no_clip_is_named(
    torch: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Image.new("L", (440, 440), 90).save(tmp_path / "sky.png")
    with pytest.raises(SystemExit, match="cache holds no clips"):
        prepare(monkeypatch, "--photos", tmp_path, "--cache", tmp_path / "cache", "--length", 2)
    assert "sky.png: nowhere enough detail" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("video", "said"), [(None, "videos holds no videos"), ("b.mkv", "cache holds no clips")]
)
def test_a_cache_of_nothing_is_told(
    torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, video: str | None, said: str
) -> None:
    (tmp_path / "videos").mkdir()
    if video is not None:
        (tmp_path / "videos" / video).write_text("no video")
    with pytest.raises(SystemExit, match=said):
        prepare(monkeypatch, "--videos", tmp_path / "videos", "--cache", tmp_path / "cache")


@pytest.mark.parametrize("wrong", [("--length", 1), ("--per-video", 0), ("--per-photo", -1)])
def test_clips_are_counted_from_one(
    tmp_path: Path, torch: Any, monkeypatch: pytest.MonkeyPatch, wrong: tuple[str, int]
) -> None:
    with pytest.raises(SystemExit) as ended:
        prepare(monkeypatch, "--videos", tmp_path, "--cache", tmp_path / "cache", *wrong)
    assert ended.value.code == 2
