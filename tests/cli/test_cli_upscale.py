"""`vsr upscale` as typed: exit statuses, one sentence for an error, JSON, plans, batches."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from typer.testing import CliRunner, Result

from tests import documented
from tests.conftest import MakeClip
from tests.networks.tiny import TINY
from vsrcli.cli import app
from vsrcli.enlarge import FrameEnlarger
from vsrcli.errors import ExitStatus
from vsrcli.media.folder import JobFolder
from vsrcli.media.planes import ColourTags
from vsrcli.media.probe import probe
from vsrcli.networks import session


def vsr(*arguments: str | Path) -> Result:
    """Run the command line."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def sentence(result: Result) -> str:
    """The error; nothing but notes may stand before it, and no traceback."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("vsr: error: ")]
    assert len(lines) == 1 and "Traceback" not in result.output
    return lines[0]


def test_json_is_one_object(make_clip: MakeClip, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    result = vsr("upscale", make_clip(frames=3), output, "--scale", "2", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == ExitStatus.SUCCESS
    assert (found["frames"], found["size"], found["device"]) == (3, [128, 96], "cpu")
    assert probe(output).width == 128


def test_the_json_is_documented(make_clip: MakeClip, tmp_path: Path) -> None:
    arguments = ("upscale", make_clip(frames=1), tmp_path / "out.mp4", "--json")
    plan = json.loads(vsr(*arguments, "--dry-run").stdout)
    assert set(plan) == documented.keys("vsr upscale --dry-run")
    assert set(json.loads(vsr(*arguments).stdout)) == documented.keys("vsr upscale")
    small = vsr("degrade", tmp_path / "out.mp4", tmp_path / "small.mp4", "--json")
    assert set(json.loads(small.stdout)) == documented.keys("vsr degrade")
    scores = vsr("psnr", tmp_path / "out.mp4", tmp_path / "out.mp4", "--json")
    (row,) = json.loads(scores.stdout)["outputs"]
    assert set(row) == documented.keys("vsr psnr")
    assert set(row["clips"][0]) == documented.keys("vsr psnr: a clip")
    assert set(row["clips"][0]["frames"][0]) == documented.keys("vsr psnr: a frame")


def test_a_plan_says_how_turned_video_is_shown(make_clip: MakeClip, tmp_path: Path) -> None:
    turned = make_clip("in.mp4", display_matrix=(0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30))
    for name, rotation in (("out.mkv", 90), ("out.avi", 0), ("out.png", 0)):
        arguments = ("upscale", turned, tmp_path / name, "--dry-run", "--max-frames", "1")
        assert json.loads(vsr(*arguments, "--json").stdout)["rotation"] == rotation
        shown = "size     64x48 -> 256x192, shown turned: 192x256" in vsr(*arguments).stdout
        assert shown == (rotation == 90)


def test_dry_run_writes_nothing(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mkv", audio=("aac",), subtitles=("Hi",))
    result = vsr("upscale", source, tmp_path / "out.mp4", "--dry-run", "--json", "--height", "96")
    plan = json.loads(result.stdout)
    assert plan["size_in"] == [64, 48] and plan["size_out"] == [128, 96]
    assert plan["kept"] == ["audio 1 (aac)"] and plan["converted"][0][1] == "mov_text"
    assert plan["encoder_options"] == {"crf": "17"} and plan["window"] == 5
    text = vsr("upscale", source, tmp_path / "out.mp4", "--dry-run").stdout
    assert "64x48 -> 256x192" in text and "libx264 yuv420p crf=17" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv"]


@pytest.mark.parametrize(
    ("arguments", "frames"),
    [
        ((), 12),
        (("--start", "0.2"), 7),
        (("--end", "0.4"), 10),
        (("--start", "0.2", "--end", "0.4"), 5),
        (("--start", "0.2", "--end", "9"), 7),
        (("--start", "0.2", "--max-frames", "3"), 3),
        (("--start", "0.2", "--max-frames", "30"), 7),
    ],
)
def test_a_plan_counts_the_frames_of_the_part(
    make_clip: MakeClip, tmp_path: Path, arguments: tuple[str, ...], frames: int
) -> None:
    call = ("upscale", make_clip("in.mp4"), tmp_path / "out.mp4", *arguments, "--model", TINY)
    assert json.loads(vsr(*call, "--dry-run", "--json").stdout)["frames"] == frames


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["missing.mp4", "out.mp4"], ExitStatus.INPUT, "missing.mp4 does not exist"),
        (["https://a.example/b%20d.mp4", "out.mp4"], ExitStatus.INPUT, "download it first"),
        (["text.mp4", "out.mp4"], ExitStatus.INPUT, "text.mp4"),
        (["empty.mp4", "out.mp4"], ExitStatus.INPUT, "empty.mp4 is empty"),
        (["clip.mp4", "clip.mp4"], ExitStatus.USAGE, "is the input"),
        (["clip.mp4", "out.xyz"], ExitStatus.USAGE, "out.xyz"),
        (["clip.mp4", "out.mp4", "--rate", "30"], ExitStatus.USAGE, "--rate is for pictures"),
        (["clip.mp4", "out.mp4", "--pix-fmt", "rgb5"], ExitStatus.USAGE, "pixel format rgb5"),
        (["clip.mp4", "."], ExitStatus.OUTPUT, "is a folder"),
        (["clip.mp4", "/"], ExitStatus.OUTPUT, "is a folder"),
        ([".", "out.mkv"], ExitStatus.USAGE, "name a folder"),
        (["clip.mp4", "nowhere/out.mp4"], ExitStatus.OUTPUT, "folder does not exist"),
        (["clip.mp4", "text.mp4"], ExitStatus.OUTPUT, "text.mp4: exists already"),
        (["clip.mp4", "out.webm", "--codec", "libx264"], ExitStatus.USAGE, "cannot hold"),
        (["clip.mp4", "out.mp4", "--codec", "libx265x"], ExitStatus.USAGE, "did you mean libx265"),
        (["clip.mp4", "out.mp4", "-e", "foo"], ExitStatus.USAGE, "KEY=VALUE"),
        (["clip.mp4", "out.mp4", "--size", "10"], ExitStatus.USAGE, "WIDTHxHEIGHT"),
        (["clip.mp4", "out.mp4", "--size", "60x40"], ExitStatus.USAGE, "not an enlargement"),
        (["clip.mp4", "out.mp4", "--device", "tpu"], ExitStatus.USAGE, "not a device"),
        (["clip.mp4", "out.mp4", "--model", "none"], ExitStatus.MODEL, "none"),
        (["clip.mp4", "out.mp4", "--precision", "fp12"], ExitStatus.MODEL, "no fp12 file"),
        (["clip.mp4", "out/%d.png", "--codec", "ffv1"], ExitStatus.USAGE, "sequence of pictures"),
        (["clip.mp4", "o.mp4", "--crf", "20", "-e", "qp=18"], ExitStatus.USAGE, "with -e qp="),
        (["clip.mp4", "o.mp4", "--compare", "clip.mp4"], ExitStatus.USAGE, "kind of picture"),
        (["clip.mp4", "o.mp4", "--compare", "page.png"], ExitStatus.OUTPUT, "exists already"),
        (["page.png", "o.png", "--compare", "page.png"], ExitStatus.USAGE, "is an input"),
        (["page.png", "o.png", "--compare", "o.png"], ExitStatus.USAGE, "is the output"),
        (["clip.mp4", "%d.png", "--compare", "7.png"], ExitStatus.USAGE, "is the output"),
        (["clip.mp4", "seq%d.png"], ExitStatus.OUTPUT, "seq2.png: exists already"),
        (["page.png", "o.mp4", "--rate", "1e300"], ExitStatus.USAGE, "frames a second"),
    ],
)
def test_bad_requests_end_in_one_sentence(
    arguments: list[str],
    status: ExitStatus,
    words: str,
    make_clip: MakeClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_clip(frames=2)
    (tmp_path / "text.mp4").write_text("not a video\n" * 50)
    (tmp_path / "empty.mp4").write_bytes(b"")
    for name in ("page.png", "seq2.png"):
        Image.new("RGB", (32, 24)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = vsr("upscale", *arguments)
    assert (result.exit_code, words in sentence(result)) == (status, True), result.output
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("tile", "words"), [("foo", "'foo' is no tile"), ("10", "not 10")])
def test_an_impossible_tile_is_refused_before_the_work(
    make_clip: MakeClip, tmp_path: Path, tile: str, words: str
) -> None:
    for name in ("out.mp4", "out.png", "-"):
        output = name if name == "-" else tmp_path / name
        call = ("upscale", make_clip(frames=1), output, "--tile", tile)
        for way in (("--dry-run",), ()):
            result = vsr(*call, *way)
            assert (result.exit_code, words in sentence(result)) == (ExitStatus.USAGE, True)


@pytest.mark.parametrize("wrong", [("--preset", "warp"), ("-e", "x264-params=warp=1")])
def test_what_the_encoder_refuses_is_told_by_a_dry_run(
    make_clip: MakeClip, tmp_path: Path, wrong: tuple[str, ...]
) -> None:
    clip = make_clip(frames=1)
    told = {
        sentence(vsr("upscale", clip, tmp_path / "o.mp4", *wrong, *way))
        for way in ((), ("--dry-run",))
    }
    assert len(told) == 1 and "warp" in told.pop()
    folder = vsr("upscale", clip.parent, tmp_path / "o.tar", *wrong, "--dry-run")
    assert folder.exit_code == ExitStatus.USAGE and "warp" in sentence(folder)


@pytest.mark.parametrize(
    ("codec", "option"),
    [
        ("libx264", "pass=1"),
        ("libx264", "flags=+pass1"),
        ("libx264", "flags=+cgop+pass2"),
        ("libx264", "stats=some.log"),
        ("libx264", "passlogfile=some"),
        ("libx264", "x264opts=pass=3"),
        ("libx264", "x264-params=ref=2:pass=1"),
        ("libx264", "x264-params=stats=some.log"),
        ("libx265", "flags=pass1"),
        ("libx265", "x265-params=pass=1:stats=some.log"),
        ("libx265", "x265-stats=some.log"),
        ("libsvtav1", "svtav1-params=pass=1"),
        ("libvpx-vp9", "flags=pass1"),
    ],
)
def test_several_passes_are_refused_and_leave_no_statistics(
    make_clip: MakeClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    codec: str,
    option: str,
) -> None:
    clip = make_clip(frames=1)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    call = ("upscale", clip, tmp_path / "o.mkv", "--model", TINY, "--codec", codec, "-e", option)
    for way in (("--dry-run",), ()):
        result = vsr(*call, *way)
        assert result.exit_code == ExitStatus.USAGE
        assert f"-e {option}: video is encoded in segments, in one pass" in sentence(result)
    assert not list((tmp_path / "here").iterdir())


def test_what_sounds_like_passes_is_passed_on(make_clip: MakeClip, tmp_path: Path) -> None:
    call = ("upscale", make_clip(frames=1), tmp_path / "o.mkv", "--model", TINY, "--dry-run")
    for option in ("flags=-pass1", "flags=+cgop", "x264-params=ref=2", "fastfirstpass=1"):
        assert vsr(*call, "-e", option).exit_code == ExitStatus.SUCCESS


def test_cuda_asked_for_but_absent_is_an_error(make_clip: MakeClip, tmp_path: Path) -> None:
    from vsrcli.networks.session import cuda_obstacle

    if cuda_obstacle(0) is None:
        pytest.skip("CUDA works here")
    result = vsr("upscale", make_clip(frames=1), tmp_path / "out.mp4", "--device", "cuda")
    assert result.exit_code == ExitStatus.DEVICE and "--device cpu" in sentence(result)


def test_says_once_what_it_runs_on(make_clip: MakeClip, tmp_path: Path) -> None:
    result = vsr("upscale", make_clip(frames=1), tmp_path / "out.mp4", "--device", "cpu")
    assert result.stderr.count("on cpu") == 1
    quiet = vsr("upscale", make_clip(frames=1), tmp_path / "out2.mp4", "--quiet")
    assert quiet.output == ""


CAPTIONS = bytes([0xB5, 0, 0x31]) + b"GA94" + bytes([3, 0x41, 0xFF, 0xFC, 0x94, 0x20, 0xFF])
"""ATSC A/53."""
FORMAT = bytes([0xB5, 0, 0x31]) + b"DTG1" + bytes([0x41, 0xFA])
"""ETSI TS 101 154, annex B."""
AMBIENT = bytes([0, 1, 0x86, 0xA0, 0x3D, 0x13, 0x40, 0x42])


def with_message(clip: Path, kind: int, content: bytes) -> Path:
    """CLIP, an elementary stream of H.264, with an SEI message before its first frame."""
    message = b"\0\0\1" + bytes([6, kind, len(content)]) + content + b"\x80"
    stream = clip.read_bytes()
    slice_at = stream.index(b"\0\0\1\x65")
    clip.write_bytes(stream[:slice_at] + message + stream[slice_at:])
    return clip


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        (4, CAPTIONS, "closed captions inside of the pictures"),
        (4, FORMAT, "the active format description"),
        (148, AMBIENT, "the light that the video is to be seen in"),
    ],
)
def test_what_is_lost_with_the_frames_is_told(
    make_clip: MakeClip, tmp_path: Path, kind: int, content: bytes, words: str
) -> None:
    clip = with_message(make_clip("in.h264", frames=3, format="h264"), kind, content)
    call = ("upscale", clip, "--model", TINY, tmp_path / "out.mkv")
    strict = vsr(*call, "--strict")
    assert strict.exit_code == ExitStatus.FAILURE and words in sentence(strict)
    assert vsr(*call).stderr.count(f"{words} cannot be kept") == 1


def test_hdr_that_pictures_cannot_keep_is_told(make_clip: MakeClip, tmp_path: Path) -> None:
    options = {"x265-params": "log-level=none:bframes=0:max-cll=1000,400"}
    clip = make_clip(
        frames=2, codec="libx265", pix_fmt="yuv420p10le", size=(64, 64), options=options
    )
    line = "the HDR mastering and light level metadata cannot be kept"
    for name in ("o.apng", "%d.png"):
        call = ("upscale", clip, "--model", TINY, tmp_path / name)
        planned, made = vsr(*call, "--dry-run"), vsr(*call)
        assert made.exit_code == 0 and "ffv1" not in made.stderr
        assert planned.stderr.count(line) == made.stderr.count(line) == 1
    assert vsr("degrade", clip, tmp_path / "lr_%d.png", "--kind", "bi").stderr.count(line) == 1


def test_what_a_container_does_not_keep_is_told(make_clip: MakeClip, tmp_path: Path) -> None:
    views = {"stereo_mode": "left_right"}
    clip = make_clip("in.mkv", frames=2, video_metadata=views)
    for name, told in (("out.mkv", 0), ("out.mp4", 1)):
        result = vsr("upscale", clip, "--model", TINY, tmp_path / name)
        assert result.stderr.count("did not keep the layout of two views") == told


@pytest.mark.parametrize(
    ("fields", "arguments", "words"),
    [
        ({"pix_fmt": "yuva420p", "codec": "ffv1"}, ("o.mp4",), "cannot keep transparency"),
        ({"pix_fmt": "yuv422p10le", "codec": "ffv1"}, ("o.jpg", "--max-frames", "1"), "10 bits"),
        ({}, ("o.mp4", "--size", "131x99"), "takes no odd sizes"),
        ({"pix_fmt": "yuva420p", "codec": "ffv1"}, ("-",), "y4m holds no transparency"),
        ({"codec": "mpeg2video", "interlaced": True}, ("o.mp4",), "are deinterlaced"),
    ],
)
def test_a_dry_run_tells_what_the_run_does(
    make_clip: MakeClip,
    tmp_path: Path,
    fields: dict[str, object],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    name, *more = arguments
    output = name if name == "-" else tmp_path / name
    call = ("upscale", make_clip("in.mkv", frames=2, **fields), output, *more, "--model", TINY)
    for way in (("--dry-run",), ()):
        told = vsr(*call, *way)
        assert told.exit_code == 0 and told.stderr.count(words) == 1
        refused = vsr(*call, *way, "--strict", "--overwrite")
        assert refused.exit_code == ExitStatus.FAILURE and words in sentence(refused)
        assert "leave out --strict" in sentence(refused)


def test_interlaced_video_is_refused_before_the_work(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mkv", codec="mpeg2video", interlaced=True)
    refused = vsr("upscale", source, tmp_path / "o.mp4", "--keep-interlaced", "--dry-run")
    assert refused.exit_code == ExitStatus.INPUT and "in.mkv is interlaced" in sentence(refused)


def test_pictures_become_a_video_that_is_widely_shown(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(2):
        photo(tmp_path / "in" / f"{number}.png", 24, 16, number)
    call = ("upscale", tmp_path / "in", tmp_path / "out.mp4", "--model", TINY, "--scale", "2")
    told = vsr(*call, "--overwrite")
    assert probe(tmp_path / "out.mp4").pix_fmt == "gbrp" and "is shown by few" in told.stderr
    asked = vsr(*call, "--pix-fmt", "yuv420p", "--overwrite", "--strict")
    found = probe(tmp_path / "out.mp4")
    assert asked.exit_code == 0 and (found.pix_fmt, found.tags.matrix) == ("yuv420p", 1)


def test_a_codings_name_means_its_usual_encoder(make_clip: MakeClip, tmp_path: Path) -> None:
    call = ("upscale", make_clip(), tmp_path / "o.mp4", "--dry-run", "--json", "--codec")
    plans = [json.loads(vsr(*call, name).stdout) for name in ("hevc", "libx265", "h264")]
    assert [plan["codec"] for plan in plans] == ["libx265", "libx265", "libx264"]
    assert [plan["encoder_options"] for plan in plans] == [{"crf": n} for n in ("20", "20", "17")]


def test_limited_range_that_is_not_said_is_no_loss(make_clip: MakeClip, tmp_path: Path) -> None:
    tags = ColourTags(range=1)
    source = make_clip("in.webm", codec="libvpx-vp9", frames=2, tags=tags)
    assert probe(source).tags.range == 1
    call = ("upscale", source, tmp_path / "o.mp4", "--codec", "libvpx-vp9", "--model", TINY)
    assert vsr(*call, "--strict").exit_code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_an_output_that_is_a_link_stays_one(make_clip: MakeClip, tmp_path: Path) -> None:
    source, page = make_clip(frames=1), tmp_path / "page.png"
    (tmp_path / "far").mkdir()
    for name in ("out.mp4", "page.png", "out.gif"):
        (tmp_path / name).symlink_to(tmp_path / "far" / name)
    call = ("upscale", source, "--model", TINY, "--scale", "2")
    assert vsr(*call, tmp_path / "out.mp4", "--compare", page).exit_code == 0
    assert vsr(*call, tmp_path / "out.gif").exit_code == 0
    assert all((tmp_path / name).is_symlink() for name in ("out.mp4", "page.png", "out.gif"))
    made = sorted(path.name for path in (tmp_path / "far").iterdir())
    assert made == ["out.gif", "out.mp4", "page.png"]
    assert probe(tmp_path / "far" / "out.mp4").width == 128
    again = vsr(*call, tmp_path / "out.mp4")
    assert again.exit_code == ExitStatus.OUTPUT and "exists already" in sentence(again)
    (tmp_path / "back.mp4").symlink_to(source)
    itself = vsr(*call, tmp_path / "back.mp4", "--overwrite")
    assert itself.exit_code == ExitStatus.USAGE and "is the input" in sentence(itself)


def test_comparison_picture(make_clip: MakeClip, tmp_path: Path) -> None:
    picture = tmp_path / "compare.png"
    result = vsr("upscale", make_clip(frames=3), tmp_path / "out.mp4", "--compare", picture)
    assert result.exit_code == ExitStatus.SUCCESS, result.output
    with Image.open(picture) as image:
        # Both pictures of 256x192 beside each other, and a row of details below.
        assert image.width >= 2 * 256 + 8 and image.height > 192 + 8


def test_folder_of_videos_into_a_tar(make_clip: MakeClip, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    for name in ("b.mp4", "a.mp4"):
        make_clip(f"clips/{name}", frames=2)
    result = vsr("upscale", tmp_path / "clips", tmp_path / "out.tar", "--json")
    assert result.exit_code == ExitStatus.SUCCESS, result.output
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert tar.getnames() == ["a.mp4", "b.mp4"]
    assert json.loads(result.stdout)["total"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "out.tar"]


def test_a_tar_is_made_of_one_kind_of_results(make_clip: MakeClip, tmp_path: Path) -> None:
    """Those that wait for a failed one are of its options, and of inputs as they are now."""
    (tmp_path / "clips").mkdir()
    good, bad = make_clip("clips/a.mp4", frames=2), tmp_path / "clips" / "b.mp4"
    bad.write_text("no video")
    call = ("upscale", tmp_path / "clips", tmp_path / "out.tar", "--model", TINY)
    assert vsr(*call, "--scale", "2").exit_code == ExitStatus.FAILURE
    bad.write_bytes(good.read_bytes())
    other = vsr(*call, "--scale", "3")
    assert other.exit_code == ExitStatus.USAGE and "--scale 2.0, now 3.0" in sentence(other)
    make_clip("clips/a.mp4", frames=3)  # another clip: what was made of the first is none of its
    how = ("--threads", "1", "--workers", "2", "--strict", "--overwrite")  # makes no other result
    done = vsr(*call, "--scale", "2", *how, "--json")
    assert done.exit_code == ExitStatus.SUCCESS, done.output
    assert "damaged" not in done.stderr
    assert [each["frames"] for each in json.loads(done.stdout)["done"]] == [3, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "out.tar"]


def test_a_result_damaged_while_it_waits_for_the_tar_is_made_again(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    good, bad = make_clip("clips/a.mp4", frames=2), tmp_path / "clips" / "b.mp4"
    bad.write_text("no video")
    call = ("upscale", tmp_path / "clips", tmp_path / "out.tar", "--model", TINY, "--scale", "2")
    assert vsr(*call).exit_code == ExitStatus.FAILURE
    waiting = tmp_path / "out.tar.vsr" / "a.mp4"
    whole, status = waiting.read_bytes(), waiting.stat()
    waiting.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(waiting, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert len(json.loads(vsr(*call, "--dry-run", "--json").stdout)) == 1
    bad.write_bytes(good.read_bytes())
    done = vsr(*call)
    assert done.exit_code == ExitStatus.SUCCESS, done.output
    assert f"{waiting}: is damaged, and is made again" in done.stderr
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert [tar.extractfile(name).read() for name in tar.getnames()] == [whole, whole]  # type: ignore[union-attr]


def test_what_a_killed_job_left_beside_its_output_goes_with_the_folder(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed when the output had its name already, which a folder's next run passes over."""
    make_clip("clips/a.mp4", frames=2)
    call = ("upscale", tmp_path / "clips", tmp_path / "out", "--model", TINY, "--scale", "2")
    monkeypatch.setattr(JobFolder, "remove", lambda self: None)
    assert vsr(*call).exit_code == ExitStatus.SUCCESS
    monkeypatch.undo()
    left = tmp_path / "out" / "a.mp4.vsr"
    assert list(left.glob("segment_*"))
    assert "1 was there before" in vsr(*call).stderr and not left.exists()


