"""Scoring clips: which frames are paired, how they are averaged, folders, archives and errors."""

from __future__ import annotations

import errno
import io
import math
import os
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import IO, Any, Self

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.clips import make_frame
from tests.conftest import MakeClip
from tests.lossless import noisy, write_frames
from vsrcli.collection import _plain_name, find_clips, natural_key
from vsrcli.errors import InputError, OutputError, UsageError
from vsrcli.media.exif import display_matrix
from vsrcli.media.planes import Frame
from vsrcli.media.reader import Reader
from vsrcli.media.resample import PlanesResampler
from vsrcli.media.sources import VIDEO_SUFFIXES
from vsrcli.media.swscale import RgbConverter
from vsrcli.metrics import Channel, Distortion, FrameScore
from vsrcli.options import UpscaleOptions
from vsrcli.psnr import psnr
from vsrcli.scores import ClipScore, OutputScore, Protocol, PsnrReport
from vsrcli.turning import turning_of
from vsrcli.upscale_folder import is_batch

SIZE = (48, 32)
Y = Protocol(channel="y", ssim=False)


def frames_of(count: int, first: int = 0, size: tuple[int, int] = SIZE) -> list[Frame]:
    return [make_frame("yuv420p", *size, time=float(4 * (first + i))) for i in range(count)]


def noised(frames: Sequence[Frame], sigma: float = 3.0) -> list[Frame]:
    """The frames with noise that grows from frame to frame."""
    return [noisy(frame, sigma * (1 + i / 2), seed=i) for i, frame in enumerate(frames)]


def only(reference: Path, output: Path, protocol: Protocol = Y) -> OutputScore:
    return psnr(reference, output, protocol=protocol).outputs[0]


def mse(a: Frame, b: Frame, channel: str) -> float:
    """Mean squared error of luma or RGB relative to the peak, in plain numpy."""
    if channel == "y":
        pair = [frame.planes[0].astype(float) for frame in (a, b)]
    else:
        pair = [np.stack(RgbConverter()(frame).planes).astype(float) for frame in (a, b)]
    return float(np.mean((pair[0] - pair[1]) ** 2)) / 255**2


def decibels(error: float) -> float:
    return -10 * math.log10(error)


@pytest.mark.parametrize("channel", ["rgb", "y"])
def test_pooled_and_mean_are_what_they_say(tmp_path: Path, channel: str) -> None:
    frames = frames_of(5)
    worse = noised(frames)
    reference = write_frames(tmp_path / "ref.mkv", frames)
    output = write_frames(tmp_path / "out.mkv", worse)
    errors = [mse(a, b, channel) for a, b in zip(frames, worse, strict=True)]
    protocol = Protocol(channel=channel, ssim=False)  # type: ignore[arg-type]
    result = only(reference, output, protocol)
    assert result.psnr_pooled == pytest.approx(decibels(float(np.mean(errors))), abs=1e-3)
    mean = float(np.mean([decibels(error) for error in errors]))
    assert result.psnr_mean == pytest.approx(mean, abs=1e-3)
    assert result.psnr_mean > result.psnr_pooled + 0.3
    assert result.frames == 5
    assert result.worst[1].index == 4
    assert not result.identical


def test_the_contest_is_the_default(tmp_path: Path) -> None:
    frames = frames_of(2)
    reference = write_frames(tmp_path / "ref.mkv", frames)
    output = write_frames(tmp_path / "out.mkv", noised(frames))
    report = psnr(reference, output)
    assert report.protocol == Protocol(channel="rgb", crop=0, skip_ends=0, ssim=True)
    assert report.outputs[0].psnr_pooled == report.outputs[0].pooled("rgb")
    assert 0 < report.outputs[0].ssim < 1  # type: ignore[operator]


def test_identical_clips(tmp_path: Path) -> None:
    clip = write_frames(tmp_path / "ref.mkv", frames_of(3))
    result = only(clip, clip, Protocol())
    assert result.identical
    assert result.psnr_pooled == result.psnr_mean == math.inf
    assert result.ssim == 1.0


def test_offset_skips_the_first_frames_of_the_output(tmp_path: Path) -> None:
    frames = frames_of(7)
    whole, late = write_frames(tmp_path / "whole.mkv", frames), tmp_path / "late.mkv"
    write_frames(late, frames[2:])
    result = only(late, whole, replace(Y, offset=2))
    assert result.identical
    assert [(f.index, f.output_index) for f in result.clips[0].frames[:2]] == [(0, 2), (1, 3)]
    assert only(whole, late, replace(Y, offset=-2)).identical
    assert not only(late, whole, replace(Y, offset=1, shortest=True)).identical
    with pytest.raises(InputError, match="is left to compare"):
        only(late, whole, replace(Y, offset=9, shortest=True))


def test_other_numbers_of_frames_are_refused(tmp_path: Path) -> None:
    frames = frames_of(7)
    long, short = write_frames(tmp_path / "long.mkv", frames), tmp_path / "short.mkv"
    write_frames(short, frames[:5])
    with pytest.raises(InputError, match=r"short.mkv has 5 frames .*/long.mkv 7: .*--shortest"):
        only(long, short)
    with pytest.raises(InputError, match=r"long.mkv has 7 frames .*/short.mkv 5 .*offset is 1"):
        only(short, long, replace(Y, offset=1))
    assert only(long, short, replace(Y, shortest=True)).frames == 5
    assert only(long, short, replace(Y, max_frames=5)).frames == 5


