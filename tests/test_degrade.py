"""Degradation: against FFmpeg, MATLAB's imresize and the BD kernel; lossless files, noise."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.clips import ClipSpec, make_frame, source_frames
from tests.conftest import MakeClip
from tests.lossless import write_frames
from tests.media.test_reader import with_clean_aperture
from tests.media.test_resample import imresize_1d
from vsrcli.degradation import Degradation, Kind, compress, degrade_planes, reduced_size
from vsrcli.degrade import DegradeOptions, degrade
from vsrcli.degrade_coding import taken_layout
from vsrcli.errors import InputError, OutputError, UsageError
from vsrcli.media import assemble as assembling
from vsrcli.media.exif import display_matrix
from vsrcli.media.formats import layout_of
from vsrcli.media.planes import ColourTags, Frame
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader
from vsrcli.media.resample import gaussian_matrix, resample
from vsrcli.media.swscale import RgbConverter
from vsrcli.notes import ignore
from vsrcli.psnr import psnr
from vsrcli.scores import Protocol
from vsrcli.turning import turning_of

YUV420 = layout_of("yuv420p")
LEFT, TOP_LEFT = 1, 3


def read(path: Path) -> list[Frame]:
    with Reader(path) as frames:
        return list(frames)


def same(a: Any, b: Any) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def through_ffmpeg(
    path: Path, expression: str, pix_fmt: str | None = None
) -> list[list[NDArray[Any]]]:
    """The planes that FFmpeg's scale filter makes of a file's decoded frames, in PIX_FMT."""
    result = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        graph = av.filter.Graph()
        graph.link_nodes(
            graph.add_buffer(template=stream),
            graph.add("scale", expression),
            graph.add("format", pix_fmt or stream.codec_context.pix_fmt),
            graph.add("buffersink"),
        ).configure()
        for frame in container.decode(stream):
            graph.push(frame)
            scaled: Any = graph.pull()
            kind = np.uint16 if "10le" in scaled.format.name else np.uint8
            result.append(
                [
                    np.frombuffer(p, kind).reshape(p.height, -1)[:, : p.width].copy()
                    for p in scaled.planes
                ]
            )
    return result


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
def test_contest_is_the_scale_filter_bit_for_bit(make_clip: MakeClip, pix_fmt: str) -> None:
    clip = make_clip("clip.mkv", codec="ffv1", pix_fmt=pix_fmt, size=(200, 112), frames=3)
    expected = through_ffmpeg(clip, "iw/4:ih/4")
    reduction = Degradation(layout_of(pix_fmt), (200, 112))
    found = [reduction(frame.planes) for frame in read(clip)]
    assert len(found) == 3
    assert all(same(a, b) for a, b in zip(found, expected, strict=True))


def test_tags_do_not_change_the_samples(make_clip: MakeClip) -> None:
    """Colour is not converted: only the planes are scaled, whatever the file says of them."""
    tags = ColourTags(matrix=1, primaries=1, transfer=1, range=1)
    plain = make_clip("plain.mkv", codec="ffv1", size=(80, 48), frames=1)
    tagged = make_clip("tagged.mkv", codec="ffv1", size=(80, 48), frames=1, tags=tags)
    reduction = Degradation(YUV420, (80, 48))
    assert same(reduction(read(plain)[0].planes), reduction(read(tagged)[0].planes))


def test_bi_is_imresize() -> None:
    planes = make_frame("yuv444p", 48, 32).planes
    reduced = degrade_planes(planes, layout_of("yuv444p"), kind="bi")
    for plane, small in zip(planes, reduced, strict=True):
        exact = imresize_1d(imresize_1d(plane.astype(float), 8).T, 12).T
        expected = np.clip(np.rint(exact), 0, 255)
        # Single precision may round the odd sample that lies half way the other way.
        assert np.abs(small - expected).max() <= (np.abs(exact % 1 - 0.5) < 1e-3).max()
        assert small.dtype == np.uint8


def test_bd_is_the_centred_gaussian() -> None:
    plane = make_frame("gray", 48, 32).planes[0]
    taps = np.exp(-0.5 * ((np.arange(12) - 5.5) / 1.6) ** 2)
    kernel = np.outer(taps, taps) / taps.sum() ** 2
    padded = np.pad(plane.astype(float), 4, mode="edge")  # tap -4 to 7 of each block of four
    expected = [
        [(padded[4 * y : 4 * y + 12, 4 * x : 4 * x + 12] * kernel).sum() for x in range(12)]
        for y in range(8)
    ]
    (found,) = degrade_planes([plane], layout_of("gray"), kind="bd")
    assert np.abs(found - np.array(expected)).max() <= 0.501


@pytest.mark.parametrize("scale", [2, 3])
def test_the_blur_of_bd_grows_with_the_scale(scale: int) -> None:
    plane = make_frame("gray", 48, 60).planes[0]
    matrices = (gaussian_matrix(n, n // scale, sigma=1.6 * scale / 4) for n in (60, 48))
    expected = resample(plane.astype(np.float32), *matrices)
    (found,) = degrade_planes([plane], layout_of("gray"), scale=scale, kind="bd")
    assert found.shape == (60 // scale, 48 // scale)
    assert np.abs(found - expected).max() <= 0.501


@pytest.mark.parametrize("kind", ["bi", "bd"])
@pytest.mark.parametrize(("location", "site"), [(LEFT, (0.5, 0.0)), (TOP_LEFT, (0.0, 0.0))])
def test_chroma_stays_on_its_luma(kind: Any, location: int, site: tuple[float, float]) -> None:
    """Chroma that grows with the luma position grows with it afterwards, along both axes."""

    def ramps(count: int) -> tuple[NDArray[Any], NDArray[Any]]:
        down, across = (6 * (2 * np.arange(count) + offset) for offset in site)
        shape = (count, count)
        return np.broadcast_to(down[:, None], shape), np.broadcast_to(across, shape)

    planes = [np.rint(plane).astype(np.uint16) for plane in (np.zeros((160, 160)), *ramps(80))]
    layout = layout_of("yuv420p10le")
    _, *found = Degradation(layout, (160, 160), kind=kind, location=location)(planes)
    for plane, of_luma in zip(found, ramps(20), strict=True):
        expected = 4 * (of_luma + 3) - 3  # luma x lies at 4 (x + 1/2) - 1/2 of the original
        np.testing.assert_allclose(plane[6:14, 6:14], expected[6:14, 6:14], atol=1.1)


def test_sizes_are_rounded_down_to_whole_chroma_samples() -> None:
    assert reduced_size((1920, 1080), 4, YUV420) == (480, 270)
    assert reduced_size((1918, 1078), 4, YUV420) == (478, 268)
    assert reduced_size((1918, 1078), 4, layout_of("yuv444p")) == (479, 269)
    assert reduced_size((1920, 1080), 1.2, YUV420) == (1600, 900)
    with pytest.raises(InputError, match="7x100 is too small"):
        reduced_size((7, 100), 4, YUV420)


@pytest.mark.parametrize("kind", ["contest", "bi"])
def test_noise_is_seeded_and_as_strong_as_asked(kind: Any) -> None:
    layout = layout_of("yuva420p")
    planes = [np.full(shape, 128, np.uint8) for shape in layout.shapes(256, 256)]

    def noisy(seed: int, index: int) -> tuple[NDArray[Any], ...]:
        return Degradation(layout, (256, 256), kind=kind, noise=5.0, seed=seed)(planes, index)

    first = noisy(1, 0)
    assert same(first, noisy(1, 0))
    assert not same(first, noisy(1, 1))
    assert not same(first, noisy(2, 0))
    for plane in first[:3]:
        assert plane.astype(float).std() == pytest.approx(5.0, rel=0.08)
        assert plane.mean() == pytest.approx(128, abs=0.5)
    assert np.array_equal(first[3], degrade_planes(planes, layout, kind=kind)[3])  # alpha
    deep = Degradation(layout_of("gray10le"), (256, 256), noise=5.0)
    (plane,) = deep([np.full((256, 256), 512, np.uint16)])
    assert plane.astype(float).std() == pytest.approx(20.0, rel=0.08)


@pytest.mark.parametrize(
    ("name", "pix_fmt", "codec"),
    [
        ("lr.mkv", "yuv420p", "ffv1"),
        ("lr.mp4", "yuv420p", "libx264"),
        ("lr.mp4", "yuv420p10le", "libx264"),
        ("lr.mov", "yuv420p", "libx264"),
        ("lr.webm", "yuv420p", "libvpx-vp9"),
    ],
)
@pytest.mark.parametrize("kind", ["bi", "bd"])
def test_bi_and_bd_are_written_without_loss(
    make_clip: MakeClip, tmp_path: Path, kind: Any, name: str, pix_fmt: str, codec: str
) -> None:
    clip = make_clip("clip.mkv", codec="ffv1", pix_fmt=pix_fmt, size=(96, 64), frames=3)
    result = degrade(clip, tmp_path / name, DegradeOptions(kind=kind))
    assert (result.codec, result.size, result.frames) == (codec, (24, 16), 3)
    reduction = Degradation(layout_of(pix_fmt), (96, 64), kind=kind)
    expected = [reduction(frame.planes) for frame in read(clip)]
    found = [frame.planes for frame in read(tmp_path / name)]
    assert len(found) == 3
    assert all(same(a, b) for a, b in zip(found, expected, strict=True))


def test_contest_leaves_chroma_of_motion_jpeg_where_ffmpeg_does(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip("clip.avi", codec="mjpeg", pix_fmt="yuvj422p", size=(96, 64), frames=2)
    degrade(clip, tmp_path / "lr.mp4", DegradeOptions(crf=0))
    reduction = Degradation(layout_of("yuv422p"), (96, 64))
    expected = [reduction(frame.planes) for frame in read(clip)]
    found = [frame.planes for frame in read(tmp_path / "lr.mp4")]
    assert all(same(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("lr.webm", DegradeOptions(), True),
        ("lr.webm", DegradeOptions(codec="libvpx-vp9"), False),
        ("lr.webm", DegradeOptions(kind="bi"), False),
        ("lr.mp4", DegradeOptions(), False),
    ],
)
def test_what_is_not_coded_as_the_contest_does_is_told(
    make_clip: MakeClip, tmp_path: Path, name: str, options: DegradeOptions, told: bool
) -> None:
    notes: list[str] = []
    degrade(make_clip(frames=2), tmp_path / name, options, note=notes.append)
    line = "WebM cannot hold the contest's H.264: coded by libvpx-vp9 instead"
    assert (line in notes) == told


def test_compress_is_what_the_file_holds(make_clip: MakeClip, tmp_path: Path) -> None:
    spec = {"codec": "ffv1", "size": (160, 96), "frames": 10}
    clip = make_clip("clip.mkv", **spec)
    degrade(clip, tmp_path / "lr.mp4")
    source = source_frames(ClipSpec(**spec))  # type: ignore[arg-type]
    reduction = Degradation(YUV420, (160, 96))
    reduced = [replace(frame, planes=reduction(frame.planes)) for frame in source]
    decoded = compress(reduced)
    assert all(
        same(a.planes, b.planes) for a, b in zip(decoded, read(tmp_path / "lr.mp4"), strict=True)
    )
    assert not same(decoded[0].planes, reduced[0].planes)
    assert [frame.pts for frame in decoded] == [frame.pts for frame in reduced]
    worse = compress(reduced, crf=40)
    assert np.abs(worse[5].planes[0].astype(int) - decoded[5].planes[0]).mean() > 1
    assert compress([]) == []


HASHED = """
import hashlib
from dataclasses import replace
from fractions import Fraction
import numpy as np
from vsrcli.degradation import compress
from vsrcli.media.formats import layout_of
from vsrcli.media.planes import ColourTags, Frame
rng = np.random.default_rng(5)
scene = rng.integers(16, 235, (60, 80)).repeat(4, 0).repeat(4, 1).astype(np.uint8)
grey = np.full((72, 88), 128, np.uint8)
tags = ColourTags(matrix=6, range=1, chroma_location=1)
frames = []
for i in range(20):
    planes = (scene[i : i + 144, 2 * i : 2 * i + 176].copy(), grey, grey)
    frames.append(Frame(planes, layout_of("yuv420p"), i, 1, Fraction(1, 25), tags, i))