def test_a_tar_job_killed_when_the_tar_had_its_name_clears_up(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.mp4", "b.mp4"):
        make_clip(f"clips/{name}", frames=2)
    output, left = tmp_path / "out.tar", tmp_path / "out.tar.vsr"
    call = ("upscale", tmp_path / "clips", output, "--model", TINY, "--scale", "2")
    monkeypatch.setattr(JobFolder, "remove", lambda self: None)
    assert vsr(*call).exit_code == ExitStatus.SUCCESS
    monkeypatch.undo()
    whole = output.read_bytes()
    (left / "b.mp4").unlink(missing_ok=True)  # had gone before the end
    assert vsr(*call, "--dry-run").exit_code == ExitStatus.SUCCESS
    done = vsr(*call)
    assert done.exit_code == ExitStatus.SUCCESS, done.output
    assert output.read_bytes() == whole and not left.exists()
    assert "exists already" in vsr(*call).stderr


@pytest.mark.parametrize(
    "name", ["out.tar.gz", "out.TGZ", "out.zip", "%04d.png", "out.wmv", "out.mp4"]
)
def test_a_folder_of_videos_makes_no_folder_that_is_called_as_a_file(
    make_clip: MakeClip, tmp_path: Path, name: str
) -> None:
    make_clip("clips/a.mp4", frames=1)
    result = vsr("upscale", tmp_path / "clips", tmp_path / name, "--model", TINY)
    assert result.exit_code == ExitStatus.USAGE and "name a folder or a .tar" in sentence(result)
    assert [path.name for path in tmp_path.iterdir()] == ["clips"]
    (tmp_path / name).mkdir()
    assert vsr("upscale", tmp_path / "clips", tmp_path / name, "--model", TINY).exit_code == 0
    assert vsr("upscale", tmp_path / "clips", tmp_path / "o.TAR", "--model", TINY).exit_code == 0
    assert tarfile.is_tarfile(tmp_path / "o.TAR")


@pytest.mark.parametrize("way", [(), ("--dry-run",)])
def test_a_model_that_is_missing_is_told_once_of_a_folder(
    make_clip: MakeClip, tmp_path: Path, way: tuple[str, ...]
) -> None:
    for name in ("a.mp4", "b.mp4"):
        make_clip(f"clips/{name}", frames=1)
    result = vsr("upscale", tmp_path / "clips", tmp_path / "out", "--model", "nope", *way)
    assert result.exit_code == ExitStatus.MODEL and "no model 'nope'" in sentence(result)
    assert result.stderr.count("nope") == 1 and not (tmp_path / "out").exists()


@pytest.mark.parametrize("way", [(), ("--dry-run",)])
@pytest.mark.parametrize("output", ["out", "out.tar"])
def test_of_a_folder_the_device_is_told_once_and_the_rest_by_file(
    make_clip: MakeClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: tuple[str, ...],
    output: str,
) -> None:
    monkeypatch.setattr(session, "cuda_obstacle", lambda index: "it is on fire")
    for name in ("a.mp4", "b.mp4"):
        make_clip(f"clips/{name}", frames=1, pix_fmt="yuv420p10le")
    asked = (tmp_path / "clips", tmp_path / output, "--frames", "1", *way)
    result = vsr("upscale", *asked, "-e", "profile=high")
    assert result.stderr.count("it is on fire") == 1
    assert "vsr: a.mp4: libx264: refuses profile=high" in result.stderr
    assert "vsr: b.mp4: libx264: refuses profile=high" in result.stderr
    quiet = vsr("upscale", *asked, "-e", "profile=high", "--quiet")
    assert "vsr: error: a.mp4: libx264: refuses profile=high" in quiet.stderr
    assert vsr("upscale", *asked, "--restart").exit_code == ExitStatus.SUCCESS


def test_a_tar_is_begun_anew(make_clip: MakeClip, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    make_clip("clips/a.mp4", frames=2)
    (tmp_path / "clips" / "b.mp4").write_text("no video")
    call = ("upscale", tmp_path / "clips", tmp_path / "out.tar", "--model", TINY)
    vsr(*call, "--scale", "2")
    failed = vsr(*call, "--scale", "2")
    assert failed.exit_code == ExitStatus.FAILURE and "0 of 2 files done" in failed.stderr
    assert ", 1 was there before" in failed.stderr and "until all succeed" in sentence(failed)
    (tmp_path / "out.tar.vsr" / "plan.json").write_text("{")
    forgotten = vsr(*call, "--scale", "2")
    assert "1 of 2 files done" in forgotten.stderr and "so the job begins anew" in forgotten.stderr
    (tmp_path / "clips" / "b.mp4").unlink()
    found = json.loads(vsr(*call, "--scale", "3", "--restart", "--json").stdout)
    assert [each["size"] for each in found["done"]] == [[192, 144]]


def test_videos_of_a_kind_that_is_not_written_become_matroska(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    (tmp_path / "clips").mkdir()
    make_clip("clips/old.mpg", codec="mpeg2video", format="mpeg", frames=2)
    make_clip("clips/NEW.MP4", frames=1)
    tiny = ("--model", TINY, "--scale", "2")
    result = vsr("upscale", tmp_path / "clips", tmp_path / "out", *tiny)
    assert result.exit_code == ExitStatus.SUCCESS, result.output
    assert probe(tmp_path / "out" / "old.mkv").width == 128
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["NEW.MP4", "old.mkv"]
    make_clip("clips/old.mkv", frames=2)
    same = vsr("upscale", tmp_path / "clips", tmp_path / "out", *tiny)
    assert same.exit_code == ExitStatus.USAGE and "called the same" in sentence(same)
    pipe = vsr("upscale", tmp_path / "clips", "-", *tiny)
    assert pipe.exit_code == ExitStatus.USAGE and "name a folder" in sentence(pipe)


def test_a_damaged_picture_does_not_stop_a_folder(tmp_path: Path) -> None:
    for number in range(3):
        photo(tmp_path / "in" / f"{number}.png", 32, 24)
    damaged = tmp_path / "in" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    result = vsr("upscale", tmp_path / "in", tmp_path / "out", "--model", TINY)
    assert result.exit_code == ExitStatus.DAMAGED, result.output
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_names_are_printed_as_they_are(make_clip: MakeClip, tmp_path: Path) -> None:
    folder = tmp_path / f"[grp] {'long ' * 25}["
    folder.mkdir()
    source = make_clip("in.mkv", frames=1).rename(folder / "b] :smile:.mkv")
    result = vsr("upscale", source, tmp_path / "o.mkv", "--dry-run")
    assert str(source) in result.stdout


@pytest.mark.parametrize(
    ("encoding", "errors"), [("ascii", "strict"), ("utf-8", "surrogateescape")]
)
def test_json_of_a_name_that_stdout_cannot_write(
    monkeypatch: pytest.MonkeyPatch, encoding: str, errors: str
) -> None:
    from vsrcli.console import print_json

    written = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors)
    monkeypatch.setattr(sys, "stdout", written)
    print_json({"output": "caf\u00e9 \udce9.mkv"})
    written.flush()
    assert json.loads(written.buffer.getvalue()) == {"output": "caf\u00e9 \udce9.mkv"}


def test_an_explicit_crf_is_kept_beside_a_bit_rate(make_clip: MakeClip, tmp_path: Path) -> None:
    call = ("upscale", make_clip(frames=1), tmp_path / "o.webm", "--dry-run", "--json")
    for rate in ("0", "2M"):
        plan = json.loads(vsr(*call, "--crf", "30", "-e", f"b={rate}").stdout)
        assert plan["encoder_options"] == {"b": rate, "crf": "30"}
    assert json.loads(vsr(*call, "-e", "b=2M").stdout)["encoder_options"] == {"b": "2M"}


def test_a_bad_video_of_a_folder_does_not_stop_the_others(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    (tmp_path / "clips").mkdir()
    make_clip("clips/good.mp4", frames=2)
    (tmp_path / "clips" / "bad.mp4").write_text("no video")
    result = vsr("upscale", tmp_path / "clips", tmp_path / "out", "--scale", "2")
    assert result.exit_code == ExitStatus.FAILURE
    assert "1 of 2 files failed" in sentence(result)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.mp4"]
    again = vsr("upscale", tmp_path / "clips", tmp_path / "out", "--scale", "2", "--json")
    assert json.loads(again.stdout)["skipped"] == [str(tmp_path / "out" / "good.mp4")]


def test_nothing_of_a_folder_is_passed_over_in_silence(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("clips/good.mp4", frames=1)
    clips = tmp_path / "clips"
    (clips / "gone.mkv").symlink_to("nowhere.mkv")
    for name in ("1.srt", "2.nfo", "3.jpg", "4.txt", ".hidden"):
        (clips / name).write_text("something else")
    (clips / "deeper.mp4").mkdir()
    for way in ((), ("--dry-run",)):
        result = vsr("upscale", clips, tmp_path / "out", "--model", TINY, *way)
        assert result.exit_code == ExitStatus.FAILURE and "1 of 2 files" in sentence(result)
        assert f"{clips}: left out, as no videos: 1.srt, 2.nfo, 3.jpg and 1 more" in result.stderr
        assert "gone.mkv is a link to nowhere.mkv, which does not exist" in result.stderr


@pytest.mark.parametrize("output", ["out", "out.mkv", "out/%d.png", "out.gif", "-"])
def test_nothing_beside_pictures_is_passed_over_in_silence(tmp_path: Path, output: str) -> None:
    frames = tmp_path / "frames"
    for number in (1, 2):
        photo(frames / f"{number}.png", 32, 24)
    for name in ("3.heic", "4.avif", "5.cr2", "6.txt", ".hidden"):
        (frames / name).write_text("something else")
    (frames / "deeper").mkdir()
    told = f"vsr: {frames}: left out, as no pictures: 3.heic, 4.avif, 5.cr2 and 1 more"
    goal = "-" if output == "-" else tmp_path / output
    for way in (("--dry-run",), ()):
        result = vsr("upscale", frames, goal, "--model", TINY, *way)
        assert result.exit_code == ExitStatus.SUCCESS
        assert result.stderr.splitlines().count(told) == 1
    single = vsr("upscale", frames / "%d.png", tmp_path / "o.mkv", "--model", TINY)
    assert single.exit_code == ExitStatus.SUCCESS and "left out" not in single.stderr


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("--codec", "libx265x"), "did you mean libx265"),
        (("--codec", "ljpeg"), "cannot hold ljpeg"),
        (("--crf", "77"), "libx264 takes 0"),
        (("--crf", "3", "-e", "qp=2"), "with -e qp="),
        (("--codec", "libsvtav1", "--crf", "99"), "for any video (Value 99"),
        (("--codec", "ffv1", "--crf", "3"), "ffv1: has no option crf"),
        (("--preset", "warp"), "refuses crf=17 preset=warp for any video"),
        (("-e", "profile=warp"), "for any video (Error setting profile warp)"),
        (("--codec", "libx265", "-e", "profile=warp"), "profile set: warp"),
        (("-e", "nonsense=1"), "has no option nonsense"),
        (("-e", "x264-params=warp=1"), "does not take all of -e x264-params"),
        (("--codec", "mpeg4", "-e", "q=x"), "q=x is no number"),
    ],
)
def test_a_wrong_command_line_ends_a_folder_at_once(
    make_clip: MakeClip, tmp_path: Path, wrong: tuple[str, ...], words: str
) -> None:
    clips = [make_clip(f"in/{name}", frames=1) for name in ("a.mkv", "b.mkv")]
    for output in ("out", "out.tar"):
        for way in ((), ("--dry-run",)):
            call = ("upscale", clips[0].parent, tmp_path / output, "--model", TINY)
            result = vsr(*call, *wrong, *way)
            assert result.exit_code == ExitStatus.USAGE and words in sentence(result)
            assert result.stderr.count(words) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("kind", ["pictures", "GIFs"])
def test_options_of_encoders_end_a_folder_without_videos_at_once(
    make_clip: MakeClip, tmp_path: Path, kind: str
) -> None:
    for number in (1, 2):
        if kind == "GIFs":
            make_clip(f"in/{number}.gif", frames=2, codec="gif", pix_fmt="rgb8")
        else:
            photo(tmp_path / "in" / f"{number}.png", 16 * number, 12)
    call = ("upscale", tmp_path / "in", tmp_path / "out", "--model", TINY, "--crf", "18")
    result = vsr(*call)
    assert result.exit_code == ExitStatus.USAGE and "--crf is for video files" in sentence(result)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [("--preset", "fast"), ("--codec", "ffv1"), ("--workers", "2")])