def test_skipped_ends_and_first_frames_do_not_count(tmp_path: Path) -> None:
    frames = frames_of(6)
    worse = [noisy(frames[0], 20), *frames[1:5], noisy(frames[5], 20)]
    reference = write_frames(tmp_path / "ref.mkv", frames)
    output = write_frames(tmp_path / "out.mkv", worse)
    assert not only(reference, output).identical
    kept = only(reference, output, replace(Y, skip_ends=1))
    assert kept.identical
    assert [frame.index for frame in kept.clips[0].frames] == [1, 2, 3, 4]
    first = only(reference, output, replace(Y, max_frames=5, skip_ends=1))
    assert [frame.index for frame in first.clips[0].frames] == [1, 2, 3]
    with pytest.raises(InputError, match="is left to compare"):
        only(reference, output, replace(Y, skip_ends=3))


def test_other_sizes_are_refused_or_resized(tmp_path: Path) -> None:
    frames = frames_of(2)
    small = (SIZE[0] // 2, SIZE[1] // 2)
    layout = frames[0].layout
    down = PlanesResampler(layout, SIZE, small, location=1)
    up = PlanesResampler(layout, small, SIZE, location=1)
    reduced = [replace(frame, planes=down(frame.planes)) for frame in frames]
    reference = write_frames(tmp_path / "ref.mkv", frames)
    output = write_frames(tmp_path / "out.mkv", reduced)
    with pytest.raises(InputError, match=r"out.mkv is 24x16 and its reference 48x32.*--resize"):
        only(reference, output)
    result = only(reference, output, replace(Y, resize=True))
    restored = [replace(frame, planes=up(frame.planes)) for frame in reduced]
    errors = [mse(a, b, "y") for a, b in zip(frames, restored, strict=True)]
    assert result.psnr_pooled == pytest.approx(decibels(float(np.mean(errors))), abs=1e-3)
    assert result.clips[0].notes == (f"{output}: resized by bicubic from 24x16",)


@pytest.mark.parametrize("large", ["reference", "output"])
def test_the_matrix_of_untagged_video_is_told_by_its_own_size(tmp_path: Path, large: str) -> None:
    """Not by that which it is resized to."""
    sizes = {"reference": (1280, 48), "output": (320, 12)}
    if large == "output":
        sizes = {"reference": (320, 12), "output": (1280, 48)}
    write_frames(tmp_path / "lr.mkv", [make_frame("yuv420p", *sizes["output"])])
    write_frames(tmp_path / "hr.mkv", [make_frame("gbrp16le", *sizes["reference"])])
    (row,) = psnr(tmp_path / "hr.mkv", tmp_path / "lr.mkv", protocol=Protocol(resize=True)).outputs
    told = any("does not name its colour matrix" in note for note in row.clips[0].notes)
    assert told == (large == "output")


def test_baseline_adds_bicubic_and_lanczos(tmp_path: Path) -> None:
    frames = frames_of(2)
    layout, small = frames[0].layout, (12, 8)
    down = PlanesResampler(layout, SIZE, small, location=1)
    reduced = [replace(frame, planes=down(frame.planes)) for frame in frames]
    reference = write_frames(tmp_path / "ref.mkv", frames)
    baseline = write_frames(tmp_path / "lr.mkv", reduced)
    rows = psnr(reference, baseline=baseline, protocol=Y).outputs
    assert [(row.name, row.baseline) for row in rows] == [("bicubic", True), ("lanczos", True)]
    for row, kernel in zip(rows, ("bicubic", "lanczos"), strict=True):
        up = PlanesResampler(layout, small, SIZE, location=1, kernel=kernel)  # type: ignore[arg-type]
        errors = [
            mse(a, replace(a, planes=up(b.planes)), "y")
            for a, b in zip(frames, reduced, strict=True)
        ]
        assert row.psnr_pooled == pytest.approx(decibels(float(np.mean(errors))), abs=1e-3)
    with pytest.raises(UsageError, match="nothing to score"):
        psnr(reference)


def test_channel_must_exist_in_both(tmp_path: Path) -> None:
    frame = make_frame("gbrp", *SIZE)
    pictures = write_frames(tmp_path / "ref.mov", [frame, frame], "png")
    assert only(pictures, pictures, Protocol()).identical
    with pytest.raises(InputError, match="channel yuv"):
        only(pictures, pictures, Protocol(channel="yuv"))


def test_progress_counts_all_rows(make_clip: MakeClip) -> None:
    clip = make_clip(frames=4)
    seen: list[tuple[int, int | None]] = []
    psnr(clip, clip, clip, protocol=Y, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 8) for n in range(1, 9)]


def set_of_clips(folder: Path, sigmas: dict[str, float], suffix: str = "") -> dict[str, Path]:
    """Clips of two frames each in `folder`, with noise of one sigma for each name."""
    frames = {name: frames_of(2, first=i) for i, name in enumerate(("1", "2", "10"))}
    return {
        name: write_frames(
            folder / f"{name}{suffix}.mkv", [noisy(frame, sigma) for frame in frames[name]]
        )
        for name, sigma in sigmas.items()
    }


@pytest.fixture
def references(tmp_path: Path) -> Path:
    set_of_clips(tmp_path / "ref", dict.fromkeys(("1", "2", "10"), 0.0))
    return tmp_path / "ref"