coded = b"".join(frame.planes[0].tobytes() for frame in compress(frames, crf=21))
print(hashlib.sha256(coded).hexdigest())
"""
"""Codes a picture that moves, and prints a hash of what is decoded."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc fills fresh memory")
def test_compress_repeats_whatever_the_memory_held() -> None:
    """As the machine's fastest x264 alone does not, where the CPU has AVX-512."""
    hashes = set()
    for filling in ("1", "85", "255"):
        environment = {**os.environ, "MALLOC_PERTURB_": filling}
        command = [sys.executable, "-c", HASHED]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        hashes.add(done.stdout)
    assert len(hashes) == 1 and all(hashes)


def test_everything_else_is_kept(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip(
        "clip.mkv",
        frames=12,
        pts=[0, 40, 100, 120, 200, 240, 300, 310, 400, 410, 450, 500],
        time_base=Fraction(1, 1000),
        audio=("aac", "flac"),
        subtitles=("Hello",),
        metadata={"title": "A title"},
        size=(96, 64),
    )
    result = degrade(clip, tmp_path / "lr.mkv")
    assert result.dropped == ()
    assert [f.pts for f in read(tmp_path / "lr.mkv")] == [f.pts for f in read(clip)]
    with av.open(str(clip)) as a, av.open(str(tmp_path / "lr.mkv")) as b:
        kinds = [[s.type for s in c.streams] for c in (a, b)]
        assert kinds[0] == kinds[1] == ["video", "audio", "audio", "subtitle"]
        assert b.metadata["title"] == "A title"
        sound = [[bytes(p) for p in c.demux(c.streams.audio[0]) if p.size] for c in (a, b)]
        assert sound[0] == sound[1]
        assert len(sound[0]) > 10


@pytest.mark.parametrize(("name", "kind"), [("lr.mkv", "contest"), ("%d.png", "bi")])
def test_what_players_cut_off_is_told(
    make_clip: MakeClip, tmp_path: Path, name: str, kind: Kind
) -> None:
    clip, notes = make_clip("clip.mp4", size=(64, 48), frames=2), list[str]()
    with_clean_aperture(clip, (8, 8, 4, 4), (64, 48))
    result = degrade(clip, tmp_path / name, DegradeOptions(kind=kind), note=notes.append)
    assert result.size_in == (48, 40)
    assert any("what players cut off is left out" in note for note in notes)


def test_untagged_video_stays_untagged(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mkv", codec="ffv1", size=(1280, 720), frames=1)
    degrade(clip, tmp_path / "lr.mp4")
    (frame,) = read(tmp_path / "lr.mp4")
    assert (frame.tags.matrix, frame.tags.primaries, frame.tags.transfer) == (2, 2, 2)
    tags = ColourTags(matrix=1, primaries=1, transfer=1, range=1)
    clip = make_clip("tagged.mkv", codec="ffv1", size=(64, 48), frames=1, tags=tags)
    degrade(clip, tmp_path / "tagged.mp4")
    (frame,) = read(tmp_path / "tagged.mp4")
    assert replace(frame.tags, chroma_location=0) == tags


def test_odd_sizes_are_rounded_with_a_note(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", size=(90, 70), frames=2, sar=Fraction(4, 3))
    notes: list[str] = []
    result = degrade(clip, tmp_path / "lr.mp4", note=notes.append)
    assert result.size == (22, 16)
    assert any("90x70" in note and "22x16" in note for note in notes)
    with av.open(str(tmp_path / "lr.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (22, 16)
        assert stream.sample_aspect_ratio == Fraction(4, 3) * Fraction(90 * 16, 70 * 22)


def test_pixels_of_a_shape_too_fine_for_numbers_are_rounded(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    """FFmpeg has 31 bits for either number; so many would be needed here that PyAV failed."""
    sar = Fraction(65535, 65521)
    clip = make_clip("clip.mp4", size=(1282, 722), frames=1, sar=sar)
    result = degrade(clip, tmp_path / "lr.mp4", DegradeOptions(scale=3.7))
    found = probe(tmp_path / "lr.mp4").sar
    assert found is not None
    wanted = sar * Fraction(1282 * result.size[1], 722 * result.size[0])
    assert float(found) == pytest.approx(float(wanted), rel=1e-4)


def test_first_frames_only(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", frames=12, audio=("aac",))
    seen: list[tuple[int, int | None]] = []
    options = DegradeOptions(max_frames=5)
    result = degrade(
        clip, tmp_path / "lr.mp4", options, progress=lambda *numbers: seen.append(numbers)
    )
    assert result.frames == len(read(tmp_path / "lr.mp4")) == 5
    assert seen == [(n, 5) for n in range(1, 6)]
    with av.open(str(tmp_path / "lr.mp4")) as container:
        end = max(float(p.pts * p.time_base) for p in container.demux(audio=0) if p.size)
    assert 0.1 < end < 0.25


def test_existing_files_and_bad_values_are_refused(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", frames=2)
    output = tmp_path / "lr.mp4"
    output.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        degrade(clip, output)
    with pytest.raises(UsageError, match="libx26x"):
        degrade(clip, output, DegradeOptions(codec="libx26x", overwrite=True))
    with pytest.raises(UsageError, match=r"--crf 60: libx264 takes 0, which is best, to 51"):
        degrade(clip, output, DegradeOptions(crf=60, overwrite=True))
    with pytest.raises(UsageError, match="not known to be lossless"):
        degrade(clip, output, DegradeOptions(kind="bi", codec="mpeg4", overwrite=True))
    with pytest.raises(UsageError, match="--scale 1"):
        DegradeOptions(scale=1)
    with pytest.raises(UsageError, match="--noise -1"):
        DegradeOptions(noise=-1)
    with pytest.raises(UsageError, match="--max-frames 0"):
        DegradeOptions(max_frames=0)
    with pytest.raises(UsageError, match="scale of 0.5"):
        Degradation(YUV420, (64, 48), scale=0.5)
    with pytest.raises(InputError, match="too small"):
        degrade(clip, output, DegradeOptions(scale=60, overwrite=True))
    assert output.read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "lr.mp4"]
    assert degrade(clip, output, DegradeOptions(overwrite=True)).bytes == output.stat().st_size


def test_rate_factor_makes_bi_lossy(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mkv", codec="ffv1", size=(96, 64), frames=3)
    result = degrade(clip, tmp_path / "lr.mkv", DegradeOptions(kind="bi", crf=30))
    assert result.codec == "libx264"
    assert result.encoder_options["crf"] == "30"
    expected = Degradation(YUV420, (96, 64), kind="bi")(read(clip)[0].planes)
    assert not same(read(tmp_path / "lr.mkv")[0].planes, expected)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])  # whose clock rounds times
def test_contest_is_what_the_ffmpeg_program_makes(
    make_clip: MakeClip, tmp_path: Path, suffix: str
) -> None:
    program = pytest.importorskip(
        "imageio_ffmpeg", reason="needs an FFmpeg program: pip install imageio-ffmpeg"
    )
    clip = make_clip(f"clip{suffix}", size=(640, 352), frames=30, rate=30)
    expected, made = tmp_path / f"ffmpeg{suffix}", tmp_path / f"lr{suffix}"
    begin = [program.get_ffmpeg_exe(), "-v", "error", "-i", str(clip), "-vf", "scale=iw/4:ih/4"]
    x264 = ["-c:v", "libx264", "-preset", "slow", "-crf", "21"]
    subprocess.run([*begin, *x264, str(expected)], check=True)
    result = degrade(clip, made)
    score = psnr(expected, made, protocol=Protocol(channel="yuv", ssim=False))
    assert score.outputs[0].psnr_pooled > 60  # the number of threads may move a few samples
    assert result.bytes == pytest.approx(expected.stat().st_size, rel=0.03)
    raw = subprocess.run([*begin, "-f", "rawvideo", "-"], check=True, capture_output=True)
    reduction = Degradation(YUV420, (640, 352))
    planes = [plane for frame in read(clip) for plane in reduction(frame.planes)]
    assert raw.stdout == b"".join(plane.tobytes() for plane in planes)


@pytest.mark.parametrize(
    ("pix_fmt", "size", "taken"),
    [
        ("yuv410p", (104, 88), "yuv420p"),
        ("yuv411p", (96, 80), "yuv422p"),
        ("yuv440p", (102, 86), "yuv444p"),
        ("yuv420p16le", (96, 80), "yuv420p10le"),
    ],
)
def test_what_x264_does_not_take_is_converted_while_it_is_reduced(
    make_clip: MakeClip, tmp_path: Path, pix_fmt: str, size: tuple[int, int], taken: str
) -> None:
    clip = make_clip("clip.mkv", codec="ffv1", pix_fmt=pix_fmt, size=size, frames=2)
    expected = through_ffmpeg(clip, "iw/4:ih/4", taken)
    result = degrade(clip, tmp_path / "lr.mkv", DegradeOptions(crf=0, preset="ultrafast"))
    found = read(tmp_path / "lr.mkv")
    assert result.size == (size[0] // 4, size[1] // 4)
    assert {frame.layout.pix_fmt for frame in found} == {taken}
    if taken.endswith("10le"):  # crf 0 is lossless with 8 bits alone
        reduction = Degradation(layout_of(pix_fmt), size, target=layout_of(taken))
        assert same(reduction(read(clip)[0].planes), expected[0])
    else:
        assert all(same(f.planes, e) for f, e in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("pix_fmt", "kind", "told"),
    [("bgr0", "bi", "bgr0"), ("yuv420p", "bi", "yuv420p"), ("yuv411p", "contest", "yuv422p")],
)
def test_a_size_that_is_not_whole_is_told_of_what_is_reduced(
    make_clip: MakeClip, tmp_path: Path, pix_fmt: str, kind: Kind, told: str
) -> None:
    """By the name users know it by; FFmpeg's filter makes another one for the encoder."""
    clip, notes = make_clip("in.mkv", codec="ffv1", pix_fmt=pix_fmt, size=(101, 83), frames=1), []
    degrade(clip, tmp_path / "lr.mkv", DegradeOptions(kind=kind), note=notes.append)
    assert sum(f"101x83 at 1/4 is no whole size for {told}: " in note for note in notes) == 1


def test_gray_of_more_bits_is_converted_while_it_is_reduced(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip("clip.mkv", codec="ffv1", pix_fmt="gray16le", size=(96, 80), frames=1)
    expected = through_ffmpeg(clip, "iw/4:ih/4", "gray10le")
    notes: list[str] = []
    taken = taken_layout(probe(clip), tmp_path / "lr.mkv", DegradeOptions(), notes.append)
    assert taken == layout_of("gray10le")
    assert notes == ["libx264 cannot keep 16 bits (written with 10)"]
    reduction = Degradation(layout_of("gray16le"), (96, 80), target=taken)
    assert same(reduction(read(clip)[0].planes), expected[0])
    degrade(clip, tmp_path / "lr.mkv")


def test_white_of_full_range_stays_white_with_more_bits(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    frame = make_frame("yuv420p", 64, 48, tags=ColourTags(range=2))
    planes = (np.full_like(frame.planes[0], 255), *(np.full_like(p, 128) for p in frame.planes[1:]))
    clip = write_frames(tmp_path / "white.mkv", [replace(frame, planes=planes)] * 2)
    degrade(clip, tmp_path / "lr.mov", DegradeOptions(codec="prores_ks"))
    (white, *_) = read(tmp_path / "lr.mov")
    assert abs(np.median(white.planes[0]) - 940) <= 1


@pytest.mark.parametrize(
    ("range_", "kind", "taken"),
    [(1, "contest", "yuv422p10le"), (2, "contest", None), (1, "bi", None)],
)
def test_limited_range_alone_is_given_more_bits_while_it_is_reduced(
    tmp_path: Path, range_: int, kind: Kind, taken: str | None
) -> None:
    tags = ColourTags(range=range_)
    clip = write_frames(tmp_path / "in.mkv", [make_frame("yuv420p", 96, 64, tags=tags)])
    options = DegradeOptions(kind=kind, codec="prores_ks", crf=5)
    target = taken_layout(probe(clip), tmp_path / "lr.mov", options, ignore)
    assert target == (layout_of(taken) if taken else None)
    if target:
        expected = through_ffmpeg(clip, "iw/4:ih/4", taken)
        reduction = Degradation(YUV420, (96, 64), target=target)
        assert same(reduction(read(clip)[0].planes), expected[0])


@pytest.mark.parametrize("kind", ["bi", "bd"])
def test_pictures_hold_what_a_lossless_video_holds(
    make_clip: MakeClip, tmp_path: Path, kind: Kind
) -> None:
    source = make_clip("p/%02d.png", codec="png", pix_fmt="rgb24", frames=3)
    options = DegradeOptions(kind=kind, scale=2)
    result = degrade(source, tmp_path / "out" / "%d.png", options)
    degrade(source, tmp_path / "out.mkv", options)
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in files] == ["1.png", "2.png", "3.png"]
    assert (result.frames, result.size, result.codec) == (3, (32, 24), "png")
    assert result.bytes == sum(file.stat().st_size for file in files)
    for ours, theirs in zip(Reader(tmp_path / "out"), Reader(tmp_path / "out.mkv"), strict=True):
        for one, other in zip(ours.planes, theirs.planes, strict=True):
            np.testing.assert_array_equal(one, other)
    single = degrade(files[0], tmp_path / "one.tif", options)
    assert (single.frames, single.size) == (1, (16, 12))


@pytest.mark.parametrize("kind", ["bi", "bd"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_pictures_of_video_are_its_rgb_reduced(
    make_clip: MakeClip, tmp_path: Path, pix_fmt: str, kind: Kind
) -> None:
    clip = make_clip(codec="ffv1", name="in.mkv", pix_fmt=pix_fmt, size=(66, 50), frames=1)
    degrade(clip, tmp_path / "lr.png", DegradeOptions(kind=kind))
    (frame,), (made,) = Reader(clip), Reader(tmp_path / "lr.png")
    picture = RgbConverter(made.layout.depth)(frame)
    red, green, blue = (np.minimum(plane, picture.peak) for plane in picture.planes)
    planes = degrade_planes([green, blue, red], layout_of("gbrp16le"), kind=kind)
    assert made.planes[0].shape == (12, 16)
    peak = (1 << made.layout.depth) - 1
    for ours, theirs in zip(made.planes, planes, strict=True):
        expected = np.minimum(1, theirs / picture.peak) * peak
        assert np.abs(ours - expected).max() < max(1, 4 * peak / 65280)


def test_pictures_of_turned_video_are_upright(make_clip: MakeClip, tmp_path: Path) -> None:
    quarter = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    source, notes = make_clip("in.mp4", frames=1, display_matrix=quarter, audio=("aac",)), []
    options = DegradeOptions(kind="bi", scale=2)
    result = degrade(source, tmp_path / "one.png", options, note=notes.append)
    assert result.size == (24, 32) == (probe(tmp_path / "one.png").width, 32)
    assert notes == ["audio stream 1 (aac): only frames are written"] == list(result.dropped)


def test_the_matrix_of_vp8_with_alpha_is_seen_to_be_kept(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    source = make_clip("a.webm", codec="libvpx-vp9", pix_fmt="yuva420p", frames=3)
    notes: list[str] = []
    degrade(source, tmp_path / "b.webm", DegradeOptions(codec="libvpx"), note=notes.append)
    assert probe(tmp_path / "b.webm").tags.matrix == 6  # BT.601, which VP8 alone has
    assert not any("did not keep" in note for note in notes)


def photo(path: Path, orientation: int = 1, size: tuple[int, int] = (64, 48)) -> Path:
    """A picture that shows the same whatever the ORIENTATION it is held in."""
    y, x = np.mgrid[: size[1], : size[0]]
    shown = np.dstack([255 * x // size[0], 255 * y // size[1], (x + y) % 256]).astype(np.uint8)
    turning = turning_of(display_matrix(orientation))
    assert turning is not None
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.ascontiguousarray(turning.back(shown))).save(path, exif=exif)
    return path


@pytest.mark.parametrize("orientations", [(1, 3), (6, 8, 6), (3, 5, 1, 2)])
def test_every_picture_of_a_folder_comes_out_upright(
    tmp_path: Path, orientations: tuple[int, ...]
) -> None:
    for number, orientation in enumerate(orientations):
        photo(tmp_path / "in" / f"{number}.png", orientation)
    expected = tmp_path / "expected.png"
    degrade(photo(tmp_path / "one" / "up.png"), expected, DegradeOptions(kind="bi", scale=2))
    result = degrade(tmp_path / "in", tmp_path / "out", DegradeOptions(kind="bi", scale=2))
    assert result.frames == len(orientations)
    assert result.bytes == sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    for number in range(len(orientations)):
        found = np.asarray(Image.open(tmp_path / "out" / f"{number}.png"))
        np.testing.assert_array_equal(found, np.asarray(Image.open(expected)))


def test_frames_of_one_video_are_held_as_the_first_is(tmp_path: Path) -> None:
    for number, orientation in enumerate((6, 1, 3, 8, 5)):
        photo(tmp_path / "in" / f"{number}.png", orientation)
    degrade(tmp_path / "in", tmp_path / "out.mkv", DegradeOptions(kind="bi", scale=2))
    assert (probe(tmp_path / "out.mkv").width, probe(tmp_path / "out.mkv").height) == (24, 32)
    first, *others = list(Reader(tmp_path / "out.mkv"))
    for other in others:
        for one, two in zip(first.planes, other.planes, strict=True):
            np.testing.assert_array_equal(one, two)


def test_pictures_of_several_sizes_and_formats_are_reduced_one_by_one(tmp_path: Path) -> None:
    photo(tmp_path / "in" / "a.png")
    photo(tmp_path / "in" / "b.png", size=(80, 40))
    photo(tmp_path / "in" / "c.jpg")
    (tmp_path / "in" / "d.png").write_bytes(b"no picture")
    options, notes = DegradeOptions(kind="bi", scale=2), []
    result = degrade(tmp_path / "in", tmp_path / "out", options, note=notes.append)
    sizes = {path.name: Image.open(path).size for path in (tmp_path / "out").iterdir()}
    assert sizes == {"a.png": (32, 24), "b.png": (40, 20), "c.png": (32, 24)}
    assert (result.frames, result.left_out, result.damaged) == (3, 1, True)
    assert any("d.png" in note for note in notes)
    assert (result.source, result.output) == (str(tmp_path / "in"), str(tmp_path / "out"))
    seen: list[tuple[int, int | None]] = []
    two = degrade(
        tmp_path / "in",
        tmp_path / "two",
        replace(options, max_frames=2),
        progress=lambda *numbers: seen.append(numbers),
    )
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["a.png", "b.png"]
    assert (two.frames, two.damaged, seen) == (2, False, [(1, 2), (2, 2)])
    degrade(tmp_path / "in" / "c.jpg", tmp_path / "alone.png", options)
    alone = np.asarray(Image.open(tmp_path / "alone.png"))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "c.png")), alone)
    with pytest.raises(OutputError, match="exists already"):
        degrade(tmp_path / "in", tmp_path / "out", options)


@pytest.mark.parametrize("last", [(64, 48), (80, 40)])
def test_every_picture_has_noise_of_its_own(tmp_path: Path, last: tuple[int, int]) -> None:
    """As frames of one video, or reduced one by one since they are not alike."""
    for name, size in (("1", (64, 48)), ("2", (64, 48)), ("3", last)):
        photo(tmp_path / "in" / f"{name}.png", size=size)
    degrade(tmp_path / "in", tmp_path / "out", DegradeOptions(kind="bi", scale=2, noise=5))
    one, two = (np.asarray(Image.open(tmp_path / "out" / f"{n}.png"), float) for n in (1, 2))
    assert (one - two).std() > 5


@pytest.mark.parametrize("kind", ["bi", "bd"])
@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize("name", ["out.png", "out.mkv"])
def test_what_transparency_hides_is_not_mixed_in(
    tmp_path: Path, kind: Any, hidden: int, name: str
) -> None:
    pixels = np.full((96, 128, 4), hidden, np.uint8)
    pixels[..., 3] = 0
    pixels[30:67, 30:91] = (240, 200, 40, 255)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    degrade(tmp_path / "in.png", tmp_path / name, DegradeOptions(kind=kind))
    (frame,) = Reader(tmp_path / name)
    assert 0 < frame.planes[3][8, 7] < 255
    for plane, level in zip(frame.planes, (200, 40, 240), strict=False):
        assert set(plane[frame.planes[3] > 0]) == {level}


@pytest.mark.parametrize("other", ["b.png", "c.png"])
def test_files_beside_pictures_are_told(tmp_path: Path, other: str) -> None:
    """Whether they are reduced as one video or, of two sizes, one by one."""
    photo(tmp_path / "in" / "a.png")
    photo(tmp_path / "in" / other, size=(64, 48) if other == "b.png" else (80, 40))
    (tmp_path / "in" / "d.heic").write_bytes(b"something else")
    notes: list[str] = []
    options = DegradeOptions(kind="bi", scale=2)
    degrade(tmp_path / "in", tmp_path / "out", options, note=notes.append)
    assert notes.count(f"{tmp_path / 'in'}: left out, as no pictures: d.heic") == 1


def test_missing_numbers_are_told(tmp_path: Path) -> None:
    for number in (1, 2, 4):
        photo(tmp_path / "in" / f"{number}.png")
    notes: list[str] = []
    source = tmp_path / "in" / "%d.png"
    degrade(source, tmp_path / "out.mkv", DegradeOptions(kind="bi"), note=notes.append)
    assert any("number 3 is missing" in note for note in notes)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("%d.png", {}, "--kind contest is a video"),
        ("%d.jpg", {"kind": "bi"}, r"use \.png or \.tif"),
        ("%d.png", {"kind": "bi", "crf": 20}, "--crf is for video files"),
        ("one.png", {"kind": "bi"}, "has 3 frames"),
    ],
)
def test_what_pictures_cannot_be(
    make_clip: MakeClip, tmp_path: Path, name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        degrade(make_clip(frames=3), tmp_path / "out" / name, DegradeOptions(**options))
    assert not (tmp_path / "out").exists()


def test_a_name_as_long_as_can_be_and_a_job_that_was_killed(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    left = tmp_path / ".segment.killed.part"
    left.mkdir()
    (left / "segment").write_bytes(b"half")
    output = tmp_path / ("x" * 251 + ".mkv")
    assert degrade(make_clip("in.mkv", frames=3), output).frames == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", output.name]


def test_pictures_of_an_input_replaced_midway_are_not_mixed(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    source, other = (make_clip(name, frames=6) for name in ("in.mkv", "other.mkv"))

    def progress(done: int, total: int | None) -> None:
        if done == 3:
            other.replace(source)

    with pytest.raises(InputError, match=r"in\.mkv: changed while it was read"):
        degrade(source, tmp_path / "out/%02d.png", DegradeOptions(kind="bi"), progress=progress)
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("when", ["reading", "joining"])
def test_an_input_replaced_midway_is_not_mixed(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The frames would be those of one file, the sound that of another."""
    source = make_clip("in.mkv", frames=6, audio=("aac",))
    other = make_clip("other.mkv", frames=6, audio=("flac",))
    output = tmp_path / "out.mkv"
    output.write_text("older")
    write = assembling._write

    def swap(*arguments: Any) -> Any:
        other.replace(source)
        return write(*arguments)

    if when == "joining":
        monkeypatch.setattr(assembling, "_write", swap)

    def progress(done: int, total: int | None) -> None:
        if done == 3 and when == "reading":
            other.replace(source)

    with pytest.raises(InputError, match=r"in\.mkv: changed while it was read"):
        degrade(source, output, DegradeOptions(overwrite=True), progress=progress)
    assert output.read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", "out.mkv"]


def test_a_folder_that_may_not_be_written(make_clip: MakeClip, monkeypatch: Any) -> None:
    def refused(*_: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    clip = make_clip("in.mkv", frames=3)
    monkeypatch.setattr("tempfile.mkdtemp", refused)
    with pytest.raises(OutputError, match=r"out\.mkv: may not be written \(Permission denied\)"):
        degrade(clip, clip.with_name("out.mkv"))