def test_options_for_videos_are_refused_before_pictures_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: tuple[str, ...]
) -> None:
    for number in (1, 2):
        photo(tmp_path / "in" / f"{number}.png", 16 * number, 12)
    monkeypatch.setattr("vsrcli.media.picture_files.probe", None)
    result = vsr("upscale", tmp_path / "in", tmp_path / "out", *wrong)
    assert result.exit_code == ExitStatus.USAGE
    assert f"{wrong[0]} is for video files" in sentence(result)


def test_looking_at_many_pictures_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        photo(tmp_path / "in" / f"{number}.png", 16 + number, 12)
    call = ("upscale", tmp_path / "in", tmp_path / "out", "--model", TINY, "--dry-run")
    assert "looked at" not in vsr(*call).stderr
    seconds = count()
    clock = SimpleNamespace(monotonic=lambda: next(seconds))
    monkeypatch.setattr("vsrcli.media.picture_files.time", clock)
    lines = [line for line in vsr(*call).stderr.splitlines() if "looked at" in line]
    assert [line.split(": ")[-1] for line in lines[:2]] == [
        f"looked at {done} of 9 pictures so far" for done in (3, 7)
    ]


@pytest.mark.parametrize(
    ("odd", "options"),
    [
        ({"size": (16, 12)}, ("--codec", "libx265", "--scale", "2")),  # too small a picture
        ({"pix_fmt": "yuv420p10le"}, ("-e", "profile=high")),  # too deep
        ({"pix_fmt": "yuv444p"}, ("--codec", "libvpx-vp9", "-e", "profile=0")),
        ({"size": (32, 24)}, ("--codec", "libx265", "-e", "x265-params=level-idc=1")),
    ],
)
def test_what_is_wrong_with_one_video_does_not_end_its_folder(
    make_clip: MakeClip, tmp_path: Path, odd: dict[str, object], options: tuple[str, ...]
) -> None:
    """In the last case it is the other that is too large, for a level that the small one keeps."""
    make_clip("in/odd.mkv", frames=1, codec="ffv1", **odd)
    call = ("upscale", tmp_path / "in", tmp_path / "out", "--model", TINY, *options)
    make_clip("in/usual.mkv", frames=1)
    result = vsr(*call)
    assert result.exit_code == ExitStatus.FAILURE and "1 of 2 files failed" in sentence(result)
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_an_option_that_some_files_take_does_not_end_a_folder(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    for name, codec in (("a.mkv", "libx264"), ("b.webm", "libvpx-vp9")):
        make_clip(f"in/{name}", frames=1, codec=codec)
    call = ("upscale", tmp_path / "in", tmp_path / "out", "--model", TINY)
    result = vsr(*call, "--preset", "fast")
    assert result.exit_code == ExitStatus.FAILURE and "has no option preset" in result.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mkv"]


@pytest.mark.parametrize("kind", ["videos", "pictures"])
def test_results_do_not_lie_among_the_inputs(
    make_clip: MakeClip, tmp_path: Path, kind: str
) -> None:
    if kind == "videos":
        make_clip("in/a.mp4", frames=1)
    else:
        for number in (1, 2):
            photo(tmp_path / "in" / f"{number}.png", 16 * number, 12)
    (tmp_path / "link").symlink_to("in")
    before = {path: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    for output in ("in", "link"):
        for way in ((), ("--overwrite",), ("--dry-run",)):
            result = vsr("upscale", tmp_path / "in", tmp_path / output, "--model", TINY, *way)
            assert result.exit_code == ExitStatus.USAGE
            assert "is the folder of the inputs" in sentence(result)
    assert before == {path: path.read_bytes() for path in (tmp_path / "in").iterdir()}


def test_a_picture_that_is_a_link_to_nowhere_is_missed(tmp_path: Path) -> None:
    for number in range(3):
        photo(tmp_path / "in" / f"{number}.png", 32, 24)
    (tmp_path / "in" / "1.png").unlink()
    (tmp_path / "in" / "1.png").symlink_to("nowhere.png")
    for name, size in (("out", 3), ("out.mkv", None)):
        result = vsr("upscale", tmp_path / "in", tmp_path / name, "--model", TINY)
        assert result.exit_code == ExitStatus.DAMAGED, result.output
        assert "1 damaged frame was replaced" in result.stderr
        assert size is None or len(list((tmp_path / name).iterdir())) == size
    (tmp_path / "in" / "0.png").unlink()
    (tmp_path / "in" / "0.png").symlink_to("nowhere.png")
    result = vsr("upscale", tmp_path / "in", tmp_path / "first.mkv", "--model", TINY)
    assert result.exit_code == ExitStatus.INPUT
    assert "0.png is a link to nowhere.png, which does not exist" in sentence(result)


def test_a_dry_run_of_a_folder_says_what_the_run_does(make_clip: MakeClip, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        make_clip(f"clips/{name}", frames=2)
    (tmp_path / "clips" / "c.gif").write_text("no video")
    tiny = ("--model", TINY, "--scale", "2")
    for output, waiting in (("out/new", "out/new"), ("out.tar", "out.tar.vsr")):
        call = ("upscale", tmp_path / "clips", tmp_path / output, *tiny)
        before = sorted(tmp_path.rglob("*"))
        plan = vsr(*call, "--dry-run", "--json")
        assert plan.exit_code == ExitStatus.FAILURE and "c.gif" in plan.stderr
        assert "1 of 3 files would fail" in sentence(plan)
        planned = [Path(each["output"]) for each in json.loads(plan.stdout)]
        assert planned == [tmp_path / waiting / name for name in ("a.mp4", "b.mp4")]
        assert sorted(tmp_path.rglob("*")) == before
        assert "1 of 3 files failed" in sentence(vsr(*call))
        (tmp_path / waiting / "b.mp4").unlink()
        again = vsr(*call, "--dry-run")
        assert again.stdout.count(" -> ") == 2 and "b.mp4" in again.stdout
        assert f"{tmp_path / waiting / 'a.mp4'}: exists already, skipped" in again.stderr
        anew = {"out.tar": "--restart"}.get(output, "--overwrite")
        assert len(json.loads(vsr(*call, "--dry-run", "--json", anew).stdout)) == 2
    other = vsr(*call, "--dry-run", "--scale", "3")
    assert other.exit_code == ExitStatus.USAGE and "--scale 2.0, now 3.0" in sentence(other)


def test_a_dry_run_of_a_folder_checks_where_the_output_goes(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    make_clip("clips/a.mp4", frames=1)
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "old.tar").write_text("in the way")
    (tmp_path / "folder.tar").mkdir()
    for output, words in (
        ("file", "cannot be made"),
        ("file/below", "cannot be made"),
        ("old.tar", "exists already"),
        ("none/new.tar", "folder does not exist"),
        ("folder.tar", "is a folder"),
    ):
        for way in ((), ("--dry-run",)):
            result = vsr("upscale", tmp_path / "clips", tmp_path / output, "--model", TINY, *way)
            assert (result.exit_code, words in sentence(result)) == (ExitStatus.OUTPUT, True)


def test_what_another_kind_of_picture_has_no_room_for_is_told_before_the_work(
    tmp_path: Path,
) -> None:
    words = PngImagePlugin.PngInfo()
    words.add_text("Title", "A wall")
    Image.new("RGB", (32, 24), "teal").save(tmp_path / "in.png", pnginfo=words)
    line = "in.png: only a PNG keeps the texts of a PNG"
    for name, status in (("o.jpg", ExitStatus.FAILURE), ("o.png", ExitStatus.SUCCESS)):
        call = ("upscale", tmp_path / "in.png", tmp_path / name, "--model", TINY, "--dry-run")
        dry, strict = vsr(*call), vsr(*call, "--strict")
        assert dry.exit_code == ExitStatus.SUCCESS and strict.exit_code == status
        assert (line in dry.stderr) == (line in strict.stderr) == (name == "o.jpg")
    made = vsr("upscale", tmp_path / "in.png", tmp_path / "o.jpg", "--model", TINY)
    assert made.stderr.count(line) == 1


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="there is a device")
def test_a_hardware_encoder_that_does_not_open_is_told_once(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    for name in "ab":
        make_clip(f"clips/{name}.mp4", frames=1)
    for way in ((), ("--dry-run",)):
        call = ("upscale", tmp_path / "clips", tmp_path / "out", "--model", TINY)
        result = vsr(*call, "--codec", "h264_nvenc", *way)
        assert result.exit_code == ExitStatus.DEVICE
        assert result.stderr.count("h264_nvenc: does not open on this machine") == 1
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    for name in "ab":
        (tmp_path / "out" / f"{name}.mp4").write_bytes(b"made where there is a device")
    again = vsr(*call, "--codec", "h264_nvenc")
    assert again.exit_code == ExitStatus.SUCCESS and again.stderr.count("skipped") == 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes")
def test_pictures_are_not_written_where_there_is_no_place_for_a_file(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    """A folder called as the picture took it in, and the wrong path was told, in status 0."""
    clip = make_clip("clip.mp4", frames=2)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "n1.png").write_bytes(b"a picture")
    os.mkfifo(tmp_path / "n2.png")
    for output, words in (("folder.png", "is a folder"), ("n%d.png", "n2.png: is no file")):
        call = ("upscale", clip, tmp_path / output, "--model", TINY, "--max-frames")
        for way in ((), ("--dry-run",)):
            made = vsr(*call, "1" if output == "folder.png" else "2", "--overwrite", *way)
            assert (made.exit_code, words in sentence(made)) == (ExitStatus.OUTPUT, True)
    assert not list((tmp_path / "folder.png").iterdir())
    assert (tmp_path / "n1.png").read_bytes() == b"a picture"


def photo(path: Path, width: int, height: int, seed: int = 0) -> Path:
    """A picture of smooth noise."""
    path.parent.mkdir(exist_ok=True)
    size = height // 4, width // 4, 3
    samples = np.random.default_rng(seed).integers(60, 200, size, np.uint8)
    Image.fromarray(samples).resize((width, height)).save(path)
    return path


@pytest.mark.parametrize("kind", [".png", ".mkv"])
def test_the_files_of_a_folder_share_the_network(
    kind: str, make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each becomes what it becomes alone, one that fails amid them or not."""
    (tmp_path / "in").mkdir()
    for number, size in enumerate([(32, 24), (40, 24), (24, 16)]):
        if kind == ".png":
            photo(tmp_path / "in" / f"{number}.png", *size)
        else:
            made = make_clip(f"{number}.mkv", size=size, frames=3, codec="ffv1")
            made.rename(tmp_path / "in" / f"{number}.mkv")
    opened: list[bytes] = []
    create, run = session._create, session.Session._run

    def counted(model: bytes, *rest: Any, **more: Any) -> Any:
        opened.append(model)
        return create(model, *rest, **more)

    def failing(self: session.Session, inputs: Any, stay: Any) -> Any:
        if "fusion" in self.path.name and inputs["reference"].shape()[-1] == 40:
            raise RuntimeError("broken")
        return run(self, inputs, stay)

    call = ("upscale", tmp_path / "in", tmp_path / "out", "--model", TINY, "--overwrite")
    monkeypatch.setattr(session, "_create", counted)
    assert vsr(*call).exit_code == ExitStatus.SUCCESS
    assert len(opened) == 6 == len(set(opened))
    whole = [path.read_bytes() for path in sorted((tmp_path / "out").iterdir())]
    for number, content in enumerate(whole):
        alone = tmp_path / f"{number}{kind}"
        vsr("upscale", tmp_path / "in" / alone.name, alone, "--model", TINY)
        assert alone.read_bytes() == content
    with monkeypatch.context() as patch:
        patch.setattr(session.Session, "_run", failing)
        opened.clear()
        assert vsr(*call).exit_code == ExitStatus.FAILURE
    assert len(opened) == 7  # fusion, which failed, once more
    assert (tmp_path / "out" / f"2{kind}").read_bytes() == whole[2]


def test_a_folder_of_pictures_into_a_folder(tmp_path: Path) -> None:
    """Of one size they are frames of a video, and keep their names."""
    for number in range(3):
        photo(tmp_path / "in" / f"shot {number}.png", 32, 24)
    tiny = ("--model", TINY, "--frames", "3")
    result = vsr("upscale", tmp_path / "in", tmp_path / "out", *tiny, "--json")
    assert result.exit_code == ExitStatus.SUCCESS, result.output
    assert json.loads(result.stdout)["frames"] == 3
    made = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in made] == ["shot 0.png", "shot 1.png", "shot 2.png"]
    vsr("upscale", tmp_path / "in", tmp_path / "n%d.png", *tiny)
    for number, path in enumerate(made, 1):
        assert path.read_bytes() == (tmp_path / f"n{number}.png").read_bytes()
    again = vsr("upscale", tmp_path / "in", tmp_path / "out", *tiny)
    assert again.exit_code == ExitStatus.OUTPUT and "shot 0.png: exists already" in sentence(again)
    for start, names in (("0.04", ["shot 1.png"]), ("0", ["shot 0.png", "shot 1.png"])):
        part = ("--start", start, "--max-frames", "1")
        vsr("upscale", tmp_path / "in", tmp_path / "part", *tiny, *part)
        assert sorted(path.name for path in (tmp_path / "part").iterdir()) == names
    assert vsr("upscale", tmp_path / "in", tmp_path / "part", *tiny, *part).exit_code == 4
    photo(tmp_path / "out" / "other.png", 32, 24)
    page = ("--overwrite", "--compare", tmp_path / "page.png")
    refused = vsr("upscale", tmp_path / "in", tmp_path / "out", *tiny, *page)
    assert refused.exit_code == ExitStatus.USAGE and "holds other files" in sentence(refused)


def test_numbers_that_are_missing_are_told(tmp_path: Path) -> None:
    for number in (7, 8, 10):
        photo(tmp_path / "in" / f"{number:03d}.png", 24, 16, number)
    call = ("upscale", tmp_path / "in" / "%03d.png", tmp_path / "out" / "%04d.png")
    told = vsr(*call, "--model", TINY, "--scale", "2", "--start", "0.04")
    assert told.exit_code == 0 and "number 9 is missing" in told.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0008.png", "0010.png"]


def test_pictures_of_several_sizes_are_enlarged_one_by_one(tmp_path: Path) -> None:
    photo(tmp_path / "in" / "a.jpg", 32, 24)
    photo(tmp_path / "in" / "b.png", 40, 24)
    tiny = ("--model", TINY, "--scale", "2")
    plans = vsr("upscale", tmp_path / "in", tmp_path / "out", *tiny, "--dry-run", "--json")
    assert [plan["size_out"] for plan in json.loads(plans.stdout)] == [[64, 48], [80, 48]]
    result = vsr("upscale", tmp_path / "in", tmp_path / "out", *tiny, "--json")
    assert result.exit_code == ExitStatus.SUCCESS, result.output
    sizes = {path.name: Image.open(path).size for path in (tmp_path / "out").iterdir()}
    assert sizes == {"a.jpg": (64, 48), "b.png": (80, 48)}


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("L", "RGB", False),
        ("RGB", "RGBA", False),
        ("RGB", "I;16", False),
        ("RGBA", "RGB", True),
        ("RGB", "L", True),
        ("P", "RGB", True),
    ],
)
def test_pictures_of_several_modes_keep_what_they_have(
    tmp_path: Path, first: str, second: str, alike: bool
) -> None:
    """Frames of one video are brought to the form of the first, which must have room for them."""
    (tmp_path / "in").mkdir()
    colour = Image.new("RGBA", (32, 24), (250, 30, 90, 128))
    deep = Image.fromarray(np.full((24, 32), 0x1234, np.uint16))
    for name, mode in (("a", first), ("b", second)):
        picture = deep if mode == "I;16" else colour.convert(mode)
        picture.save(tmp_path / "in" / f"{name}.png")
    result = vsr("upscale", tmp_path / "in", tmp_path / "out", "--model", TINY, "--scale", "2")
    assert result.exit_code == ExitStatus.SUCCESS
    assert ("is brought to the first form" in result.stderr) == alike
    before, made = (Image.open(tmp_path / name / "b.png") for name in ("in", "out"))
    assert (made.mode == "I;16") == (second == "I;16")
    levels = (np.asarray(each.convert("RGBA")) for each in (before, made))
    assert np.allclose(*(each[9, 9] for each in levels), atol=3)


def test_pictures_are_degraded_into_a_folder(tmp_path: Path) -> None:
    for number in range(2):
        photo(tmp_path / "hr" / f"{number}.jpg", 64, 48)
    result = vsr("degrade", tmp_path / "hr", tmp_path / "lr", "--kind", "bi", "--json")
    assert result.exit_code == ExitStatus.SUCCESS, result.output
    assert sorted(path.name for path in (tmp_path / "lr").iterdir()) == ["0.png", "1.png"]
    assert json.loads(result.stdout)["size"] == [16, 12]


@pytest.mark.parametrize(
    ("name", "words"),
    [("out.mkv", "goes on from what is finished"), ("%d.png", "nothing was kept")],
)
def test_an_interrupted_job_says_whether_it_goes_on(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FrameEnlarger, "advance", interrupt)
    result = vsr("upscale", make_clip(frames=3), tmp_path / name, "--model", TINY)
    assert result.exit_code == ExitStatus.INTERRUPTED and words in sentence(result)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".mp4"] == []


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("out", (), "goes on from what is finished"),
        ("out", ("--overwrite",), "the files that are finished are kept"),
        ("out.tar", ("--overwrite",), "goes on from what is finished"),
    ],
)
def test_an_interrupted_folder_says_whether_it_goes_on(
    make_clip: MakeClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    more: tuple[str, ...],
    words: str,
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    make_clip("clips/a.mp4", frames=1)
    monkeypatch.setattr(FrameEnlarger, "advance", interrupt)
    result = vsr("upscale", tmp_path / "clips", tmp_path / name, "--model", TINY, *more)
    assert result.exit_code == ExitStatus.INTERRUPTED and words in sentence(result)