def test_folders_are_paired_by_name(tmp_path: Path, references: Path) -> None:
    outputs = set_of_clips(tmp_path / "out", {"1": 2.0, "10": 4.0, "2": 0.5}, "_x4")
    write_frames(tmp_path / "out" / "other.mkv", frames_of(1))
    result = only(references, tmp_path / "out")
    assert [clip.name for clip in result.clips] == ["1", "2", "10"]
    assert [Path(clip.output) for clip in result.clips] == [outputs[n] for n in ("1", "2", "10")]
    alone = [only(references / f"{name}.mkv", outputs[name]) for name in ("1", "2", "10")]
    assert [c.pooled("y") for c in result.clips] == [row.psnr_pooled for row in alone]
    pooled = np.mean([10 ** (-row.psnr_pooled / 10) for row in alone])
    assert result.psnr_pooled == pytest.approx(decibels(float(pooled)), abs=1e-6)
    assert result.psnr_clips == pytest.approx(np.mean([row.psnr_pooled for row in alone]))
    assert result.psnr_mean == pytest.approx(np.mean([row.psnr_mean for row in alone]))
    assert result.notes == (f"{tmp_path / 'out'}: not scored, no reference is called so: other",)


def test_a_missing_or_doubled_clip_is_named(tmp_path: Path, references: Path) -> None:
    out = tmp_path / "out"
    set_of_clips(out, {"1": 1.0, "10": 1.0}, "_x4")
    with pytest.raises(InputError, match="out holds no clip named 2 "):
        only(references, out)
    set_of_clips(out, {"2": 1.0}, "_a")
    set_of_clips(out, {"2": 2.0}, "_b")
    with pytest.raises(InputError, match=r"several clips for 2 \(2_a, 2_b\)"):
        only(references, out)
    exact = set_of_clips(out, {"2": 0.0})["2"]
    assert Path(only(references, out).clips[1].output) == exact


def test_references_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("truth/x.mkv", "truth/x.mp4", "made/x.mkv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_frames(tmp_path / name, frames_of(2))
    with pytest.raises(InputError, match=r"x\.mkv and .*x\.mp4 have one name"):
        psnr(tmp_path / "truth", tmp_path / "made", protocol=Y)


def test_that_transparency_is_not_compared_is_told(tmp_path: Path) -> None:
    for name, alpha in (("a.png", 255), ("b.png", 100)):
        Image.new("RGBA", SIZE, (200, 100, 50, alpha)).save(tmp_path / name)
    (clip,) = only(tmp_path / "a.png", tmp_path / "b.png", Protocol(ssim=False)).clips
    assert [frame.identical for frame in clip.frames] == [True]
    assert any("transparency is not compared" in note for note in clip.notes)


def test_colours_that_transparency_hides_are_not_compared(tmp_path: Path) -> None:
    pixels = np.full((48, 64, 4), (200, 100, 50, 255), np.uint8)
    for name, hidden, seen in (("a.png", 0, 200), ("b.png", 255, 200), ("c.png", 0, 210)):
        pixels[:20] = (hidden, hidden, hidden, 0)
        pixels[20:, :, 0] = seen
        Image.fromarray(pixels).save(tmp_path / name)
    (same,) = only(tmp_path / "a.png", tmp_path / "b.png", Protocol(ssim=False)).clips
    assert [frame.identical for frame in same.frames] == [True]
    (other,) = only(tmp_path / "a.png", tmp_path / "c.png", Protocol(ssim=False)).clips
    assert [frame.identical for frame in other.frames] == [False]
    Image.fromarray(pixels).convert("RGB").save(tmp_path / "d.png")  # where they are seen
    (shown,) = only(tmp_path / "b.png", tmp_path / "d.png", Protocol(ssim=False)).clips
    assert [frame.identical for frame in shown.frames] == [False]


def test_folder_against_a_single_clip_is_refused(references: Path, make_clip: MakeClip) -> None:
    with pytest.raises(InputError, match="holds several clips"):
        only(references, make_clip())


def test_a_reference_alone_in_its_archive_needs_no_name(tmp_path: Path) -> None:
    for name in ("single/1.mkv", "x.mkv"):
        write_frames(tmp_path / name, frames_of(2))
    for reference in (tmp_path / "single", packed(tmp_path / "single", tmp_path / "single.tar")):
        assert only(reference, tmp_path / "x.mkv").identical


def test_tar_of_videos_scores_as_the_folder(tmp_path: Path, references: Path) -> None:
    outputs = set_of_clips(tmp_path / "out", {"1": 2.0, "10": 4.0, "2": 0.5})
    archive = tmp_path / "results.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for path in outputs.values():
            tar.add(path, f"results/{path.name}")
    packed, plain = only(references, archive), only(references, tmp_path / "out")
    assert packed.psnr_pooled == plain.psnr_pooled
    assert packed.clips[2].output == f"{archive}:results/10.mkv"


def packed(folder: Path, archive: Path) -> Path:
    """A tar of what the folder holds."""
    with tarfile.open(archive, "w") as tar:
        tar.add(folder, ".")
    return archive


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_clips_of_one_name_go_by_their_folders(tmp_path: Path, kind: str) -> None:
    levels = {"8": 100, "09": 150, "10": 200}
    for name, level in levels.items():
        for place, change in ((f"ref/{name}/frames", 0), (f"out/{name}_x4/png", int(name))):
            (tmp_path / place).mkdir(parents=True)
            for number in range(2):
                gray = (level + change,) * 3
                Image.new("RGB", SIZE, gray).save(tmp_path / place / f"{number}.png")
    ref, out = tmp_path / "ref", tmp_path / "out"
    if kind == "tar":
        ref, out = (packed(each, tmp_path / f"{each.name}.tar") for each in (ref, out))
    result = only(ref, out, Protocol(ssim=False))
    assert [clip.name for clip in result.clips] == ["8", "09", "10"]
    errors = [int(clip.name) ** 2 / 255**2 for clip in result.clips]
    assert [clip.pooled("rgb") for clip in result.clips] == pytest.approx(
        [decibels(error) for error in errors]
    )
    assert not result.notes


def test_a_clip_in_a_folder_of_its_name_belongs_to_it(tmp_path: Path, references: Path) -> None:
    out = tmp_path / "out"
    for name in ("1", "2", "10"):
        set_of_clips(out / "results" / f"{name}_x4", {name: 0.0})
        (out / "results" / f"{name}_x4" / f"{name}.mkv").rename(
            out / "results" / f"{name}_x4" / "sr.mkv"
        )
    assert only(references, out).identical
    set_of_clips(out, {"1": 2.0}, "_a")  # a name of its own is better than that of a folder
    result = only(references, out)
    assert Path(result.clips[0].output).name == "1_a.mkv"
    assert result.notes == (f"{out}: not scored, 1 is compared with 1_a: results/1_x4/sr",)
    write_frames(out / "1" / "part.mkv", frames_of(2))  # even if the folder has just that name
    assert Path(only(references, out).clips[0].output).name == "1_a.mkv"


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_what_lies_beside_clips_is_told(tmp_path: Path, kind: str) -> None:
    ref, out = tmp_path / "ref", tmp_path / "out"
    set_of_clips(ref, {"1": 0.0})
    set_of_clips(out, {"1": 0.0})
    for number in range(3):
        Image.new("RGB", SIZE).save(ref / f"{number}.png")
    (out / "2").mkdir()
    Image.new("RGB", SIZE).save(out / "2" / "0.png")
    write_frames(out / "2" / "2.mkv", frames_of(1))
    told = "not scored, 0.png and 2 more lie beside clips: 1"
    with pytest.raises(InputError, match=f"ref holds several clips .*; .*ref: {told}"):
        only(ref, ref / "%d.png")
    if kind == "tar":
        ref, out = (packed(each, tmp_path / f"{each.name}.tar") for each in (ref, out))
    assert set(only(ref, out).notes) == {
        f"{ref}: {told}",
        f"{out}: not scored, 2/2.mkv lies beside clips: 1, 2",
        f"{out}: not scored, no reference is called so: 2",
    }


def test_what_lies_deep_below_pictures_makes_no_collection(tmp_path: Path) -> None:
    for name in ("hr/0.png", "hr/1.png", "hr/other/small/0.png", "sr/0.png", "sr/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE).save(tmp_path / name)
    assert only(tmp_path / "hr", tmp_path / "sr", Protocol(ssim=False)).frames == 2


def test_links_that_lead_back_are_no_clips(tmp_path: Path, references: Path) -> None:
    (references / "again").symlink_to(references, target_is_directory=True)
    assert [clip.name for clip in find_clips(references)] == ["1", "2", "10"]


def test_links_to_one_folder_are_clips_each(tmp_path: Path) -> None:
    (tmp_path / "seen").mkdir()
    Image.new("RGB", SIZE).save(tmp_path / "seen" / "0.png")
    (tmp_path / "ref").mkdir()
    for name in "ab":
        (tmp_path / "ref" / name).symlink_to(tmp_path / "seen", target_is_directory=True)
    assert [clip.name for clip in find_clips(tmp_path / "ref")] == ["a", "b"]


def test_folders_that_cannot_be_read_are_told(
    references: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (references / "locked").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="locked cannot be read: Permission denied"):
        find_clips(references)


def test_folders_are_looked_through_once(references: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sets have hundreds of thousands of files."""
    walked: list[Path] = []
    walk = os.walk

    def count(top: Path, **how: Any) -> Any:
        walked.append(top)
        return walk(top, **how)

    monkeypatch.setattr(os, "walk", count)
    only(references, references, Protocol(ssim=False))
    assert walked == [references, references]  # as the reference and as the output


def write_pictures(folder: Path, clip: Path) -> None:
    folder.mkdir(parents=True)
    convert = RgbConverter()
    with Reader(clip) as frames:
        for frame in frames:
            picture = np.stack(convert(frame).planes, axis=2)
            Image.fromarray(picture).save(folder / f"{frame.index:04d}.png")


def test_a_compressed_archive_that_is_damaged_is_named(tmp_path: Path, references: Path) -> None:
    archive = tmp_path / "results.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(references, ".")
    content = bytearray(archive.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    archive.write_bytes(content)
    with pytest.raises(InputError, match="results.tar.xz is not a tar archive that can be read: "):
        psnr(references, archive, protocol=Y)


def test_no_place_for_temporary_files_is_told(
    tmp_path: Path, references: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = packed(references, tmp_path / "results.tar")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(OutputError, match="none: its folder does not exist"):
        psnr(references, archive, protocol=Y)

    def nowhere() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with pytest.raises(OutputError, match="set TMPDIR"):
        psnr(references, archive, protocol=Y)


def test_members_of_archives_choose_no_place_on_windows_either() -> None:
    for member in (r"a/..\..\b.png", "a/C:b.png", "a/b.png:stream", r"\\server\share\b.png"):
        name = _plain_name(member, windows=True)
        assert PureWindowsPath(name).name == name
    assert _plain_name("a/b:c.png") == "b:c.png"


def test_tar_of_pictures_scores_as_the_pictures(tmp_path: Path, references: Path) -> None:
    outputs = set_of_clips(tmp_path / "out", {"1": 2.0, "10": 4.0, "2": 0.5})
    with tarfile.open(tmp_path / "results.tar", "w") as tar:
        for name, path in outputs.items():
            write_pictures(tmp_path / "pictures" / name, path)
            tar.add(tmp_path / "pictures" / name, name)
    protocol = Protocol(ssim=False)
    packed = only(references, tmp_path / "results.tar", protocol)
    assert packed.psnr_pooled == only(references, tmp_path / "pictures", protocol).psnr_pooled
    assert 30 < packed.psnr_pooled < 50
    assert any("RGB" in note for note in packed.clips[0].notes)
    single = only(references / "1.mkv", tmp_path / "pictures" / "1" / "%04d.png", protocol)
    assert single.pooled("rgb") == packed.clips[0].pooled("rgb")


def test_pictures_that_changed_between_two_calls_are_looked_at_again(tmp_path: Path) -> None:
    reference, output = tmp_path / "reference", tmp_path / "output"
    for size in ((32, 24), (64, 48)):
        for folder, colour in ((reference, "teal"), (output, "navy")):
            folder.mkdir(exist_ok=True)
            Image.new("RGB", (32, 24), colour).save(folder / "1.png")
            Image.new("RGB", size, colour).save(folder / "2.png")
        clip = psnr(reference, output).outputs[0].clips[0]
        # Those that differ in size are compared one by one, each as it is.
        assert [f.rgb and f.rgb.samples for f in clip.frames] == [
            3 * 32 * 24,
            3 * size[0] * size[1],
        ]
        assert not clip.notes


def test_archives_of_many_files_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, names = tmp_path / "results.tar.gz", [f"{n}/{m}.png" for n in range(9) for m in "bca"]
    with tarfile.open(archive, "w:gz") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            tar.addfile(entry, io.BytesIO(name.encode()))
    headers, places = [], []
    extract = tarfile.TarFile.extractfile

    class Counted(tarfile.TarInfo):
        @classmethod
        def fromtarfile(cls, tarfile: Any) -> Self:
            headers.append(tarfile.offset)
            return super().fromtarfile(tarfile)

    def extracted(tar: tarfile.TarFile, member: tarfile.TarInfo | str) -> IO[bytes] | None:
        places[-1].append(getattr(member, "offset", 0))
        return extract(tar, member)

    monkeypatch.setattr(tarfile.TarFile, "tarinfo", Counted)
    monkeypatch.setattr(tarfile.TarFile, "extractfile", extracted)
    clips = find_clips(archive)
    found = len(headers)
    for number, clip in enumerate(clips):
        places.append([])
        with clip.opened() as folder:
            assert sorted(path.name for path in folder.iterdir()) == ["a.png", "b.png", "c.png"]
            assert (folder / "a.png").read_text() == f"{number}/a.png"
    assert len(headers) - found <= 2 * len(clips)  # not those of all for each
    assert all(each == sorted(each) for each in places)  # nor back to the beginning for a file


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_links_in_an_archive_are_followed(
    tmp_path: Path, link: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "1"
    write_pictures(folder, write_frames(tmp_path / "1.mkv", noised(frames_of(4))))
    repeated = folder / "0003.png"
    repeated.unlink()
    monkeypatch.chdir(folder)  # a link may say it from here
    link("0002.png", repeated)
    archive = tmp_path / "results.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(folder, "results/1")
    packed = only(folder, archive)
    assert packed.frames == 4 and packed.identical


def test_links_to_folders_of_an_archive_are_followed(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    write_pictures(folder / "1", write_frames(tmp_path / "1.mkv", noised(frames_of(2))))
    for name, target in (("2", "1"), ("3", "../results/2"), ("1/back", ".."), ("4", "none")):
        (folder / name).symlink_to(target)
    archive = tmp_path / "results.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(folder, "results")
    for found in (find_clips(folder), find_clips(archive)):
        assert [clip.name for clip in found] == ["1", "2", "3"]
    (row,) = psnr(folder, archive, protocol=Y).outputs
    assert row.frames == 6 and row.identical


@pytest.mark.parametrize("target", ["0009.png", "0001.png"])
def test_links_that_lead_out_of_an_archive_are_refused(tmp_path: Path, target: str) -> None:
    archive = tmp_path / "results.tar"
    link = tarfile.TarInfo("1/0001.png")
    link.type, link.linkname = tarfile.SYMTYPE, target
    with tarfile.open(archive, "w") as tar:
        tar.addfile(link)
    with pytest.raises(InputError, match=rf"1/0001.png is a link to {target}"):
        psnr(archive, archive)


def test_members_with_hostile_names_stay_inside(tmp_path: Path, references: Path) -> None:
    clip = write_frames(tmp_path / "clip.mkv", frames_of(2))
    archive = tmp_path / "deep" / "results.tar"
    archive.parent.mkdir()
    with tarfile.open(archive, "w") as tar:
        tar.add(clip, "../1.mkv")
    assert only(references / "1.mkv", archive).identical
    assert not (tmp_path / "1.mkv").exists()


def test_members_are_named_by_their_place_in_the_archive(tmp_path: Path, references: Path) -> None:
    short = write_frames(tmp_path / "1.mkv", frames_of(1))
    archive = tmp_path / "results.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(short, "results/1.mkv")
    with pytest.raises(InputError, match=r"^\S*results.tar:results/1.mkv has 1 frames"):
        only(references / "1.mkv", archive)


def test_damaged_archives_are_refused(tmp_path: Path, references: Path) -> None:
    (tmp_path / "results.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(InputError, match=r"results.tar is not a tar archive"):
        only(references, tmp_path / "results.tar")
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(InputError, match="holds no videos"):
        only(references, tmp_path / "empty.tar")


def test_pipes_and_other_archives_are_called_what_they_are(
    tmp_path: Path, make_clip: MakeClip
) -> None:
    clip = make_clip()
    packed, pipe = tmp_path / "results.zip", tmp_path / "pipe"
    packed.write_bytes(b"PK")
    cases = [(packed, r"only .tar"), (Path("-"), "is a pipe")]
    if hasattr(os, "mkfifo"):
        os.mkfifo(pipe)
        cases.append((pipe, "is a pipe"))
    for path, told in cases:
        for arguments in ((clip, path), (path, clip)):
            with pytest.raises(InputError, match=told):
                psnr(*arguments)


def test_missing_files_are_refused(tmp_path: Path, make_clip: MakeClip) -> None:
    with pytest.raises(InputError, match="none.mp4"):
        psnr(make_clip(), tmp_path / "none.mp4")
    with pytest.raises(InputError, match="none.mp4"):
        psnr(tmp_path / "none.mp4", make_clip())


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="negative"):
        Protocol(crop=-1)
    with pytest.raises(UsageError, match="negative"):
        Protocol(skip_ends=-1)
    with pytest.raises(UsageError, match="--max-frames"):
        Protocol(max_frames=0)


@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_what_is_held_otherwise_is_compared_upright(tmp_path: Path, orientation: int) -> None:
    shown = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    turning = turning_of(display_matrix(orientation))
    assert turning is not None
    exif = Image.Exif()
    exif[0x0112] = orientation
    held, upright = tmp_path / "held.png", tmp_path / "upright.png"
    Image.fromarray(np.ascontiguousarray(turning.back(shown))).save(held, exif=exif)
    Image.fromarray(shown).save(upright)
    for reference, output in ((held, upright), (upright, held)):
        result = only(reference, output)
        assert result.identical and "turned upright" in result.clips[0].notes[0]
    assert only(held, held).identical and not only(held, held).clips[0].notes


def test_pictures_that_are_not_alike_are_compared_one_by_one(tmp_path: Path) -> None:
    rng, errors = np.random.default_rng(0), []
    shapes = {"a": (32, 48), "b": (40, 24, 3), "c": (24, 64, 3), "d": (32, 48, 3)}
    for folder in ("hr", "sr", "lr"):
        (tmp_path / folder).mkdir()
    for strength, (name, shape) in enumerate(shapes.items(), start=2):
        picture = rng.integers(50, 200, shape, np.uint8)
        worse = picture + rng.integers(0, strength, shape, np.uint8)
        Image.fromarray(picture).save(tmp_path / "hr" / f"{name}.png")
        Image.fromarray(worse).save(tmp_path / "sr" / f"{name}_x4.png")
        small = Image.fromarray(picture).resize((shape[1] // 4, shape[0] // 4))
        small.save(tmp_path / "lr" / f"{name}.png")
        errors.append(float(np.mean((worse.astype(float) - picture) ** 2)) / 255**2)
    whole = psnr(
        tmp_path / "hr",
        tmp_path / "sr",
        baseline=tmp_path / "lr",
        protocol=Protocol(ssim=False),
    )
    result, bicubic, _ = whole.outputs
    frames = result.clips[0].frames
    assert [frame.psnr("rgb") for frame in frames] == pytest.approx(list(map(decibels, errors)))
    assert result.psnr_mean == pytest.approx(np.mean(list(map(decibels, errors))))
    assert [(frame.index, frame.output_index) for frame in frames] == [(n, n) for n in range(4)]
    assert not any("scaled" in note for note in result.clips[0].notes)
    alone = psnr(tmp_path / "hr/c.png", baseline=tmp_path / "lr/c.png").outputs[0]
    assert bicubic.clips[0].frames[2].psnr("rgb") == alone.psnr_pooled
    part = only(tmp_path / "hr", tmp_path / "sr", Protocol(skip_ends=1, max_frames=3, ssim=False))
    assert [frame.index for frame in part.clips[0].frames] == [1]
    with tarfile.open(tmp_path / "results.tar", "w") as tar:
        tar.add(tmp_path / "sr", "sr")
    packed = only(tmp_path / "hr", tmp_path / "results.tar", Protocol(ssim=False))
    assert packed.psnr_pooled == result.psnr_pooled
    (tmp_path / "sr" / "b_x4.png").unlink()
    with pytest.raises(InputError, match="sr has 3 frames and its reference .*hr 4"):
        only(tmp_path / "hr", tmp_path / "sr")
    with pytest.raises(InputError, match=r"c_x4.png is 64x24 and its reference 24x40"):
        only(tmp_path / "hr", tmp_path / "sr", Protocol(shortest=True))
    (tmp_path / "sr" / "b_x4.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"b_x4.png"):
        only(tmp_path / "hr", tmp_path / "sr")


def test_what_is_said_of_pictures_is_said_once(tmp_path: Path) -> None:
    for folder, mode in (("hr", "RGB"), ("sr", "RGBA")):
        (tmp_path / folder).mkdir()
        for number in range(4):
            picture = Image.new("RGB" if number == 3 else mode, (24 + number, 24))
            picture.save(tmp_path / folder / f"{number}.png")
    for name, output in (("hr", "sr"), ("hr.tar", "sr.tar")):
        if output.endswith("tar"):
            packed(tmp_path / "hr", tmp_path / name), packed(tmp_path / "sr", tmp_path / output)
        (clip,) = only(tmp_path / name, tmp_path / output, Protocol(ssim=False)).clips
        assert clip.notes == (f"{clip.output}: transparency is not compared (3 of 4 pictures)",)
    for number in (0, 1):
        Image.new("RGB", (24 + number, 24)).save(tmp_path / "sr" / f"{number}.png")
    (clip,) = only(tmp_path / "hr", tmp_path / "sr", Protocol(ssim=False)).clips
    assert clip.notes == (f"{tmp_path / 'sr' / '2.png'}: transparency is not compared",)
    (clip,) = only(
        tmp_path / "hr.tar", tmp_path / "sr.tar", Protocol(ssim=False, max_frames=1)
    ).clips
    assert clip.notes == (f"{clip.output}: transparency is not compared",)


@pytest.mark.parametrize(
    ("references", "outputs", "told"),
    [
        ("a b c", "a_x4 b_x4 c_x4", None),
        ("0001 0002 0003", "0001x4 0002x4 0003x4", None),
        ("im1 im2 im10", "0 1 9", None),
        ("baby_HR bird_HR head_HR", "baby_SR bird_SR head_SR", None),
        ("i_1_x4_HR i_2_x4_HR i_3_x4_HR", "1 2 3", None),
        ("baby_HR bird_HR head_HR", "baby_SR head_SR woman_SR", "head_SR.png with bird_HR.png"),
        ("1 2 4", "1 3 4", "3.png with 2.png"),
        ("baby bird head", "baby_SR head_SR woman_SR", "head_SR.png with bird.png"),
        ("baby bird head", "a_baby b2 b3", "b2.png with bird.png"),
    ],
)
def test_pictures_paired_against_their_names_are_told(
    tmp_path: Path, references: str, outputs: str, told: str | None
) -> None:
    for folder, names in (("hr", references), ("sr", outputs)):
        (tmp_path / folder).mkdir()
        for name in names.split():
            Image.new("RGB", SIZE).save(tmp_path / folder / f"{name}.png")
    hr, sr = tmp_path / "hr", tmp_path / "sr"
    (clip,) = only(hr, sr, Protocol(ssim=False)).clips
    why = f"{sr}: pictures are paired in their order, not by their names: {told}"
    assert clip.notes == ((why,) if told else ())
    assert not only(hr, sr, Protocol(max_frames=1, ssim=False)).clips[0].notes


@pytest.mark.parametrize(("first", "offset"), [("sr", 1), ("hr", -1)])
def test_names_are_those_of_what_an_offset_pairs(tmp_path: Path, first: str, offset: int) -> None:
    for folder in ("hr", "sr"):
        (tmp_path / folder).mkdir()
        for name in ("a", "b", "c"):
            Image.new("RGB", SIZE).save(tmp_path / folder / f"{name}.png")
    Image.new("RGB", SIZE).save(tmp_path / first / "0.png")
    protocol = Protocol(ssim=False, offset=offset)
    assert not only(tmp_path / "hr", tmp_path / "sr", protocol).clips[0].notes
    protocol = Protocol(ssim=False, shortest=True)
    assert only(tmp_path / "hr", tmp_path / "sr", protocol).clips[0].notes


def test_pictures_that_are_not_alike_are_paired_with_an_offset(tmp_path: Path) -> None:
    for folder, missing in (("hr", 4), ("sr", 0)):
        (tmp_path / folder).mkdir()
        for number in {0, 1, 2, 3, 4} - {missing}:
            picture = Image.new("RGB", (24 + number, 24), (40 * number, 50, 60))
            picture.save(tmp_path / folder / f"{number}.png")
    hr, sr = tmp_path / "hr", tmp_path / "sr"
    (clip,) = only(hr, sr, Protocol(ssim=False, offset=-1, shortest=True)).clips
    assert [(frame.index, frame.output_index) for frame in clip.frames] == [(1, 0), (2, 1), (3, 2)]
    assert all(frame.identical for frame in clip.frames)
    (clip,) = only(sr, hr, Protocol(ssim=False, offset=1, shortest=True)).clips
    assert [(frame.index, frame.output_index) for frame in clip.frames] == [(0, 1), (1, 2), (2, 3)]
    assert all(frame.identical for frame in clip.frames) and not clip.damaged


@pytest.mark.parametrize("damaged", ["hr", "sr"])
def test_damage_to_pictures_that_are_not_alike_is_known(tmp_path: Path, damaged: str) -> None:
    for folder in ("hr", "sr"):
        (tmp_path / folder).mkdir()
        for number in range(3):
            picture = np.random.default_rng(number).integers(0, 256, (24 + number, 48, 3), np.uint8)
            Image.fromarray(picture).save(tmp_path / folder / f"{number}.jpg")
    path = tmp_path / damaged / "1.jpg"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    (clip,) = only(tmp_path / "hr", tmp_path / "sr", Protocol(ssim=False)).clips
    assert clip.damaged and clip.notes == (f"{path}: the picture is damaged, and lacks a part",)


def test_damage_in_an_archive_is_named_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "sr").mkdir()
    for number in range(3):
        Image.new("RGB", SIZE).save(tmp_path / "sr" / f"{number}.png")
    (tmp_path / "sr" / "1.png").write_bytes(b"no picture")
    archive = packed(tmp_path / "sr", tmp_path / "sr.tar")
    (clip,) = only(tmp_path / "sr" / "%d.png", archive).clips
    told = "1 damaged frame was replaced by the frame before"
    assert clip.notes == (f"{tmp_path / 'sr' / '%d.png'}: {told}", f"{archive}:.: {told}")


def test_a_lost_rotation_is_no_obstacle(make_clip: MakeClip) -> None:
    quarter = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    turned = make_clip("turned.mp4", frames=2, display_matrix=quarter)
    assert only(turned, make_clip("plain.mp4", frames=2)).identical


def test_what_is_resized_is_turned_upright_before(tmp_path: Path) -> None:
    """Of its own, other size: it has not lost the rotation of its reference."""
    shown = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown a quarter to the right
    large = shown.resize((64, 48), Image.Resampling.BICUBIC)
    large.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "held.png", exif=exif)
    large.save(tmp_path / "upright.png")
    shown.save(tmp_path / "small.png")
    protocol = Protocol(resize=True, ssim=False)
    held, upright = (
        only(tmp_path / name, tmp_path / "small.png", protocol)
        for name in ("held.png", "upright.png")
    )
    assert held.psnr_pooled == upright.psnr_pooled > 40


def test_names_with_odd_digits_are_sorted() -> None:
    assert sorted(["10", "2²", "2"], key=natural_key) == ["2", "2²", "10"]


def test_videos_are_also_called_so() -> None:
    """By camcorders (tape, AVCHD, phones) and by players of their time."""
    tape, phones, players = (".dv", ".m2t"), (".3g2", ".qt", ".f4v"), (".rm", ".rmvb", ".divx")
    assert {*tape, *phones, *players, ".m1v", ".mpe", ".ogm", ".mk3d"} <= {*VIDEO_SUFFIXES}


@pytest.mark.parametrize("suffix", [*VIDEO_SUFFIXES, ".MP4"])
def test_a_folder_of_videos_is_one_whoever_reads_it(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / f"clip{suffix}").touch()
    assert is_batch(folder, tmp_path / "out", UpscaleOptions())
    assert [clip.name for clip in find_clips(folder)] == ["clip"]


def frame_score(index: int, y: float, v: float | None, ssim: float | None) -> FrameScore:
    """A frame of 100 samples with these PSNRs (of RGB and U as well: of V's)."""
    luma = Distortion(100 * 10 ** (-y / 10), 100)
    chroma = None if v is None else Distortion(100 * 10 ** (-v / 10), 100)
    return FrameScore(index, index, rgb=chroma, y=luma, u=chroma, v=chroma, ssim=ssim)


def output_score(channel: Channel, *clips: Sequence[FrameScore]) -> OutputScore:
    """A row of clips of these frames."""
    scores = (
        ClipScore(str(number), "ref", "out", tuple(frames), ())
        for number, frames in enumerate(clips)
    )
    return OutputScore("o", "o", False, channel, tuple(scores), ())


def test_clips_count_alike_however_long_they_are() -> None:
    short, long = [frame_score(0, 20, 20, 0.5)], [frame_score(i, 40, 40, 0.9) for i in range(3)]
    row = output_score("y", short, long)
    assert row.psnr_mean == pytest.approx(30) and row.psnr_clips == pytest.approx(30)
    assert row.ssim == pytest.approx(0.7) and row.frames == 4
    assert row.psnr_pooled == pytest.approx(decibels((1e-2 + 3 * 1e-4) / 4))  # samples count alike


def test_the_worst_frame_is_that_of_the_channel_asked_for() -> None:
    frames = [frame_score(0, 20, 40, None), frame_score(1, 40, 20, None)]
    assert output_score("y", frames).worst[1].index == 0
    assert output_score("rgb", frames).worst[1].index == 1


def test_one_damaged_clip_is_damage_to_all() -> None:
    row = output_score("y", [frame_score(0, 30, 30, None)], [frame_score(0, 30, 30, None)])
    other = replace(row, clips=(row.clips[0], replace(row.clips[1], damaged=True)))
    assert not row.damaged and other.damaged
    assert not PsnrReport(Protocol(), "ref", (row, row)).damaged
    assert PsnrReport(Protocol(), "ref", (row, other)).damaged


def test_what_some_frames_lack_has_no_figure() -> None:
    """The mean over the others would be taken for that of all."""
    row = output_score("y", [frame_score(0, 30, 30, 0.9)], [frame_score(0, 30, None, None)])
    assert row.pooled("v") is None and row.mean("v") is None and row.ssim is None
    assert row.pooled("y") == pytest.approx(30) and row.clips[0].pooled("v") == pytest.approx(30)


def test_a_tiff_in_tiles_is_refused(tmp_path: Path) -> None:
    """FFmpeg takes tiles for rows: every sample would be somewhere else."""
    picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    strips, tiles = tmp_path / "strips.tif", tmp_path / "tiles.tif"
    tifffile.imwrite(strips, picture, photometric="rgb")
    assert psnr(strips, strips).outputs[0].identical
    for order in "<>":
        tifffile.imwrite(tiles, picture, photometric="rgb", tile=(64, 64), byteorder=order)
        with pytest.raises(InputError, match="is a TIFF in tiles"):
            psnr(strips, tiles)
